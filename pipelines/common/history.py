"""What earlier runs left under the root, as `list`, `status` and `report` show it."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError
from pipelines.common.layout import lineage_path, runs, runs_dir, serving_dir, versions

INTERRUPTED = "interrupted"


def run_records(root: Path, model: str) -> list[dict[str, Any]]:
    """Records of the model's runs, oldest first.

    A record that still says "running" though no run holds the model's lock is one of a killed run: its verdict becomes
    "interrupted".

    Raises:
        DarsenaError: a record cannot be read.
    """
    try:
        records = runs(root, model)
    except (OSError, ValueError) as error:
        raise DarsenaError(
            f"expected readable records of runs (run.json) in {runs_dir(root, model)}, received: {error}. Delete the broken run's folder."
        ) from error
    unfinished = [record for record in records if record["verdict"] == "running"]
    if unfinished and not is_locked(runs_dir(root, model) / ".lock"):
        for record in unfinished:
            record["verdict"] = INTERRUPTED
    return records


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def pushed_versions(root: Path, model: str) -> list[dict[str, Any]]:
    """The versions there are, oldest first: number, when it was pushed, path, and whether it is the latest, the one that is served."""
    numbers = versions(root, model)
    return [
        {
            "version": number,
            "pushed": pushed_at(lineage_path(root, model, number)),
            "path": str(serving_dir(root, model) / str(number)),
            "latest": number == numbers[-1],
        }
        for number in numbers
    ]


def pushed_at(lineage: Path) -> str | None:
    """When a version was pushed (ISO 8601), as its darsena.json says; None if there is no such file."""
    try:
        stamp: str | None = json.loads(lineage.read_text()).get("pushed")
    except (OSError, ValueError):
        return None
    return stamp
