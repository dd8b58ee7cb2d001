"""Hostile requests to the server while good ones come, and hostile files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from benchmarks.machine import REPOSITORY
from benchmarks.serving.load import Grpc, Rest, Target
from reliability import hostile_files
from reliability.malformed import KINDS, PER_SECOND, ROW, SERVICE
from reliability.section import Row, Section

MODEL = "small"
ROUNDS = 5  # each of a quiet time and of an attack of the same length: others use the machine too, and not evenly
GOOD_PER_SECOND = 50  # over each protocol
MOST_GROWTH = 400 << 20  # bytes of memory: what four requests at once may hold for a while, and what the allocator keeps of it

TEXT = f"""A server in a process of its own, and two good clients that ask it {GOOD_PER_SECOND} times a second each, over REST and gRPC, all
the time. In every other stretch of time another process sends {PER_SECOND} malformed requests a second, of {len(KINDS)} kinds: JSON nested
50,000 deep, bombs of 100 MB, wrong types, shapes, names and signatures, requests that are cut or never end, tensors that promise more
than they bring. Each has a code that it must get; it did harm if it got another, or none. The server's gRPC connections end after two
seconds; where that happens while a message is refused in its midst, gRPC tells its client UNAVAILABLE, and the client asks again, as the
project's own does. A good request did harm if it was answered wrongly or not at all. The 99th percentiles count from when a request was
due; the middle one of {ROUNDS} stretches each must not more than double. The attacker runs on the same cores, when nobody else wants
them.

Files: SavedModels with operations on files, data sets, Python or the whole process; archives with names and links that lead elsewhere;
arrays that are pickled objects; weights that lead to other files or have code. The naive version loads them as the libraries do by
default, or did for long: `tf.saved_model.load`, `tarfile.extractall` that trusts the archive, `numpy.load` with pickle,
`keras.models.load_model` without its safe mode, `h5py`, `gzip.decompress`.
"""


class Small(tf.Module):
    """y = x₀ + x₁ + the length of the word + n."""

    def __init__(self) -> None:
        super().__init__()
        self.one = tf.Variable(1.0)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="x"),
            tf.TensorSpec([None], tf.string, name="word"),
            tf.TensorSpec([None], tf.int32, name="n"),
        ]
    )
    def serve(self, x: tf.Tensor, word: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
        """See the class."""
        return {"y": tf.reduce_sum(x, axis=1) * self.one + tf.cast(tf.strings.length(word) + n, tf.float32)}


ANSWER = sum(ROW["x"]) + len(ROW["word"]) + ROW["n"]


@contextlib.contextmanager
def server(base: Path, log: Path) -> Iterator[tuple[psutil.Process, str, str]]:
    """The server of a folder of models: its process, and its addresses of REST and gRPC."""
    command = [sys.executable, "-m", "serving", "--base", str(base), "--grpc-port", "0", "--rest-port", "0"]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY, env=quiet) as running,
    ):
        assert running.stdout
        said = re.search(r"gRPC (\S+), REST http://([^/]+)/", running.stdout.readline())
        assert said, log.read_text()
        try:
            yield psutil.Process(running.pid), said[2], said[1]
        finally:
            running.terminate()


@contextlib.contextmanager
def attacker(rest: str, address: str) -> Iterator[subprocess.Popen[str]]:
    """A process that sends malformed requests, see `malformed`."""
    command = [sys.executable, "-m", "reliability.malformed", rest, address, MODEL, "7"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


async def send(process: subprocess.Popen[str], count: int) -> dict[str, Any]:
    """What came of so many malformed requests."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    found: dict[str, Any] = json.loads(await asyncio.to_thread(process.stdout.readline))
    return found


async def ask(target: Target, done: asyncio.Event) -> tuple[list[float], int]:
    """Asks steadily until told to end: milliseconds from when each request was due, and how many answers were wrong."""
    once, close = await target.connect()
    latencies, wrong, started = list[float](), 0, time.perf_counter()
    while not done.is_set():
        due = started + len(latencies) / GOOD_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        try:
            wrong += answer(await once()) != ANSWER
        except (grpc.RpcError, OSError, asyncio.IncompleteReadError, ValueError):
            wrong += 1
        latencies.append(1000 * (time.perf_counter() - due))
    await close()
    return latencies, wrong


