"""A quiet terminal while TensorFlow, TFX and Beam talk: what they say goes to a file."""

from __future__ import annotations

import contextlib
import datetime
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

NOWHERE = Path(os.devnull)
# Whose packages tell more than warnings: the epochs of a training, a worker that was started again.
OURS = ("components", "pipelines", "trainer_modules")


def log_file(root: Path, name: str) -> Path:
    """Where the libraries' messages of one command go: <root>/logs/<name>-<time>.log, its folder made."""
    folder = root / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}.log"


@contextlib.contextmanager
def quiet(log: Path | None) -> Iterator[tuple[TextIO, TextIO]]:
    """Sends what libraries print or log to a file, including what C++ code and child processes write.

    Enter it before they are imported. TensorFlow's own switch (TF_CPP_MIN_LOG_LEVEL) does not help: what it says while it is
    imported goes to the standard error whatever the level.

    Args:
        log: the file, appended to; None shows all on the terminal.

    Yields:
        Streams to the standard output and the standard error that the user sees.
    """
    if log is None:
        yield sys.stdout, sys.stderr
        return
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a", buffering=1))
        out, err = (stack.enter_context(duplicate(stream)) for stream in (sys.stdout, sys.stderr))
        for descriptor in (1, 2):
            stack.callback(os.close, saved := os.dup(descriptor))
            stack.callback(os.dup2, saved, descriptor)
            os.dup2(file.fileno(), descriptor)
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        for name in OURS:
            logging.getLogger(name).setLevel(logging.INFO)
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
