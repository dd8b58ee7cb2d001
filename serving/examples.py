"""tf.Examples from JSON, as TF Serving's REST API reads them for classify and regress. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.core.example import example_pb2, feature_pb2

from serving.errors import invalid
from serving.json_tensors import array_from_json, is_base64

LARGEST = 2**63 - 1  # of an int64
KINDS = {"int64": "int64_list", "float": "float_list", "bytes": "bytes_list"}


def example_from_json(value: Any) -> example_pb2.Example:
    """A tf.Example.

    Args:
        value: features by name, each a value or a list of values of one kind: whole numbers and booleans become int64, numbers with
            a decimal point float, texts and `{"b64": …}` bytes.

    Raises:
        RequestError: it is something else, or a number is out of range.
    """
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type(value).__name__}")
    example = example_pb2.Example()
    for name, content in value.items():
        fill(example.features.feature[name], name, content if isinstance(content, list) else [content])
    return example


def fill(feature: feature_pb2.Feature, name: str, values: list[Any]) -> None:
    """Sets a feature's values; of none it stays without a kind."""
    kinds = [kind_of(name, value) for value in values]
    for kind in kinds:
        if kind != kinds[0]:
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {kinds[0]}")
    if not kinds:
        return
    dtype = {"int64": np.int64, "float": np.float32, "bytes": object}[kinds[0]]
    plain = [int(value) if isinstance(value, bool) else value for value in values]
    getattr(feature, KINDS[kinds[0]]).value.extend(array_from_json(plain, np.dtype(dtype)).tolist())


def kind_of(name: str, value: Any) -> str:
    """What kind of feature a value makes."""
    if isinstance(value, bool):
        return "int64"
    if isinstance(value, int):
        if value > LARGEST:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        return "int64"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str) or is_base64(value):
        return "bytes"
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type(value).__name__}")
