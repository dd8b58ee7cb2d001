"""Requests that no server should get, each with the code that it must answer with. `reliability.hostile` runs this in a process of its own:

    python -m reliability.malformed REST GRPC MODEL SEED

For each count on a line of its standard input it sends so many of them, and prints what came of it as JSON.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import gzip
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.client import RETRIES

THREADS = 4
PER_SECOND = 60
SERVICE = "/tensorflow.serving.PredictionService/"
BOMB_BYTES = 100 << 20
MOST_BYTES = 64 << 20  # that the server takes
DEEP = 50_000
UNAVAILABLE = "UNAVAILABLE"
NO_ANSWER = "no answer"  # of a request that is not finished, or whose answer nobody waits for

# Inputs of the model that is asked: x float32 [N, 2], word string [N], n int32 [N].
ROW: dict[str, Any] = {"x": [1.5, 2], "word": "text", "n": 3}


@dataclasses.dataclass(frozen=True)
class Attack:
    """Where the requests go.

    Attributes:
        rest: host:port.
        channel: of gRPC.
        model: its name.
        chance: chooses the variant of a kind.
        held: connections that stay open until all is sent.
        asked_again: methods of gRPC, once for each time that the connection ended under a call.
    """

    rest: str
    channel: grpc.Channel
    model: str
    chance: random.Random
    held: list[socket.socket] = dataclasses.field(default_factory=list)
    asked_again: list[str] = dataclasses.field(default_factory=list)

    def connect(self) -> socket.socket:
        """A new connection to the REST port."""
        host, port = self.rest.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=60)

    def exchange(self, sent: bytes) -> str:
        """The status that raw bytes over a connection of their own are answered with."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):  # refused before all was sent; the answer may be there all the same
                connection.sendall(sent)
            said = b""
            while b"\r\n" not in said and (chunk := connection.recv(65536)):
                said += chunk
        return said.split()[1].decode() if said.startswith(b"HTTP/1.") else "closed"

    def post(self, body: bytes, *headers: str, verb: str = "predict", method: str = "POST", length: int | None = None) -> str:
        """The status of a request with a body."""
        size = f"Content-Length: {len(body) if length is None else length}"
        lines = [f"{method} /v1/models/{self.model}:{verb} HTTP/1.1", "Host: x", "Connection: close", size, *headers, "", ""]
        return self.exchange("\r\n".join(lines).encode() + body)

    def rows(self, **values: Any) -> str:
        """The status of a prediction of one row with other values than those it should have."""
        return self.post(json.dumps({"instances": [ROW | values]}).encode())

    def call(self, request: bytes, method: str = "Predict", timeout: float = 60, **options: Any) -> str:
        """The status of a call by gRPC. As the project's client it asks again where the connection ended meanwhile."""
        for _ in range(1 + RETRIES):
            try:
                self.channel.unary_unary(SERVICE + method)(request, timeout=timeout, **options)
            except grpc.RpcError as error:
                status = str(error.code().name)
            else:
                status = "OK"
            if status != UNAVAILABLE:
                break
            self.asked_again.append(method)
        return status

    def predict(self, change: Callable[[predict_pb2.PredictRequest], object]) -> str:
        """The status of a good PredictRequest after a change."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        for name, value in (("x", [[1.5, 2.0]]), ("word", ["text"]), ("n", [3])):
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value, tf.int32 if name == "n" else None))
        change(request)
        return self.call(request.SerializeToString())

    def get(self, path: str) -> str:
        """The status of what is looked for below the models."""
        return self.exchange(f"GET /v1/models/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    def cut(self, beginning: bytes) -> str:
        """Sends the beginning of a request, and goes."""
        with self.connect() as connection:
            connection.sendall(beginning)
        return NO_ANSWER

    def hold(self) -> str:
        """Sends half a header, and stays."""
        connection = self.connect()
        connection.sendall(b"POST /v1/models/")
        self.held.append(connection)
        return NO_ANSWER

    def cancel(self) -> str:
        """Asks by gRPC, and does not want to know."""
        call = self.channel.unary_unary(SERVICE + "Predict").future(b"", timeout=60)
        call.cancel()
        return NO_ANSWER


zeros = functools.cache(bytes)  # as many as one asks for: made once, or that would take longer than the server needs


@functools.cache
def bomb() -> bytes:
    """100 MB in 100 kB."""
    return gzip.compress(zeros(BOMB_BYTES))


def head(attack: Attack, header: str) -> bytes:
    """Of a request whose body is to come."""
    return f"POST /v1/models/{attack.model}:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n".encode()


def shape(sizes: list[int]) -> Callable[[predict_pb2.PredictRequest], object]:
    """Gives x that shape, and two numbers."""

    def change(request: predict_pb2.PredictRequest) -> None:
        del request.inputs["x"].tensor_shape.dim[:]
        for size in sizes:
            request.inputs["x"].tensor_shape.dim.add(size=size)

    return change


def dtype(kind: int) -> Callable[[predict_pb2.PredictRequest], object]:
    """Says that x is of another type."""
    return lambda request: setattr(request.inputs["x"], "dtype", kind)


def no_rank(request: predict_pb2.PredictRequest) -> None:
    """Says that nothing is known of x's shape."""
    request.inputs["x"].tensor_shape.unknown_rank = True


