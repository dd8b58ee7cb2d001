"""Importing large libraries without the garbage collector in the way."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Imports inside it make objects that the garbage collector never looks at.

    TensorFlow, TFX and Beam make millions that live as long as the process. Walking them again and again while they are imported,
    and once more at exit, is a third of the time that a process spends on both (`python benchmarks/imports.py`).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
