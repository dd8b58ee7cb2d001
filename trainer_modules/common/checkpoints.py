"""The state of a training on disk, so that one that was killed goes on where it was and ends where it would have ended.

One file holds it all, and is replaced in one step: there is always a whole state, the last one or the one before. A training
names its own state: the values of its variables, its place, and whatever random numbers depend on. It holds numbers and JSON only.
Of several workers that train together, all read it and the chief writes it.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainer_modules.common.strategies import is_chief

FILE = "checkpoint.npz"
PROGRESS = "progress.json"  # beside the arrays in the file, as bytes
# A state is written at the first boundary after so many seconds: writing costs, and what was lost is learned again as fast.
SECONDS = float(os.environ.get("DARSENA_CHECKPOINT_SECONDS", "20"))

Arrays = Mapping[str, np.ndarray]


def save(folder: Path | None, arrays: Arrays, progress: Mapping[str, Any]) -> None:
    """Replaces the state in a folder.

    Args:
        folder: made if it is not there; None to keep no state.
        arrays: by name.
        progress: what JSON knows.
    """
    if folder is None or not is_chief():
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{FILE}"
    content = {**arrays, PROGRESS: np.frombuffer(json.dumps(progress).encode(), np.uint8)}
    with fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)


def load(folder: Path | None) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The arrays and the progress that were saved last, or None if there are none.

    Raises:
        ValueError: the file is damaged.
    """
    if folder is None or not (folder / FILE).exists():
        return None
    try:
        with np.load(folder / FILE, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays, json.loads(arrays.pop(PROGRESS).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"expected the state of a training in {folder / FILE}, could not read it ({error}). Delete it to train from the start."
        ) from error


def clear(folder: Path | None) -> None:
    """Removes the state, if there is one: the training has ended."""
    if folder is not None and folder.is_dir() and is_chief():
        (folder / FILE).unlink(missing_ok=True)
        (folder / f".{FILE}").unlink(missing_ok=True)
        folder.rmdir()


def values(variables: Sequence[keras.Variable], name: str) -> dict[str, np.ndarray]:
    """Variables' values as arrays: `name/0`, `name/1`, …"""
    return {f"{name}/{number}": variable.numpy() for number, variable in enumerate(variables)}


def assign(variables: Sequence[keras.Variable], name: str, arrays: Arrays) -> None:
    """Gives variables the values that `values` had of them.

    Raises:
        ValueError: there are more or fewer, or others.
    """
    found = {key: array.shape for key, array in arrays.items() if key.startswith(f"{name}/")}
    expected = {f"{name}/{number}": tuple(variable.shape) for number, variable in enumerate(variables)}
    if found != expected:
        raise ValueError(
            f"expected {len(expected)} values of {name} in the state of a training, received {len(found)}, or some of another shape. "
            "It is of another model: delete it to train from the start."
        )
    for number, variable in enumerate(variables):
        variable.assign(arrays[f"{name}/{number}"])
