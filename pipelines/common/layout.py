"""Where things lie under the root folder of the runs, and which models there are."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

from pipelines.common.config import ModelConfig
from pipelines.common.errors import UsageError
from pipelines.common.hyperparameters import suggestion


def model_names() -> list[str]:
    """Names of all models: the modules of `pipelines/`, alphabetically."""
    package = Path(__file__).resolve().parents[1]
    return sorted(path.stem for path in package.glob("*.py") if not path.stem.startswith("_"))


def load_model(name: str) -> ModelConfig:
    """The `MODEL` of `pipelines/<name>.py`.

    Raises:
        UsageError: there is no such model; the message suggests one.
    """
    if name not in model_names():
        raise UsageError(f"there is no model {name!r}. {suggestion(name, model_names())}")
    model: ModelConfig = importlib.import_module(f"pipelines.{name}").MODEL
    return model


def metadata_path(root: Path, model: str) -> Path:
    """ML Metadata store of the model's runs (SQLite)."""
    return root / "metadata" / f"{model}.sqlite"


def artifacts_dir(root: Path, model: str) -> Path:
    """TFX pipeline root of the model: <node>/<output>/<execution>/."""
    return root / "artifacts" / model


def checkpoint_dir(root: Path, model: str) -> Path:
    """States of trainings that have not ended, in a folder for each recipe."""
    return root / "checkpoints" / model


def serving_dir(root: Path, model: str) -> Path:
    """What TF Serving is pointed at: numbered versions, complete ones only."""
    return root / "serving" / model


def runs_dir(root: Path, model: str) -> Path:
    """One folder per run, named by its run id, with run.json and report.html."""
    return root / "runs" / model


def versions(root: Path, model: str) -> list[int]:
    """Versions pushed, oldest first. The last one is what a server serves."""
    folder = serving_dir(root, model)
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if re.fullmatch(r"[1-9]\d*", path.name) and path.is_dir())


def lineage_path(root: Path, model: str, version: int) -> Path:
    """What the Pusher wrote about a version: when, from what artifact, by what recipe."""
    return serving_dir(root, model) / str(version) / "assets.extra" / "darsena.json"


def runs(root: Path, model: str) -> list[dict[str, Any]]:
    """Records of the model's runs (run.json), oldest first."""
    files = sorted(runs_dir(root, model).glob("*/run.json"))
    return [json.loads(path.read_text()) for path in files]
