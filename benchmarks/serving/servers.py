"""What is measured: each way to ask a model, by name, with its server in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.machine import REPOSITORY
from benchmarks.serving import v2
from benchmarks.serving.in_process import pictures
from benchmarks.serving.load import Grpc, Rest, Speed, Target, ask_once, measure
from pipelines.common.environments import python_in_cache
from trainer_modules.common.cluster import free_ports

PEERS = Path(__file__).with_name("peers")
IN_PROCESS = "in process"
STOP_SECONDS = 60  # many times what a server needs
PREDICT = "/tensorflow.serving.PredictionService/Predict"
QUIET = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}

# Measures (rows, clients, seconds).
Way = Callable[[int, int, float], Speed]


@contextlib.contextmanager
def in_process(saved_model: Path) -> Iterator[tuple[Way, np.ndarray]]:
    """The model without a server, and its answer to `pictures(3)`."""
    command = [sys.executable, "-m", "benchmarks.serving.in_process", str(saved_model)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY, env=QUIET
    ) as process:
        assert process.stdin and process.stdout
        wanted = np.array(json.loads(process.stdout.readline()), np.float32)

        def way(rows: int, clients: int, seconds: float) -> Speed:
            process.stdin.write(f"{rows} {clients} {seconds}\n")
            process.stdin.flush()
            return Speed(*json.loads(process.stdout.readline()))

        try:
            yield way, wanted
        finally:
            process.stdin.close()


@contextlib.contextmanager
def local(base: Path, model: str, *options: str) -> Iterator[dict[str, tuple[Way, Callable[[], np.ndarray]]]]:
    """The local server over both protocols: what measures it, and what asks it about `pictures(3)`."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    def grpc_target(rows: int) -> Grpc:
        return Grpc(addresses[0], PREDICT, predict_request(model, rows))

    def rest_target(rows: int) -> Rest:
        body = json.dumps({"signature_name": "raw", "instances": pictures(rows).tolist()}).encode()
        return Rest(addresses[1], f"/v1/models/{model}:predict", body)

    def grpc_answer(answer: bytes) -> np.ndarray:
        (tensor,) = predict_pb2.PredictResponse.FromString(answer).outputs.values()
        found: np.ndarray = tf.make_ndarray(tensor)
        return found

    with local_addresses(base, model, *options) as addresses:
        yield {
            "gRPC": _asked(grpc_target, grpc_answer),
            "REST": _asked(rest_target, lambda answer: np.array(json.loads(answer)["predictions"], np.float32)),
        }


def predict_request(model: str, rows: int) -> bytes:
    """A serialized PredictRequest about `pictures(rows)`."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(inputs={"image": tf.make_tensor_proto(pictures(rows))})
    request.model_spec.name, request.model_spec.signature_name = model, "raw"
    return bytes(request.SerializeToString())


@contextlib.contextmanager
def local_addresses(base: Path, model: str, *options: str) -> Iterator[tuple[str, str]]:
    """The gRPC and the REST address of a local server of one model."""
    with local_process(base, model, *options) as (_, *addresses):
        yield addresses[0], addresses[1]


@contextlib.contextmanager
def local_process(
    base: Path, model: str, *options: str, program: Sequence[str] = ("-m", "serving")
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process of a local server of one model, its gRPC and its REST address; `program` is how Python is told to start it."""
    flags = ["--base", str(base), "--model", model, "--grpc-port", "0", "--rest-port", "0", *options]
    command = [sys.executable, "-X", "faulthandler", *program, *flags]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY, env=QUIET) as server,
    ):
        try:
            assert server.stdout
            said = re.search(r"gRPC (\S+), REST http://([^/]+)/", server.stdout.readline())
            assert said, "the local server did not start"
            yield server, said[1], said[2]
        finally:
            _stop(server, errors)


def _stop(server: subprocess.Popen[str], errors: IO[str]) -> None:
    """Tells a server to stop; one that does not is ended, and said to be at fault, with where each of its threads was."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGABRT)
        server.wait()
        errors.seek(0)
        raise RuntimeError(f"expected the server to stop within {STOP_SECONDS} s, received this:\n{errors.read()[-10_000:]}") from None


@contextlib.contextmanager
def peer(name: str, saved_model: Path, scratch: Path) -> Iterator[dict[str, tuple[Way, Callable[[], np.ndarray]]]]:
    """KServe's or MLServer's Python server, as `local`.

    Args:
        name: kserve or mlserver; its environment is made in the cache from `peers/<name>.lock` the first time.
        saved_model: that it serves.
        scratch: existing folder for its settings and its log.
    """
    python = python_in_cache(PEERS / f"{name}.lock", f"bench-{name}", f"the server {name}")
    rest_port, grpc_port, metrics_port = free_ports(3)
    if name == "kserve":
        ports = ["--http_port", str(rest_port), "--grpc_port", str(grpc_port)]
        command = [str(python), str(PEERS / "kserve_server.py"), "--saved_model", str(saved_model), "--model_name", "model", *ports]
    else:
        shutil.copy(PEERS / "mlserver_model.py", scratch)
        settings = {"debug": False, "host": "127.0.0.1", "http_port": rest_port, "grpc_port": grpc_port, "metrics_port": metrics_port}
        # Without a pool of processes: with MLServer's default of one it was slower here.
        (scratch / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 0}))
        model = {"name": "model", "implementation": "mlserver_model.SavedModel", "parameters": {"uri": str(saved_model)}}
        (scratch / "model-settings.json").write_text(json.dumps(model))
        # Not by its script, which names the place where the environment was made.
        command = [str(python), "-c", "from mlserver.cli import main; main()", "start", str(scratch)]

    log = scratch / "server.log"
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said, cwd=scratch, env=QUIET | {"PYTHONPATH": "."}) as server:
        try:
            _wait_for(server, grpc_port, log)
            _wait_for(server, rest_port, log)
            yield {
                "gRPC": _asked(
                    lambda rows: Grpc(f"127.0.0.1:{grpc_port}", v2.METHOD, v2.grpc_request("model", "image", pictures(rows))),
                    v2.grpc_answer,
                ),
                "REST": _asked(
                    lambda rows: Rest(f"127.0.0.1:{rest_port}", "/v2/models/model/infer", v2.rest_request("image", pictures(rows))),
                    v2.rest_answer,
                ),
            }
        finally:
            server.terminate()


def _asked(target: Callable[[int], Target], read: Callable[[bytes], np.ndarray]) -> tuple[Way, Callable[[], np.ndarray]]:
    return lambda rows, clients, seconds: measure(target(rows), clients, seconds), lambda: read(ask_once(target(3)))


def _wait_for(server: subprocess.Popen, port: int, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"expected {server.args} to listen on {port}, it does not: {log.read_text()[-2000:]}")
