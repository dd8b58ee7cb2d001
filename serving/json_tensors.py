"""Arrays to and from JSON values as TF Serving's REST API writes them; needs no TensorFlow.

Source: TF Serving's RESTful API documentation, "JSON mapping" and "Encoding binary values".
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from typing import Any

import numpy as np
import orjson

from serving.errors import RequestError, invalid

LEAVES: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}, "O": {str, dict}}


def array_from_json(value: Any, dtype: np.dtype) -> np.ndarray:
    """A JSON value (scalar or nested lists) as an array.

    Args:
        value: as `json.loads` gives it; binary strings are `{"b64": …}`.
        dtype: bool, an integer or floating type, or object for strings (which become bytes).

    Returns:
        An array of that dtype, of the shape that the nesting has.

    Raises:
        RequestError: the nesting is ragged, a value is of another type or out of range, or the dtype has no JSON form.
    """
    if dtype.kind not in LEAVES:
        raise RequestError("UNIMPLEMENTED", f"JSON has no form for {dtype.name} values here: ask over gRPC.")
    shape = _shape(value)
    leaves = _leaves(value, shape)
    wrong = set(map(type, leaves)) - LEAVES[dtype.kind]
    if list in wrong:
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    if wrong:
        found = next(leaf for leaf in leaves if type(leaf) in wrong)
        raise invalid(f"JSON Value: {_shown(found)} Type: {type(found).__name__} is not of expected type: {_type_name(dtype)}")
    if dtype.kind == "O":
        array = np.empty(len(leaves), object)
        array[:] = [_text(leaf) for leaf in leaves]
    elif dtype.kind == "f":
        array = _floats(leaves, dtype)
    else:
        try:
            array = np.array(leaves, dtype)
        except OverflowError as error:
            raise invalid(f"expected integers of type {dtype.name}: {error}") from None
    try:
        return array.reshape(shape)
    except ValueError:
        raise invalid(f"expected at most 64 levels of lists, received {len(shape)}") from None


def json_from_array(array: np.ndarray, as_bytes: bool) -> Any:
    """An array as a JSON value.

    Args:
        array: of any shape; strings are an object array of bytes.
        as_bytes: whether strings are written as `{"b64": …}`.

    Returns:
        Nested lists, or a scalar for an array of no dimensions. float32 values are the doubles with the shortest decimals that
        give the same float32 (0.2, not 0.20000000298), as TF Serving prints them; NaN and infinities stay as they are.

    Raises:
        RequestError: a string is not UTF-8 and not written as bytes, or the dtype has no JSON form.
    """
    if array.dtype.kind not in LEAVES:
        raise RequestError("UNIMPLEMENTED", f"JSON has no form for {array.dtype.name} values here: ask over gRPC.")
    if array.dtype == np.float32 and array.ndim and np.isfinite(array).all():  # the same decimals, ten times as fast
        return orjson.loads(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        array = array.astype("U32").astype(np.float64)
    if array.dtype.kind == "O":
        written = np.empty(array.size, object)
        written[:] = [_base64(value) if as_bytes else _decoded(value) for value in array.ravel()]
        array = written.reshape(array.shape)
    return array.tolist()


def loads(body: bytes) -> Any:
    """A JSON text as Python values, with NaN and infinities as TF Serving takes them.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deep.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # four times as fast, but stricter: the slow one decides
        return json.loads(body)


def is_base64(value: Any) -> bool:
    """Whether a JSON value is a binary string, `{"b64": …}`, rather than an object of named values."""
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def _shape(value: Any) -> tuple[int, ...]:
    """Lengths of the first list of each level."""
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def _leaves(value: Any, shape: tuple[int, ...]) -> list[Any]:
    """The values at the level of lists that `shape` ends at, in order."""
    level = [value]
    for depth, size in enumerate(shape):
        for found in level:
            if not isinstance(found, list):
                raise invalid(
                    f"JSON Value: {_shown(found)} found at incorrect level: {depth} in the JSON DOM. Expected at level: {len(shape)}"
                )
            if len(found) != size:
                raise invalid(f"Encountered list at unexpected size: {len(found)} at level: {depth} expected size: {size}")
        level = list(itertools.chain.from_iterable(level))
    return level


def _floats(leaves: list[Any], dtype: np.dtype) -> np.ndarray:
    try:
        wide = np.array(leaves, np.float64)
    except OverflowError:
        raise invalid(f"expected numbers that fit {dtype.name}, received an integer past the range of a double") from None
    with np.errstate(over="ignore"):
        narrow = wide.astype(dtype)
    whole = 2 ** (np.finfo(dtype).nmant + 1)  # integers from here on are not all of that type
    for position in np.flatnonzero(np.abs(wide) >= whole):
        if type(leaves[position]) is int or np.isinf(narrow[position]) > np.isinf(wide[position]):
            raise invalid(f"Cannot convert JSON value: {_shown(leaves[position])} to {_type_name(dtype)} without loss of precision.")
    return narrow


def _text(leaf: Any) -> bytes:
    try:
        if isinstance(leaf, str):
            return leaf.encode()
        if is_base64(leaf):
            text: str = leaf["b64"]
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise invalid(f"expected text, or base64 under 'b64', received {_shown(leaf)}") from None
    raise invalid(f"JSON Value: {_shown(leaf)} not formatted correctly for base64 data")


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise invalid("an output holds binary strings: give it a name that ends in _bytes when exporting, or ask over gRPC.") from None


def _shown(value: Any) -> str:
    """A value in an error message, cut to a readable length (it comes from the request)."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _type_name(dtype: np.dtype) -> str:
    return "string" if dtype.kind == "O" else dtype.name.replace("float32", "float").replace("float64", "double")