def text_for_numbers(request: predict_pb2.PredictRequest) -> None:
    """Gives x as strings."""
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([["a", "b"]]))


Send = Callable[[Attack], str]
REST: dict[str, tuple[str, Send]] = {
    "JSON nested 50,000 deep": ("400", lambda a: a.post(b"[" * DEEP + b"]" * DEEP)),
    "rows nested 50,000 deep": ("400", lambda a: a.post(b'{"instances": ' + b"[" * DEEP + b"]" * DEEP + b"}")),
    "objects nested deep": ("400", lambda a: a.post(b'{"a":' * DEEP)),
    "a gzip bomb of 100 MB": ("413", lambda a: a.post(bomb(), "Content-Encoding: gzip")),
    "not packed as it says": ("400", lambda a: a.post(a.chance.randbytes(500), "Content-Encoding: gzip")),
    "a GET with a body": ("400", lambda a: a.post(json.dumps({"instances": [ROW]}).encode(), method="GET")),
    "another method": ("405", lambda a: a.post(b"{}", method=a.chance.choice(["PUT", "DELETE", "PATCH", "OPTIONS"]))),
    "text for numbers": ("400", lambda a: a.rows(x=["1.5", "2"])),
    "numbers for text": ("400", lambda a: a.rows(word=a.chance.random())),
    "fractions for integers": ("400", lambda a: a.rows(n=a.chance.random())),
    "an integer out of range": ("400", lambda a: a.rows(n=a.chance.choice([1, -1]) * 2 ** a.chance.randrange(32, 2000))),
    "a number past float32": ("400", lambda a: a.rows(x=[1e39, 1])),
    "NaN for an integer": ("400", lambda a: a.rows(n=float("nan"))),
    "1e999 for an integer": ("400", lambda a: a.post(b'{"instances": [{"x": [1, 2], "word": "", "n": 1e999}]}')),
    "null": ("400", lambda a: a.rows(**{a.chance.choice(["x", "word", "n"]): None})),
    "a wrong shape": ("400", lambda a: a.rows(x=[0.5] * a.chance.randrange(3, 100))),
    "ragged rows": ("400", lambda a: a.rows(x=[1, [2]])),
    "a wrong name": ("400", lambda a: a.rows(**{f"name{a.chance.random()}": 1})),
    "a name too few": ("400", lambda a: a.post(b'{"instances": [{"x": [1, 2]}]}')),
    "the same name twice": ("400", lambda a: a.post(b'{"instances": [{"x": [1, 2], "x": 3, "word": "", "n": 1}]}')),
    "no rows": ("400", lambda a: a.post(b'{"instances": []}')),
    "an unknown signature": ("400", lambda a: a.post(json.dumps({"signature_name": "none", "instances": [ROW]}).encode())),
    "an unknown model": ("404", lambda a: a.get("none")),
    "another verb": ("400", lambda a: a.post(b"{}", verb="explain")),
    "bytes that are no UTF-8": ("400", lambda a: a.post(b'{"instances": "' + bytes([0xFF, 0xFE, 0xC0]) + b'"}')),
    "half a surrogate": ("400", lambda a: a.rows(word="\ud800")),
    "wrong base64": ("400", lambda a: a.rows(word={"b64": "?"})),
    "JSON with a byte changed": ("400", lambda a: a.post(json.dumps({"instances": [ROW]}).encode().replace(b":", b"\x00", 1))),
    "JSON cut short": ("400", lambda a: a.post(json.dumps({"instances": [ROW]}).encode()[: a.chance.randrange(1, 40)])),
    "a length that is none": ("400", lambda a: a.post(b"{}", "Content-Length: -5")),
    "a length that is too much": ("413", lambda a: a.post(b"{}", length=a.chance.randrange(MOST_BYTES + 1, 2**50))),
    "two lengths": ("400", lambda a: a.post(b"{}", "Content-Length: 7")),
    "chunks that are none": ("400", lambda a: a.exchange(head(a, "Transfer-Encoding: chunked") + b"x\r\n")),
    "a header of 70 kB": ("400", lambda a: a.post(b"{}", "X: " + "x" * 70_000)),
    "a thousand headers": ("400", lambda a: a.post(b"{}", *[f"X-{number}: x" for number in range(1000)])),
    "no HTTP": ("400", lambda a: a.exchange(b"\x16\x03\x01" + a.chance.randbytes(40) + b"\r\n\r\n")),
    "a path out of the models": ("400", lambda a: a.get("../../etc/passwd")),
    "cut in its header": (NO_ANSWER, lambda a: a.cut(head(a, "")[: a.chance.randrange(1, 60)])),
    "cut in its body": (NO_ANSWER, lambda a: a.cut(head(a, "Content-Length: 100") + b'{"instances": [')),
    "half a header, and no end": (NO_ANSWER, Attack.hold),
}
GRPC: dict[str, tuple[str, Send]] = {
    "bytes that are no message": ("INTERNAL", lambda a: a.call(b"\xff" + a.chance.randbytes(100))),
    "an empty message": ("INVALID_ARGUMENT", lambda a: a.call(b"")),
    "no such method": ("UNIMPLEMENTED", lambda a: a.call(b"", method="Train")),
    "a message of 65 MiB": ("RESOURCE_EXHAUSTED", lambda a: a.call(zeros(MOST_BYTES + (1 << 20)))),
    "a packed bomb of 100 MB": ("RESOURCE_EXHAUSTED", lambda a: a.call(zeros(BOMB_BYTES), compression=grpc.Compression.Gzip)),
    "a tensor of 2^60 numbers in 8 bytes": ("INVALID_ARGUMENT", lambda a: a.predict(shape([2**30, 2**30]))),
    "a tensor of more numbers than it has": ("INVALID_ARGUMENT", lambda a: a.predict(shape([a.chance.randrange(2, 1000), 2]))),
    "a negative size": ("INVALID_ARGUMENT", lambda a: a.predict(shape([-a.chance.randrange(1, 100), 2]))),
    "sizes whose product overflows": ("INVALID_ARGUMENT", lambda a: a.predict(shape([2**62, 2**62]))),
    "a tensor of no known rank": ("INVALID_ARGUMENT", lambda a: a.predict(no_rank)),
    "another type": ("INVALID_ARGUMENT", lambda a: a.predict(dtype(a.chance.choice([2, 3, 7, 9, 10, 20, 21])))),
    "a type that there is not": ("INVALID_ARGUMENT", lambda a: a.predict(dtype(a.chance.randrange(1000, 2000)))),
    "strings for numbers": ("INVALID_ARGUMENT", lambda a: a.predict(text_for_numbers)),
    "an input too few": ("INVALID_ARGUMENT", lambda a: a.predict(lambda r: r.inputs.pop("n"))),
    "an unknown signature": ("FAILED_PRECONDITION", lambda a: a.predict(lambda r: setattr(r.model_spec, "signature_name", "none"))),
    "an unknown model": ("NOT_FOUND", lambda a: a.predict(lambda r: setattr(r.model_spec, "name", "../none"))),
    "a version out of range": ("NOT_FOUND", lambda a: a.predict(lambda r: setattr(r.model_spec.version, "value", -1))),
    "an unknown output": ("INVALID_ARGUMENT", lambda a: a.predict(lambda r: r.output_filter.append("none"))),
    "a call that is taken back": (NO_ANSWER, Attack.cancel),
}
KINDS = {f"REST: {name}": kind for name, kind in REST.items()} | {f"gRPC: {name}": kind for name, kind in GRPC.items()}


