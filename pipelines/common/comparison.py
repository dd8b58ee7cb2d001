"""Which runs a comparison of models is made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.history import run_records


@dataclasses.dataclass(frozen=True)
class Choice:
    """A model to compare, as one of its presets has it ("" for its defaults)."""

    model: ModelConfig
    preset: str = ""

    def __str__(self) -> str:
        return self.model.name + (f":{self.preset}" if self.preset else "")


def last_evaluated(root: Path, choice: Choice, data: str | None) -> dict[str, Any]:
    """The record of the choice's last run that evaluated a model and still has its evaluation.

    Args:
        root: of the runs.
        choice: the model and its preset.
        data: "sample", "full" or "path" for runs on that data only.

    Raises:
        DarsenaError: there is none.
    """
    evaluated = [record for record in run_records(root, choice.model.name) if has_evaluation(record)]
    of_preset = [record for record in evaluated if record["config"].get("preset", "") == choice.preset]
    found = [record for record in of_preset if data in (None, record["config"]["data"])]
    if found:
        return found[-1]
    others = sorted({f"{choice.model.name}:{record['config']['preset']}" for record in evaluated if record["config"].get("preset")})
    raise DarsenaError(
        f"expected a run of {choice} under {root} that evaluated a model{f' on --data {data}' if data else ''}, found none. "
        + (f"There is one of {' and '.join(others)}. " if others and not of_preset and not choice.preset else "")
        + f"Make one with: darsena run {choice.model.name}"
        + (f" --preset {choice.preset}" if choice.preset else "")
        + (f" --data {data.upper() if data == 'path' else data}" if data not in (None, "sample") else "")
        + f" --root {root}"
    )


def has_evaluation(record: dict[str, Any]) -> bool:
    """Whether the run evaluated a model, and its results are still there."""
    return any(Path(uri).is_dir() for node in record["nodes"] for uri in (node.get("outputs") or {}).get("evaluation", []))
