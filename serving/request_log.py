"""What clients ask, kept for later: a share of the answered requests as TFRecords of PredictionLog, in files by model and version.

`darsena monitor` reads them. TF Serving's own request logging writes the same messages. Answering is never held up: a request that was
answered is put in a queue of bounded size, and one thread writes. Nothing here imports TensorFlow before a request is logged.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from serving.errors import ServingError
from serving.records import framed

if TYPE_CHECKING:
    from tensorflow_serving.apis import prediction_log_pb2

    from serving.metrics import Metrics

log = logging.getLogger(__name__)

SHARE = 0.1
CLOSE_SECONDS = 5.0  # for what still waits when the server stops; a disk that hangs does not keep it
# What became of a request that was to be logged, in the metrics: gRPC's words, as TF Serving has them there.
WRITTEN, NO_ROOM, NO_DISK = "OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE"


@dataclasses.dataclass(frozen=True)
class Logging:
    """What is logged, and where.

    Attributes:
        folder: gets `<model>/<version>-<time in UTC>-<number>.tfrecord`, readable by this user only.
        share: of the answered requests that are logged, each by chance; from 0 to 1.
        file_bytes: a file that has reached this size is followed by the next one.
        file_seconds: so is one that was begun so long ago.
        waiting_bytes: at most so much waits to be written; what comes then is dropped, and counted.
        seed: of the chance; None for another one each time.
    """

    folder: Path
    share: float = SHARE
    file_bytes: int = 64 * 2**20
    file_seconds: float = 3600.0
    waiting_bytes: int = 32 * 2**20
    seed: int | None = None


class RequestLog:
    """Writes requests down, in a thread of its own."""

    def __init__(self, settings: Logging, metrics: Metrics) -> None:
        """
        Args:
            settings: what is logged, and where.
            metrics: count what was written, and what was dropped.

        Raises:
            ServingError: the folder can't be made, or nothing can be written there.
        """
        self._settings = settings
        self._metrics = metrics
        self._chance = random.Random(settings.seed)
        self._files: dict[tuple[str, int], _File] = {}
        self._waiting: deque[tuple[str, int, bytes]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._failing = False
        try:
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ServingError(_unwritable(settings.folder, error.strerror)) from error
        if not os.access(settings.folder, os.W_OK | os.X_OK):
            raise ServingError(_unwritable(settings.folder, "this user may not write there"))
        self._writer = threading.Thread(target=self._write_all, name="request-log", daemon=True)
        self._writer.start()

    def note(self, model: str, version: int, request: Callable[[], Message]) -> None:
        """Has a request that was answered logged, if chance wants it; returns at once.

        Args:
            model, version: which answered.
            request: makes the message, a PredictRequest, ClassificationRequest or RegressionRequest; called only if it is logged.
        """
        if self._chance.random() >= self._settings.share:
            return
        content = self._entry(model, version, request()).SerializeToString()
        with self._changed:
            if self._waiting_bytes + len(content) <= self._settings.waiting_bytes:
                self._waiting.append((model, version, content))
                self._waiting_bytes += len(content)
                self._changed.notify()
                return
        self._metrics.logged(model, NO_ROOM)

    def close(self) -> None:
        """Writes what waits, for up to a few seconds, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(CLOSE_SECONDS)

    def _entry(self, model: str, version: int, request: Message) -> prediction_log_pb2.PredictionLog:
        """The message that is kept of a request: what was asked, and who answered."""
        from tensorflow_serving.apis import classification_pb2, prediction_log_pb2, regression_pb2

        entry = prediction_log_pb2.PredictionLog()
        if isinstance(request, classification_pb2.ClassificationRequest):
            kept = entry.classify_log.request
        elif isinstance(request, regression_pb2.RegressionRequest):
            kept = entry.regress_log.request
        else:
            kept = entry.predict_log.request
        kept.CopyFrom(request)
        kept.model_spec.name = model
        kept.model_spec.version.value = version  # in the place of a label, if it asked by one
        entry.log_metadata.model_spec.CopyFrom(kept.model_spec)
        entry.log_metadata.sampling_config.sampling_rate = self._settings.share
        entry.log_metadata.timestamp_secs = int(time.time())
        return entry

    def _write_all(self) -> None:
        """The thread's work: ends when the log is closed and nothing waits."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    break
                model, version, content = self._waiting.popleft()
                self._waiting_bytes -= len(content)
            self._metrics.logged(model, self._write(model, version, content))
        for file in self._files.values():
            file.close()

    def _write(self, model: str, version: int, content: bytes) -> str:
        """Writes a record; says what became of it."""
        try:
            self._file(model, version).append(framed(content))
        except OSError as error:
            if not self._failing:  # once, rather than with every request
                log.warning("cannot log requests under %s, and drops them: %s", self._settings.folder, error.strerror or error)
            self._failing = True
            return NO_DISK
        if self._failing:
            log.warning("logs requests under %s again", self._settings.folder)
        self._failing = False
        return WRITTEN

    def _file(self, model: str, version: int) -> _File:
        """The file that a version's next record goes into; those that are full or old are closed."""
        for key, file in list(self._files.items()):
            if file.size >= self._settings.file_bytes or time.monotonic() - file.begun >= self._settings.file_seconds:
                self._files.pop(key).close()
        if (model, version) not in self._files:
            self._files[model, version] = _File(self._settings.folder / model, version)
        return self._files[model, version]


class _File:
    """A file that records are appended to, each by one write: a process that is killed leaves at most the last record cut."""

    def __init__(self, folder: Path, version: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem = f"{version}-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            try:
                self._handle = os.open(folder / f"{stem}-{number}.tfrecord", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                number += 1
            else:
                break
        self.size = 0
        self.begun = time.monotonic()

    def append(self, record: bytes) -> None:
        """Writes a record at the end, or nothing.

        Raises:
            OSError: the disk takes no more.
        """
        try:
            if os.write(self._handle, record) < len(record):
                raise OSError("the disk is full")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self.size)
                os.lseek(self._handle, self.size, os.SEEK_SET)
            raise
        self.size += len(record)

    def close(self) -> None:
        """Nothing is written any more."""
        with contextlib.suppress(OSError):  # as a disk of another machine may say only now; the records were counted as written
            os.close(self._handle)


def _unwritable(folder: Path, reason: str | None) -> str:
    return f"expected a folder for the log of requests at {folder}, cannot write there: {reason}. Choose another --log-requests."
