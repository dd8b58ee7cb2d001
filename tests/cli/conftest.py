"""The command line called in this process, and a root folder as runs leave it behind."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.common.cli import main
from tests.signed import sign

MODEL = "mnist_mlp"


@dataclasses.dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


@pytest.fixture
def darsena(capfd, monkeypatch) -> Callable[..., Ended]:
    """Runs `darsena` with arguments, as the console script does."""

    def run(*arguments: object) -> Ended:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main() replaces it: put it back after the test
    return run


def record(run_id: str, verdict: str = "blessed and pushed", version: int | None = 1, **changes: Any) -> dict[str, Any]:
    """A run's record with the fields that are read back."""
    gate = {"metric": "SparseCategoricalAccuracy", "kind": "value", "operator": ">=", "bound": 0.88, "value": 0.9375, "passed": True}
    found = {
        "schema": 1,
        "run_id": run_id,
        "model": MODEL,
        "learns": "digits",
        "reference": "97.80%",
        "started": "2026-11-23T20:15:00.123456+00:00",
        "finished": "2026-11-23T20:15:41+00:00",
        "seconds": 41.25,
        "verdict": verdict,
        "exit_code": 0,
        "reason": "",
        "config": {"data": "sample", "data_path": "sample", "hparams": {}},
        "nodes": [],
        "gates": [gate],
        "pushed": {"version": version, "path": ""} if version else None,
    }
    return found | changes


def write_run(root: Path, run: dict[str, Any], report: bool = True) -> Path:
    """Puts a run's folder under the root and returns it."""
    folder = root / "runs" / MODEL / run["run_id"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    if report:
        (folder / "report.html").write_text("<html></html>")
    return folder


def write_version(root: Path, version: int, pushed: str | None) -> None:
    """Puts a version's folder under the root, without the model; signed if it was pushed."""
    folder = root / "serving" / MODEL / str(version)
    (folder / "assets.extra").mkdir(parents=True)
    if pushed:
        (folder / "assets.extra/darsena.json").write_text(json.dumps({"version": version, "pushed": pushed}))
        sign(folder)


@pytest.fixture
def root(tmp_path) -> Iterator[Path]:
    """Two runs, the last one not blessed; versions 9 and 10 pushed, and the remains of a push that was killed."""
    folder = tmp_path / "root"
    write_run(folder, record("20261123-201500", version=10))
    failed = {"metric": "SparseCategoricalAccuracy", "kind": "value", "operator": ">=", "bound": 0.88, "value": 0.125, "passed": False}
    write_run(folder, record("20261124-080000", "not blessed", None, gates=[failed], reason="accuracy 0.125 < 0.88", exit_code=3))
    write_version(folder, 9, "2026-11-22T10:00:00+00:00")
    write_version(folder, 10, "2026-11-23T20:15:40+00:00")
    (folder / "serving" / MODEL / ".staging-1").mkdir()
    yield folder
