"""Skew between what a version learned from and what clients ask it, and drift between the spans of its data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.labels import chosen_version
from pipelines.common.monitoring import spans
from pipelines.common.monitoring.columns import Column, Rows, columns, common_words
from pipelines.common.monitoring.distances import DRIFT, SKEW, Distance, anomalies, distances
from pipelines.common.monitoring.logs import Asked, read_log
from pipelines.common.monitoring.sampling import MOST_BYTES, example_rows
from pipelines.common.trust import verified
from serving.errors import RequestError
from serving.servable import LOAD_ERRORS, Servable

LEAST_ROWS = 100  # of requests: with fewer, what chance explains is as much as any shift
MOST_ROWS = 5000  # of a side: what chance explains is then a twentieth of the usual thresholds
SEED = 0


@dataclasses.dataclass(frozen=True)
class Drift:
    """Earlier data against newer.

    Attributes:
        before, now: ids of the runs that learned from them; one of them made the version.
        columns: the distances.
    """

    before: str
    now: str
    columns: list[Distance]


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found of a version.

    Attributes:
        model, version, run_id: which version, and the run that made it.
        requests: rows that were in the log, of which `sampled` were looked at.
        learned: rows that it learned from, as many as were looked at.
        skew: what it learned from against the requests.
        drift: what it learned from against other data; None where there is none.
        anomalies: what the schema objects to in the requests, a line each.
        left_out: numbers of requests by the reason that they were left out for.
        damaged: a line for each file of the log that is cut or damaged.
    """

    model: str
    version: int
    run_id: str
    requests: int
    sampled: int
    learned: int
    skew: list[Distance]
    drift: Drift | None
    anomalies: list[str]
    left_out: dict[str, int]
    damaged: list[str]

    @property
    def exceeded(self) -> list[str]:
        """The columns that are too far apart: "skew in text/words"."""
        drift = self.drift.columns if self.drift else []
        return [f"{kind} in {each.column}" for kind, found in ((SKEW, self.skew), (DRIFT, drift)) for each in found if each.exceeded]


def monitor(root: Path, model: ModelConfig, version: int | None, log: Sequence[Path]) -> Findings:
    """Compares what clients asked a version, and other data that came in, with what the version learned from.

    Args:
        root: with its runs and versions.
        model: which.
        version: None for the latest one.
        log: files and folders of the log of requests.

    Raises:
        DarsenaError: the version, what it learned from or the log is not there, the version is not as it was signed, the log has too few
            rows, or the schema no thresholds.
    """
    version = chosen_version(root, model.name, version)
    folder = verified(root, model.name, version)
    record = spans.run_of(root, model.name, version)
    schema = read_schema(spans.made_by(model, record).schema_path)
    servable = _servable(model.name, version, folder)
    learned = _examples(record, servable)
    asked = requests(log, servable)
    common = common_words(learned, schema)
    before, now = (columns(rows, schema, common) for rows in (learned, asked.rows))
    return Findings(
        model=model.name,
        version=version,
        run_id=record["run_id"],
        requests=asked.count,
        sampled=rows_of(asked.rows),
        learned=rows_of(learned),
        skew=distances(before, now, schema, SKEW),
        drift=_drift(root, model, record, servable, schema, before, common),
        anomalies=anomalies(now, schema),
        left_out=asked.other,
        damaged=asked.damaged,
    )


def requests(log: Sequence[Path], servable: Servable) -> Asked:
    """What a version was asked, as its log has it.

    Raises:
        DarsenaError: there is no log, it cannot be read, or it has too few rows to tell anything.
    """
    asked = read_log(log, servable, MOST_ROWS, SEED)
    if asked.count < LEAST_ROWS:
        others = "".join(f", {count} requests {reason}" for reason, count in sorted(asked.other.items()))
        raise DarsenaError(
            f"expected at least {LEAST_ROWS} rows that version {servable.version} of {servable.model} answered, received "
            f"{asked.count}{others}. Log more requests, or a larger share of them, or name another --version."
        )
    return asked


def read_schema(path: Path) -> schema_pb2.Schema:
    """A curated schema.

    Raises:
        DarsenaError: it says of no feature how far it may move.
    """
    schema = text_format.Parse(path.read_text(), schema_pb2.Schema())
    if not any(feature.HasField("skew_comparator") or feature.HasField("drift_comparator") for feature in schema.feature):
        raise DarsenaError(
            f"expected a skew_comparator or a drift_comparator of a feature in {path}, found none: either what clients send this model "
            "does not compare with what it learned from (docs/monitoring.md), or thresholds are to be added there."
        )
    return schema


def rows_of(rows: Rows) -> int:
    """How many rows there are."""
    return len(next(iter(rows.values()), ()))


def _drift(
    root: Path,
    model: ModelConfig,
    record: dict[str, Any],
    servable: Servable,
    schema: schema_pb2.Schema,
    served: list[Column],
    common: Mapping[str, frozenset[str]],
) -> Drift | None:
    """What the version learned from against the latest other data; None where there is none."""
    other = spans.other_span(root, model, record)
    if other is None:
        return None
    run, is_newer = other
    others = columns(_examples(run, servable), schema, common)
    if is_newer:
        return Drift(record["run_id"], run["run_id"], distances(served, others, schema, DRIFT))
    return Drift(run["run_id"], record["run_id"], distances(others, served, schema, DRIFT))


def _servable(model: str, version: int, folder: Path) -> Servable:
    try:
        servable = Servable(model, version, folder, MOST_BYTES)
        servable.input_specs("raw"), servable.input_specs("decode")
    except (*LOAD_ERRORS, RequestError) as error:
        raise DarsenaError(f"expected version {version} of {model} to load, received: {error}. Push it again.") from error
    return servable


def _examples(record: dict[str, Any], servable: Servable) -> Rows:
    """A sample of what a run learned from, as a client would send it."""
    try:
        return example_rows(spans.train_files(record), servable, MOST_ROWS, SEED)
    except (OSError, RequestError) as error:
        raise DarsenaError(f"expected to read the examples of run {record['run_id']}, received: {error}. Run it again.") from error
