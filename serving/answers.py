"""What a server says of its models, from the JSON form of TF Serving's messages; needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

# NumPy's names of the proto's types; TensorFlow's further ones have no NumPy type.
DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_INT8": "int8",
    "DT_INT16": "int16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_UINT16": "uint16",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
    "DT_BOOL": "bool",
    "DT_STRING": "object",
    "DT_COMPLEX64": "complex64",
    "DT_COMPLEX128": "complex128",
}


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes:
        dtype: NumPy's name, "object" for strings (bytes), or the proto's where NumPy has none.
        shape: sizes, None where any goes; None as a whole where the number of dimensions is free.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class SignatureInfo:
    """What a signature takes and gives, by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """State of a version: START, LOADING, AVAILABLE, UNLOADING or END, and the error that ended it, if any."""

    version: int
    state: str
    error: str


def signatures_of(definitions: Mapping[str, Any]) -> dict[str, SignatureInfo]:
    """Signatures by name, from a SignatureDefMap as JSON. Those that TensorFlow adds for itself start with two underscores."""
    return {
        name: SignatureInfo(_tensors(definition.get("inputs", {})), _tensors(definition.get("outputs", {})))
        for name, definition in definitions["signature_def"].items()
        if not name.startswith("__")
    }


def statuses_of(answer: Mapping[str, Any]) -> list[VersionStatus]:
    """States of versions, from a GetModelStatusResponse as JSON."""
    return [
        VersionStatus(int(one["version"]), one["state"], one.get("status", {}).get("error_message", ""))
        for one in answer.get("model_version_status", [])
    ]


def _tensors(infos: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {name: TensorInfo(DTYPES.get(info["dtype"], info["dtype"]), _shape(info["tensor_shape"])) for name, info in infos.items()}


def _shape(proto: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    if proto.get("unknown_rank"):
        return None
    sizes = [int(dim["size"]) for dim in proto.get("dim", [])]
    return tuple(None if size < 0 else size for size in sizes)
