"""What a page is asked, made of what a served model is asked."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from PIL import Image


def with_exact_pictures(inputs: Mapping[str, tf.Tensor], described: Sequence[Mapping[str, Any]]) -> dict[str, tf.Tensor]:
    """Inputs of the signature `raw`, encoded pictures as PNG: browsers and TensorFlow decode JPEG a little differently."""
    encoded = {each["name"] for each in described if each.get("encoded")}
    return {name: tf.constant([png(file) for file in values.numpy()]) if name in encoded else values for name, values in inputs.items()}


def png(file: bytes) -> bytes:
    """A picture's pixels as a PNG file."""
    out = io.BytesIO()
    Image.open(io.BytesIO(file)).save(out, "PNG")
    return out.getvalue()


def as_row(inputs: Mapping[str, tf.Tensor], row: int) -> dict[str, Any]:
    """One row for a page's controls, as JSON has it."""
    return {name: as_value(values[row].numpy()) for name, values in inputs.items()}


def as_value(value: Any) -> Any:
    """A number, null where it is missing, a text, {"base64"} of a file, or a flat list of numbers."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()} if value.startswith(b"\x89PNG") else value.decode()
    if value.ndim:
        return value.ravel().tolist()
    return None if math.isnan(value) else value.item()