def answer(response: bytes) -> float:
    """The number in an answer, of either protocol."""
    if response.startswith(b"{"):
        (value,) = json.loads(response)["predictions"]
    else:
        (value,) = tf.make_ndarray(predict_pb2.PredictResponse.FromString(response).outputs["y"])
    return float(value)


async def meanwhile(targets: list[Target], work: Any) -> tuple[Any, list[tuple[list[float], int]]]:
    """What came of some work, and of asking steadily while it was done."""
    done = asyncio.Event()

    async def then_end() -> Any:
        try:
            return await work
        finally:
            done.set()

    outcome, *asked = await asyncio.gather(then_end(), *(ask(target, done) for target in targets))
    return outcome, asked


def good_requests(rest: str, address: str) -> dict[str, Target]:
    """What the good clients ask, by protocol."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    for name, value in ROW.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto([value], {"x": tf.float32, "n": tf.int32}.get(name)))
    body = json.dumps({"instances": [ROW]}).encode()
    return {
        "REST": Rest(rest, f"/v1/models/{MODEL}:predict", body),
        "gRPC": Grpc(address, SERVICE + "Predict", request.SerializeToString()),
    }


def requests(count: int, folder: Path) -> list[Row]:
    """The rows about requests."""
    small = Small()
    tf.saved_model.save(small, str(folder / "served" / MODEL / "1"), signatures={"serving_default": small.serve})
    with server(folder / "served", folder / "log") as (process, *addresses), attacker(*addresses) as attack:
        targets = good_requests(*addresses)
        asyncio.run(meanwhile(list(targets.values()), send(attack, len(KINDS))))  # of each kind one, for both sides to warm up
        before = process.memory_info().rss
        late: dict[str, list[list[float]]] = {"quiet": [[] for _ in targets], "attack": [[] for _ in targets]}
        sent, wrong, bad_answers, asked, again = Counter[str](), Counter[str](), 0, 0, 0
        for _ in range(ROUNDS):
            found, under_attack = asyncio.run(meanwhile(list(targets.values()), send(attack, count // ROUNDS)))
            _, quiet = asyncio.run(meanwhile(list(targets.values()), asyncio.sleep(found["seconds"])))
            sent.update(found["sent"])
            wrong.update(found["wrong"])
            again += found["again"]
            for when, outcomes in (("attack", under_attack), ("quiet", quiet)):
                for place, (latencies, bad) in enumerate(outcomes):
                    late[when][place].append(float(np.percentile(latencies, 99)))
                    bad_answers += bad
                    asked += len(latencies) if when == "attack" else 0
        grown = process.memory_info().rss - before
        alive = process.is_running()
        tracebacks = (folder / "log").read_text().count("Traceback")
    middle = {when: dict(zip(targets, map(statistics.median, each), strict=True)) for when, each in late.items()}
    doubled = sum(middle["attack"][name] > 2 * middle["quiet"][name] for name in targets)
    figures = ", ".join(f"{name} {middle['quiet'][name]:.1f} → {middle['attack'][name]:.1f} ms" for name in targets)
    bombs = {name: number for name, number in sent.items() if "bomb" in name}
    passed = sum(number for name, number in wrong.items() if "bomb" in name)
    process_found = f"{'alive' if alive else 'gone'}; {grown / 2**20:.0f} MiB more memory; {tracebacks} tracebacks in its log"
    return [
        Row(
            "malformed requests",
            sum(sent.values()),
            sum(wrong.values()),
            "",
            ", ".join(wrong) or f"the right code for each of {len(KINDS)} kinds; {again} asked again",
        ),
        Row("of these, bombs of 100 MB", sum(bombs.values()), passed, hostile_files.unpacked_bombs(sum(bombs.values()))),
        Row("good requests meanwhile", asked, bad_answers, "", "the same answers as before"),
        Row("99th percentiles of good requests, quiet → under attack", 2, doubled, "", figures),
        Row("the server's process", 1, int(not alive or grown > MOST_GROWTH), "", process_found),
    ]


def measure(full: bool, folder: Path) -> Section:
    """See `section.Measure`."""
    return Section("Hostile input", TEXT, [*requests(10_000 if full else 600, folder), *hostile_files.rows(folder, full)])
