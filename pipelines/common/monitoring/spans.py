"""What a version learned from, and the other data there is: found by the records of the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.history import run_records
from reporting.record import Unreadable, folder

TRAIN = "Split-train"


def run_of(root: Path, model: str, version: int) -> dict[str, Any]:
    """The record of the last run that ended with a version: that which pushed it, or one that was answered from the cache by it.

    Not of the first: the number of a version that was deleted is given to the next one.

    Raises:
        DarsenaError: there is none.
    """
    for record in reversed(run_records(root, model)):
        if record["pushed"] and record["pushed"]["version"] == version:
            return record
    raise DarsenaError(
        f"expected the record of the run that pushed version {version} of {model} under {root / 'runs'}, found none: "
        "what it learned from is not known here. Give the --root where it was made."
    )


def train_files(record: dict[str, Any]) -> list[Path]:
    """The Examples that a run trained on.

    Raises:
        DarsenaError: they are no longer there.
    """
    try:
        files = sorted((folder(record, "examples") / TRAIN).iterdir())
    except (Unreadable, OSError) as error:
        raise DarsenaError(
            f"expected the examples that run {record['run_id']} trained on, could not read them: {error}. Run it again with --no-cache."
        ) from error
    return files


def other_span(root: Path, model: ModelConfig, served: dict[str, Any]) -> tuple[dict[str, Any], bool] | None:
    """The latest run on other data than the served version's, and whether it is newer than that; None if there is none.

    Runs of presets with another schema have other columns, and don't count.

    Args:
        root: of the runs.
        model: its configuration.
        served: record of the run that made it.
    """
    records = run_records(root, model.name)
    place = next(number for number, record in enumerate(records) if record["run_id"] == served["run_id"])
    for number in reversed(range(len(records))):
        if is_other(records[number], served, model):
            return records[number], number > place
    return None


def is_other(record: dict[str, Any], served: dict[str, Any], model: ModelConfig) -> bool:
    """Whether a run has readable examples of other data, with the same schema."""
    preset = record["config"].get("preset", "")
    if record["config"].get("data_fingerprint") == served["config"].get("data_fingerprint") or preset not in ("", *model.presets):
        return False
    return model.with_preset(preset).schema == made_by(model, served).schema and has_examples(record)


def has_examples(record: dict[str, Any]) -> bool:
    """Whether the examples of a run are there."""
    try:
        return (folder(record, "examples") / TRAIN).is_dir()
    except Unreadable:
        return False


def made_by(model: ModelConfig, record: dict[str, Any]) -> ModelConfig:
    """The model as the preset of a run has it.

    Raises:
        UsageError: there is no such preset any more.
    """
    return model.with_preset(record["config"].get("preset", ""))
