"""Files of raw inputs to the arrays that a served model takes, as its own metadata describes them; knows nothing of any model."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import DataRejected
from components.names import feature_name
from components.npz import DAMAGE
from components.table_example_gen.layout import NO_NUMBER
from pipelines.common.errors import UsageError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
ARRAYS = (".npy", ".npz")
ROWS = (".json", ".csv", ".tsv", ".txt")
CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclasses.dataclass(frozen=True)
class Input:
    """One input of a served model.

    Attributes:
        name: of the tensor.
        dtype: NumPy's name of its type, e.g. "uint8"; "object" for strings.
        shape: of one example, without the batch; None where any size goes.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        kind = "string" if self.dtype == "object" else self.dtype
        return f"{self.name}: {kind} {list(self.shape)}" if self.shape else f"{self.name}: {kind}"


def read_inputs(path: Path, inputs: list[Input], delimiter: str = ",") -> dict[str, np.ndarray]:
    """The examples of one file.

    Args:
        path: an image (one example); .npy or .npz (one example or a batch); .json (a list of rows, or TF Serving's
            {"instances": rows}, each row an object by input name, or the bare value of the only input); .csv or .tsv (a header of
            input names, one row per example); .txt (one text per line). Rows may hold more than the inputs, a label say. An empty
            cell or null is a missing value, and of numbers also NA or nan.
        inputs: what the model takes.
        delimiter: of .csv files.

    Returns:
        Arrays by input name, [N, *shape].

    Raises:
        UsageError: no such kind of file can hold what the model takes.
        DataRejected: the file cannot be read, or does not hold what the model takes.
    """
    kind = path.suffix.lower()
    try:
        if kind in IMAGES:
            found: Mapping[str, Any] = {only(inputs, path).name: read_image(path, only(inputs, path))[np.newaxis]}
        elif kind in ARRAYS:
            found = read_arrays(path, inputs)
        elif kind == ".json":
            found = columns(json.loads(path.read_text()), inputs, path)
        elif kind in (".csv", ".tsv"):
            form: dict[str, Any] = {"delimiter": delimiter} if kind == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
            with path.open(newline="", encoding="utf-8-sig") as file:
                found = columns(list(csv.DictReader(file, **form)), inputs, path)
        elif kind == ".txt":
            lines = path.read_text(encoding="utf-8-sig").split("\n")
            found = columns([line for line in lines if line], inputs, path)
        else:
            raise UsageError(f"expected a file of {', '.join((*IMAGES, *ARRAYS, *ROWS))}, received {path}.")
    except DataRejected:
        raise
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise DataRejected(f"expected to read {path}, received: {error}.") from error
    if lacking := [each for each in inputs if each.name not in found]:
        received = f"{', '.join(sorted(found))} only" if found else "none of them"
        raise DataRejected(f"expected the inputs {', '.join(map(str, lacking))} in {path}, received {received}.")
    return {each.name: batch(found[each.name], each, path) for each in inputs}


def only(inputs: list[Input], path: Path) -> Input:
    """The one input of a model that has one.

    Raises:
        UsageError: it has several, so that the file would have to name them.
    """
    if len(inputs) != 1:
        raise UsageError(f"expected a file that names the inputs {', '.join(map(str, inputs))} (.npz, .json or .csv), received {path}.")
    return inputs[0]


def read_image(path: Path, wanted: Input) -> np.ndarray:
    """The pixels of an image, in as many channels as the input has (a colour image becomes grey for an input of one).

    Returns:
        uint8 of the input's shape, except that the image's size is left as it is; for an input of strings, the file's bytes.

    Raises:
        DataRejected: the input is no image.
        OSError: the file is no image.
    """
    from PIL import Image

    if wanted.dtype == "object" and not wanted.shape:
        return np.array(path.read_bytes(), dtype=object)
    channels = 1 if len(wanted.shape) == 2 else wanted.shape[-1] if len(wanted.shape) == 3 else None
    if wanted.dtype != "uint8" or channels not in CHANNELS:
        raise DataRejected(f"expected data for the input {wanted}, received the image {path}. Give the values as .npy, .npz or .json.")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert(CHANNELS[channels]))
    return pixels[..., np.newaxis] if len(wanted.shape) == 3 and channels == 1 else pixels


