"""Arrays by name in an .npz file, byte strings included, without pickle: how processes hand each other tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

# NumPy keeps byte strings either pickled (refused here) or padded with NULs (which loses trailing ones), so a string
# array is stored as two numeric ones: the length of each string, in the array's shape, and all the bytes in a row.
_LENGTHS = "|lengths"
_BYTES = "|bytes"
# Also numbers have a suffix, because np.savez takes names as keywords and has some of its own ("file").
_NUMBERS = "|numbers"


def is_text(array: np.ndarray) -> bool:
    """Whether the array holds strings (as `bytes` objects, or NumPy's own fixed-size kinds)."""
    return array.dtype.kind in "OSU"


def save_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays; those of dtype object hold `bytes` of any content.

    Args:
        file: ends in .npz.
        arrays: by name, of any shape.

    Raises:
        TypeError: an array of objects holds something other than `bytes`.
    """
    entries: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if not is_text(array):
            entries[name + _NUMBERS] = array
            continue
        texts = array.ravel().tolist()
        for text in texts:
            if not isinstance(text, bytes):
                raise TypeError(f"expected {name!r} to hold bytes, received {type(text).__name__}: encode it first.")
        entries[name + _LENGTHS] = np.array([len(text) for text in texts], np.int64).reshape(array.shape)
        entries[name + _BYTES] = np.frombuffer(b"".join(texts), np.uint8)
    with file.open("wb") as stream:
        np.savez(stream, **entries)  # type: ignore[arg-type]


def load_arrays(file: Path) -> dict[str, np.ndarray]:
    """Reads what `save_arrays` wrote; strings come back as arrays of `bytes` (dtype object)."""
    with np.load(file, allow_pickle=False) as stored:
        entries = {name: stored[name] for name in stored.files}
    arrays = {name.removesuffix(_NUMBERS): array for name, array in entries.items() if name.endswith(_NUMBERS)}
    for name in [entry.removesuffix(_LENGTHS) for entry in entries if entry.endswith(_LENGTHS)]:
        lengths, content = entries[name + _LENGTHS], entries[name + _BYTES].tobytes()
        texts = np.empty(lengths.size, object)
        for index, (length, end) in enumerate(zip(lengths.ravel(), np.cumsum(lengths.ravel()), strict=True)):
            texts[index] = content[end - length : end]
        arrays[name] = texts.reshape(lengths.shape)
    return arrays