def send(attack: Attack, name: str) -> str:
    """What came of one request: the code, or the name of an error."""
    try:
        return KINDS[name][1](attack)
    except (OSError, grpc.RpcError) as error:
        return type(error).__name__


def send_all(attack: Attack, count: int) -> dict[str, Any]:
    """Sends so many, of every kind in turn, and PER_SECOND at most.

    Returns:
        {"sent": by kind, "wrong": by "kind: received", "seconds", "again": how often a call by gRPC was made again}.
    """
    names = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    attack.chance.shuffle(names)
    started = time.perf_counter()

    def paced(place: int) -> tuple[str, str]:
        time.sleep(max(0.0, started + place / PER_SECOND - time.perf_counter()))
        return names[place], send(attack, names[place])

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(paced, range(count)))
    for connection in attack.held:
        connection.close()
    attack.held.clear()
    wrong = collections.Counter(f"{name}: {received}" for name, received in outcomes if received != KINDS[name][0])
    again = len(attack.asked_again)
    attack.asked_again.clear()
    return {"sent": dict(collections.Counter(names)), "wrong": dict(wrong), "seconds": time.perf_counter() - started, "again": again}


def main(rest: str, address: str, model: str, seed: str) -> None:
    """The command line, see the head of this module."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # real ones have machines of their own
    bomb()
    with grpc.insecure_channel(address, [("grpc.max_send_message_length", -1)]) as channel:
        attack = Attack(rest, channel, model, random.Random(int(seed)))
        for line in sys.stdin:
            print(json.dumps(send_all(attack, int(line))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