def read_arrays(path: Path, inputs: list[Input]) -> dict[str, np.ndarray]:
    """The array of a .npy file, for the only input, or those of a .npz file by their names.

    Raises:
        UsageError: there are several inputs, and the file can hold only one.
        DataRejected: the file holds pickled objects, which could run code when read, or is broken.
    """
    alone = only(inputs, path).name if path.suffix.lower() == ".npy" else ""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {alone or path.name: found}
        with found:
            return dict(found)
    except (*DAMAGE, MemoryError) as error:  # a header may promise any size
        raise DataRejected(
            f"expected arrays of numbers in {path}, received pickled objects or a broken file ({error}). Save it with numpy.save."
        ) from error


def columns(rows: Any, inputs: list[Input], path: Path) -> dict[str, list[Any]]:
    """Rows to one list per input.

    Raises:
        DataRejected: it is no list of rows, or its rows do not have the same names.
    """
    if isinstance(rows, dict) and set(rows) == {"instances"}:
        rows = rows["instances"]
    if not isinstance(rows, list) or not rows:
        raise DataRejected(f"expected a list of at least one row in {path}, received {type(rows).__name__}.")
    if not any(isinstance(row, dict) for row in rows):
        return {only(inputs, path).name: rows}
    names = set(rows[0]) if isinstance(rows[0], dict) else set()
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or set(row) != names:
            raise DataRejected(f"expected the same names in every row of {path}, row {number} differs from the first.")
    wanted = {each.name for each in inputs}
    by_input = {name if name in wanted else feature_name(name): name for name in rows[0]}
    return {name: [row[column] for row in rows] for name, column in by_input.items() if name in wanted}


def batch(values: Any, wanted: Input, path: Path) -> np.ndarray:
    """Values as a batch of the input's type and shape; a single example becomes a batch of one.

    Raises:
        DataRejected: the shape differs, or a value does not fit the type.
    """
    if isinstance(values, list):
        values = [missing(wanted) if is_missing(value, wanted) else value for value in values]
    try:
        given = np.asarray(values)
        # NumPy's own texts are told as NumPy's types.
        array = np.array(given.tolist(), wanted.dtype) if given.dtype.kind == "U" else given.astype(wanted.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataRejected(f"expected {wanted} in {path}, received values that are not: {error}.") from error
    if np.issubdtype(array.dtype, np.integer) and np.issubdtype(given.dtype, np.number) and not np.array_equal(array, given):
        raise DataRejected(f"expected {wanted} in {path}, received {given.dtype} values from {given.min()} to {given.max()}.")
    if fits(array.shape, wanted.shape):
        array = array[np.newaxis]
    if not fits(array.shape[1:], wanted.shape) or not array.ndim:
        size = list(array.shape[1:]) if array.ndim == len(wanted.shape) + 1 else list(array.shape)
        raise DataRejected(f"expected {wanted} in {path}, received the shape {size}. Bring the data to the expected shape first.")
    return array


def is_missing(value: Any, wanted: Input) -> bool:
    """Whether a value says that there is none, as the rows that a model learns from say it."""
    return value is None or (isinstance(value, str) and wanted.dtype != "object" and value.strip().lower() in NO_NUMBER)


def missing(wanted: Input) -> Any:
    """What a model takes for a missing value: NaN or an empty text; None where its input knows none."""
    return {"float32": math.nan, "float64": math.nan, "object": ""}.get(wanted.dtype)


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether an example's shape is the wanted one."""
    return len(shape) == len(wanted) and all(size is None or size == actual for size, actual in zip(wanted, shape, strict=True))
