"""Before anything heavy: a root folder that can hold a run, and a quiet terminal while TensorFlow and TFX talk."""

from __future__ import annotations

import contextlib
import datetime
import io
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

from pipelines.common.errors import DarsenaError

NEEDED_BYTES = 256 * 2**20  # a run on the samples leaves tens of MB, one on full MNIST about 100


def prepare_root(root: Path) -> Path:
    """Makes the root folder if need be.

    Args:
        root: where runs leave everything.

    Returns:
        The same path.

    Raises:
        DarsenaError: it is not a folder that can be read and written, or its disk is full.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for _ in root.iterdir():
            break
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(b"\0" * 4096)
        free = shutil.disk_usage(root).free
    except OSError as error:
        reason = error.strerror or str(error)
        raise DarsenaError(f"expected a folder to read and write at {root}, received: {reason}. Name another with --root.") from error
    if free < NEEDED_BYTES:
        raise DarsenaError(
            f"expected at least {NEEDED_BYTES // 2**20} MB free for {root}, received {free // 2**20} MB. "
            "Free some space, or name a folder on another disk with --root."
        )
    return root


def log_file(root: Path, name: str) -> Path:
    """Where the libraries' messages of one command go: <root>/logs/<name>-<time>.log, its folder made."""
    folder = root / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}.log"


@contextlib.contextmanager
def quiet(log: Path | None) -> Iterator[tuple[TextIO, TextIO]]:
    """Sends what libraries print or log to a file, including what C++ code and child processes write. Enter it before they are imported.

    Args:
        log: the file, appended to; None shows all on the terminal.

    Yields:
        Streams to the standard output and the standard error that the user sees.
    """
    if log is None:
        yield sys.stdout, sys.stderr
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a", buffering=1))
        out, err = (cast(TextIO, stack.enter_context(duplicate(stream))) for stream in (sys.stdout, sys.stderr))
        for descriptor in (1, 2):
            stack.callback(os.close, saved := os.dup(descriptor))
            stack.callback(os.dup2, saved, descriptor)
            os.dup2(file.fileno(), descriptor)
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        stack.callback(logging.getLogger().removeHandler, handler)
        logging.captureWarnings(True)
        stack.callback(logging.captureWarnings, False)
        yield out, err


def duplicate(stream: TextIO) -> contextlib.AbstractContextManager[TextIO]:
    """The same destination through a file descriptor of its own, which a redirection leaves alone."""
    try:
        descriptor = os.dup(stream.fileno())
    except io.UnsupportedOperation:  # a stream in memory, as tests have: no descriptor leads to it
        return contextlib.nullcontext(stream)
    return os.fdopen(descriptor, "w", buffering=1, encoding=stream.encoding)
