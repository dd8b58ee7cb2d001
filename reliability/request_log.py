"""The log of requests under a server that is killed, on a disk that is full, and on one that hangs: records are whole, answers go on."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.records import records
from reliability.section import Row, Section
from serving.metrics import Metrics
from serving.request_log import Logging, RequestLog

TITLE = "The log of requests"
TEXT = """
A process logs requests of 1 KB as fast as it can and is killed (SIGKILL) after up to half a second; the disk takes no more bytes, from a
random one on, in the middle of a record; the disk hangs. Harm is a record that was counted as written and cannot be read, a damaged one
other than the last of a killed process, or a request that was held up for 0.1 s or failed.

The naive version writes each request with TensorFlow's `TFRecordWriter` before it is answered.
"""
MODEL, RECORD = "digits", 1000
KILLED_WITHIN = 0.5  # seconds
SLOW = 0.1  # seconds; a disk that hangs does so for HANGS
HANGS = 0.3
REQUESTS = 50
# What is killed: the count that it tells is of records that are surely written.
CHILD = """
import sys
from pathlib import Path
from reliability import request_log
request_log.{what}(Path(sys.argv[1]))
"""


def measure(full: bool, folder: Path) -> Section:
    """5 faults of each kind, or 50."""
    count = 50 if full else 5
    return Section(TITLE, TEXT, [killed(folder, count), full_disk(folder, count), hanging_disk(folder, count)])


def killed(folder: Path, count: int) -> Row:
    """Processes that are killed while they log."""
    harmed = lost = cut = 0
    for seed in range(count):
        wait = random.Random(seed).uniform(0, KILLED_WITHIN)
        told, found, damaged = outcome_of_kill("log_for_ever", folder / f"killed-{seed}", wait)
        harmed += found < told or damaged > 1
        cut += damaged
        told, found, _ = outcome_of_kill("write_for_ever", folder / f"killed-naive-{seed}", wait)
        lost += found < told
    return Row("killed while it logs", count, harmed, f"{lost} of {count} lost records that were counted", f"{cut} last records cut")


def outcome_of_kill(what: str, folder: Path, wait: float) -> tuple[int, int, int]:
    """Runs a function of this module until it is killed: records that it told of, records found, and files with a damaged end."""
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", CHILD.format(what=what), str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        told = [line for line in process.stdout if line.endswith("\n")]
    return (int(told[-1]) if told else 0, *read(folder))


def log_for_ever(folder: Path) -> None:
    """Logs requests, and tells how many were written."""
    metrics = Counting()
    log = RequestLog(Logging(folder, 1.0, file_bytes=2**20), metrics)
    print(0, flush=True)
    while True:
        log.note(MODEL, 1, request)
        print(metrics.written, flush=True)


def write_for_ever(folder: Path) -> None:
    """The naive version, which tells how many it wrote."""
    with tf.io.TFRecordWriter(str(folder / "naive.tfrecord")) as writer:
        print(0, flush=True)
        number = 0
        while True:
            writer.write(naive_record())
            number += 1
            print(number, flush=True)


class Counting(Metrics):
    """Counts what was written, as a number at hand."""

    def __init__(self) -> None:
        super().__init__()
        self.written = self.dropped = 0

    def logged(self, model: str, status: str) -> None:
        """See Metrics."""
        super().logged(model, status)
        self.written += status == "OK"
        self.dropped += status != "OK"


def full_disk(folder: Path, count: int) -> Row:
    """A file may have so many bytes and no more."""
    harmed = refused = dropped = 0
    limits, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for seed in range(count):
            place, metrics = folder / f"full-{seed}", Counting()
            log = RequestLog(Logging(place, 1.0), metrics)
            resource.setrlimit(resource.RLIMIT_FSIZE, (random.Random(seed).randrange(RECORD * REQUESTS), limits[1]))
            failed = failures(lambda log=log: log.note(MODEL, 1, request))  # type: ignore[misc]
            log.close()
            refused += failures(naive_writer(folder / f"full-naive-{seed}")) > 0
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            found, damaged = read(place)
            harmed += failed > 0 or damaged > 0 or found != metrics.written
            dropped += metrics.dropped
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    return Row("a full disk", count, harmed, f"{refused} of {count} failed requests", f"{dropped:,} records dropped and counted")


def hanging_disk(folder: Path, count: int) -> Row:
    """A disk on which each write takes HANGS seconds."""
    harmed = held_up = 0
    write = os.write

    def slow(handle: int, content: bytes) -> int:
        threading.Event().wait(HANGS)
        return write(handle, content)

    for seed in range(count):
        log = RequestLog(Logging(folder / f"hangs-{seed}", 1.0, waiting_bytes=3 * RECORD), Counting())
        with mock.patch("os.write", slow):
            longest = 0.0
            for _ in range(REQUESTS):
                started = time.perf_counter()
                log.note(MODEL, 1, request)
                longest = max(longest, time.perf_counter() - started)
            started = time.perf_counter()
            slow(os.open(folder / f"hangs-naive-{seed}", os.O_WRONLY | os.O_CREAT), naive_record())
            held_up += time.perf_counter() - started > SLOW
            log.close()
        harmed += longest > SLOW
    return Row("a disk that hangs", count, harmed, f"{held_up} of {count} held requests up")


def request() -> predict_pb2.PredictRequest:
    """One of about RECORD bytes."""
    return predict_pb2.PredictRequest(model_spec={"name": MODEL}, inputs={"image": tf.make_tensor_proto(os.urandom(RECORD))})


def naive_record() -> bytes:
    """The request as it is logged."""
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request())).SerializeToString()


def naive_writer(path: Path) -> Callable[[], None]:
    """What the naive version does for a request."""
    writer = tf.io.TFRecordWriter(str(path))

    def write() -> None:
        writer.write(naive_record())
        writer.flush()

    return write


def failures(answer: Callable[[], None]) -> int:
    """How many of REQUESTS calls fail."""
    failed = 0
    for _ in range(REQUESTS):
        try:
            answer()
        except (OSError, tf.errors.OpError):
            failed += 1
    return failed


def read(folder: Path) -> tuple[int, int]:
    """Whole records of all files, and how many files have a damaged end."""
    found = damaged = 0
    for path in folder.rglob("*.tfrecord"):
        try:
            with path.open("rb") as file:
                for _ in records(file):
                    found += 1
        except OSError:
            damaged += 1
    return found, damaged
