"""Rows that clients asked about, out of the log of requests that a server wrote (`serving/request_log.py`, or TF Serving's own)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.records import records
from pipelines.common.errors import DarsenaError
from pipelines.common.monitoring.sampling import MOST_BYTES, Sampler, decoded, split
from serving import inference
from serving.errors import RequestError
from serving.servable import Servable
from serving.tensors import array_from_proto


@dataclasses.dataclass
class Asked:
    """What was found in a log.

    Attributes:
        rows: a sample of those that the version answered, a value per row by feature.
        count: how many rows there are of that version.
        other: how many requests were left out, by the reason.
        damaged: a line for each file whose end is cut or damaged.
    """

    rows: dict[str, list[Any]]
    count: int
    other: dict[str, int]
    damaged: list[str]


def read_log(places: Sequence[Path], servable: Servable, most: int, seed: int) -> Asked:
    """Reads what a version answered.

    Args:
        places: files, or folders with .tfrecord files anywhere below them.
        servable: the version.
        most: at most how many rows to keep, drawn from all alike.
        seed: of the draw.

    Raises:
        DarsenaError: there is no log, or one cannot be read.
    """
    sampler = Sampler(most, seed)
    found = Asked({}, 0, {}, [])
    for file in log_files(places):
        for entry in _entries(file, found):
            reason = _take(entry, servable, sampler)
            if reason:
                found.other[reason] = found.other.get(reason, 0) + 1
    found.rows, found.count = sampler.columns(), sampler.seen
    return found


def log_files(places: Sequence[Path]) -> list[Path]:
    """The files of a log.

    Raises:
        DarsenaError: there are none.
    """
    files = [file for place in places for file in (sorted(place.rglob("*.tfrecord")) if place.is_dir() else [place])]
    if not files:
        raise DarsenaError(
            f"expected .tfrecord files in {', '.join(map(str, places))}, found none. "
            "A server writes them with: darsena serve --log-requests DIR"
        )
    return files


def _entries(path: Path, found: Asked) -> Iterator[prediction_log_pb2.PredictionLog]:
    """The messages of a file up to its end, or to where it is cut, which is noted."""
    try:
        with path.open("rb") as file:
            for record in records(file):
                yield prediction_log_pb2.PredictionLog.FromString(record)
    except (OSError, DecodeError) as error:
        found.damaged.append(f"{path}: {error}; what comes before was read")


def _take(entry: prediction_log_pb2.PredictionLog, servable: Servable, sampler: Sampler) -> str:
    """Gives the sampler the rows of a request; else says why it is left out."""
    kind = entry.WhichOneof("log_type")
    if kind not in ("predict_log", "classify_log", "regress_log"):
        return "of another kind"
    request = getattr(entry, kind).request
    # In TF Serving's own logs the request is as it was sent, which is usually without a version.
    asked = entry.log_metadata.model_spec if entry.log_metadata.model_spec.HasField("version") else request.model_spec
    if asked.name != servable.model:
        return "to other models"
    if asked.version.value != servable.version:
        return f"to version {asked.version.value}"
    try:
        rows = _rows(request, kind, servable)
    except RequestError:
        return "that the version can't read"
    if rows is None:
        return "to signatures that take no raw features"
    sampler.add(rows)
    return ""


def _rows(request: Any, kind: str, servable: Servable) -> dict[str, Sequence[Any]] | None:
    """The raw features of a request; None of one of transformed features.

    Raises:
        RequestError: they are not what the version takes.
    """
    if kind != "predict_log":
        return decoded(servable, inference.serialized_examples(request.input))
    raw = servable.input_specs("raw")
    if request.inputs.keys() == raw.keys():
        arrays = {name: array_from_proto(proto, raw[name], MOST_BYTES) for name, proto in request.inputs.items()}
        return split(arrays)
    signature = servable.input_specs(request.model_spec.signature_name or "serving_default")
    if list(signature) in (["examples"], ["inputs"]) and request.inputs.keys() == signature.keys():
        ((name, proto),) = request.inputs.items()
        examples = array_from_proto(proto, signature[name], MOST_BYTES)
        return decoded(servable, np.ravel(examples).tolist()) if examples.dtype == object else None
    return None
