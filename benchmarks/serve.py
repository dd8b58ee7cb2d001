"""Requests per second and latencies of the local server, with the tiny model of the tests: `python -m benchmarks.serve`.

Server and clients share this machine's cores, in two processes; the clients are threads, each with a connection of its own.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

SECONDS = 3.0
CASES = ((1, 1), (1, 8), (8, 32))  # clients, rows per request
Ask = Callable[[], None]


def main() -> None:
    """Measures each case over both protocols and prints a table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tests import tiny_model

    table = Table("Protocol", "Clients", "Rows per request", "Requests/s", "p50 ms", "p99 ms")
    with tempfile.TemporaryDirectory() as folder:
        tiny_model.export(Path(folder) / "tiny" / "1")
        command = [sys.executable, "-m", "serving", "--base", folder, "--grpc-port", "0", "--rest-port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout
                addresses = re.search(r"gRPC (\S+), REST http://([^/]+)/", server.stdout.readline())
                assert addresses, "the server did not start"
                for name, connect in (("gRPC", over_grpc), ("REST", over_rest)):
                    address = addresses[1 if name == "gRPC" else 2]
                    for clients, rows in CASES:
                        images = tiny_model.images(rows)
                        milliseconds = measure([connect(address, images) for _ in range(clients)])
                        middle, late = np.percentile(milliseconds, [50, 99])
                        table.add_row(name, str(clients), str(rows), f"{len(milliseconds) / SECONDS:,.0f}", f"{middle:.2f}", f"{late:.2f}")
            finally:
                server.terminate()
    Console().print(table)


def over_grpc(address: str, images: np.ndarray) -> Ask:
    """A client that asks over gRPC about images, uint8 [N, height, width]."""
    from serving.client import GrpcClient

    client = GrpcClient(address)

    def ask() -> None:
        assert len(client.predict("tiny", {"image": images}, "raw")["probabilities"]) == len(images)

    return ask


def over_rest(address: str, images: np.ndarray) -> Ask:
    """The same over REST, on one connection that stays open."""
    connection = http.client.HTTPConnection(address)
    body = json.dumps({"instances": images.tolist()})

    def ask() -> None:
        connection.request("POST", "/v1/models/tiny:predict", body)
        answer = json.loads(connection.getresponse().read())
        assert len(answer["predictions"]) == len(images)

    return ask


def measure(clients: list[Ask]) -> list[float]:
    """Milliseconds of every request that the clients made side by side within SECONDS."""
    milliseconds: list[float] = []

    def keep_asking(ask: Ask) -> None:
        ask()  # connects
        while (start := time.perf_counter()) < end:
            ask()
            milliseconds.append((time.perf_counter() - start) * 1000)

    end = time.perf_counter() + SECONDS
    threads = [threading.Thread(target=keep_asking, args=(ask,)) for ask in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return milliseconds


if __name__ == "__main__":
    main()
