"""What a page asks for and shows: follows from a version's signatures, its exported model and the requests that it was pushed with."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.pusher import warm_up
from components.tflite_exporter.converters import SERVED, convertible
from pipelines.common.errors import DarsenaError
from pipelines.common.web.graph import describe, finite
from serving import operations

DRAWING, PHOTO, FORM, NOISE, RECORDED = "drawing", "photo", "form", "noise", "recorded"
FIELDS = ("number", "text", "choice", "string", "numbers")
MOST_FIELDS = 16  # numbers of a vector that are asked for one by one
MOST_BARS = 32
LEAST_SIDE = 8  # of a picture
MOST_CHECKED = 4096  # numbers of an output that a page compares with the model's own answer
WHITE = 128


@dataclasses.dataclass(frozen=True)
class Description:
    """A page's content, see docs/web.md.

    Attributes:
        page: what `page.json` says of inputs, outputs and samples.
        transform: what `transform.json` holds; None where the exported model takes what a client sends.
    """

    page: dict[str, Any]
    transform: dict[str, Any] | None


def describe_version(folder: Path, class_names: Sequence[str]) -> Description:
    """What a page of a version asks for and shows.

    Args:
        folder: of the version.
        class_names: of the model's one output, if it is a classifier.

    Raises:
        ForeignModel: the version could do more than calculate.
        DarsenaError: it takes, or prepares, something that pages have no form of.
    """
    model = operations.load(folder)
    raw = model.signatures[SERVED[0]]
    transform = None if convertible(model) == SERVED else describe(model.signatures["transform"])
    features = transform["features"] if transform else {}
    specs = raw.structured_input_signature[1]
    inputs = [describe_input(name, specs[name], features.get(name, {})) for name in in_order(specs, features)]
    outputs = [describe_output(name, spec, class_names) for name, spec in sorted(raw.structured_outputs.items())]
    rows = warm_up.read_requests(folder / warm_up.PLACE)
    page = {
        "layout": layout(inputs, outputs),
        "inputs": inputs,
        "outputs": sorted(outputs, key=lambda output: ["classes", "picture", "number", "numbers", "many"].index(output["kind"])),
        "samples": [{"inputs": {name: as_json(values[0]) for name, values in row.items()}, "outputs": answers(raw, row)} for row in rows],
        "light": bool(rows) and is_light(rows, inputs),
    }
    if page["layout"] in (NOISE, RECORDED) and not rows:
        raise DarsenaError(f"expected recorded requests in {folder / warm_up.PLACE}, there are none. Push the model again.")
    return Description(page, transform)


def in_order(specs: Mapping[str, Any], features: Mapping[str, Any]) -> list[str]:
    """Names of inputs: those that may be missing last, else by name."""
    return sorted(specs, key=lambda name: (features.get(name, {}).get("optional", False), name))


def describe_input(name: str, spec: tf.TensorSpec, feature: Mapping[str, Any]) -> dict[str, Any]:
    """An input of the signature `raw`: {"name", "dtype", "shape", "kind", …}.

    Args:
        name: of the input.
        spec: batch first.
        feature: what the Transform graph makes of it, see graph.describe_features.
    """
    shape = spec.shape.as_list()[1:]
    found = {"name": name, "dtype": spec.dtype.name, "shape": shape, "optional": bool(feature.get("optional"))}
    size = math.prod(shape)
    if feature.get("picture"):
        return found | {"kind": PHOTO, "shape": [feature["picture"], feature["picture"], 3], "encoded": True}
    if spec.dtype == tf.string:
        kind = "text" if feature.get("words") else "choice" if "choices" in feature else "string"
        return found | {"kind": kind, "choices": feature.get("choices", [])}
    if spec.dtype == tf.uint8 and is_picture(shape):
        return found | {"kind": PHOTO if shape[2:] == [3] else DRAWING}
    return found | {"kind": "number" if not shape else "numbers" if size <= MOST_FIELDS and len(shape) == 1 else "many"}


def describe_output(name: str, spec: tf.TensorSpec, class_names: Sequence[str]) -> dict[str, Any]:
    """An output of the signature `raw`: {"name", "shape", "kind", "names"}."""
    shape = spec.shape.as_list()[1:]
    size = math.prod(shape)
    is_classes = len(shape) == 1 and (size == len(class_names) > 1 or (size == 1 and len(class_names) == 2))
    kind = (
        "classes"
        if is_classes
        else "picture"
        if is_picture(shape)
        else "number"
        if size == 1
        else "numbers"
        if size <= MOST_BARS
        else "many"
    )
    return {"name": name, "dtype": spec.dtype.name, "shape": shape, "kind": kind, "names": list(class_names) if is_classes else []}


def is_picture(shape: Sequence[int | None]) -> bool:
    """Whether so many numbers are a grey or a colour picture."""
    return len(shape) in (2, 3) and min(side or 0 for side in shape[:2]) >= LEAST_SIDE and list(shape[2:]) in ([], [1], [3])


def layout(inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> str:
    """What kind of page the inputs make.

    Raises:
        DarsenaError: there is none for them.
    """
    kinds = [each["kind"] for each in inputs]
    if all(kind in FIELDS for kind in kinds):
        return FORM
    if kinds in ([DRAWING], [PHOTO]):
        return str(kinds[0])
    if kinds == ["many"]:
        makes_pictures = outputs[0]["kind"] == "picture" and inputs[0]["dtype"] == "float32"
        return NOISE if makes_pictures else RECORDED
    told = ", ".join(f"{each['name']} ({each['dtype']} {each['shape']})" for each in inputs)
    raise DarsenaError(f"expected one picture, one array, or texts and numbers, received the inputs {told}. Pages have no form for them.")


def answers(raw: Any, row: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """What the SavedModel answers to a request, flat, by output; outputs of very many numbers are left out."""
    found = raw(**{name: tf.constant(values) for name, values in row.items()})
    flat = {name: values.numpy().ravel() for name, values in found.items()}
    return {name: [finite(float(value)) for value in values] for name, values in flat.items() if values.size <= MOST_CHECKED}


def as_json(value: np.ndarray | Any) -> Any:
    """An input of one row for the page: a number, a text, null where it is missing, a list of numbers, or {"base64"} of bytes."""
    array = np.asarray(value)
    if array.dtype == np.uint8 and array.ndim:
        return {"base64": base64.b64encode(array.tobytes()).decode()}
    if array.dtype == np.float32:
        array = array.astype(str).astype(np.float64)  # the shortest number that is the same in 32 bits
    if array.ndim:
        return [finite(item) for item in array.ravel().tolist()]
    item = array.item()
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(item).decode()}
    return None if isinstance(item, float) and math.isnan(item) else item


def is_light(rows: Sequence[Mapping[str, np.ndarray]], inputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether recorded grey pictures are dark on light: then so is what is drawn."""
    if inputs[0]["kind"] != DRAWING:
        return False
    pictures = np.concatenate([row[inputs[0]["name"]] for row in rows]).reshape(len(rows), *inputs[0]["shape"][:2])
    edges = np.concatenate([pictures[:, 0].ravel(), pictures[:, -1].ravel(), pictures[:, :, 0].ravel(), pictures[:, :, -1].ravel()])
    return bool(edges.mean() >= WHITE)
