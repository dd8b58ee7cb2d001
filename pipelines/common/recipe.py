"""The recipe of a model: everything that decides what training makes, as one hash; and the served model to compare with."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from components.pusher.publication import is_intact
from pipelines.common.config import Baseline, ModelConfig, RunConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.fingerprint import component_fingerprint, data_fingerprint, fingerprint, training_fingerprint
from pipelines.common.history import run_records
from pipelines.common.layout import lineage_path, serving_dir, versions

SIGNATURES = 2  # counts changes of what the signatures of every model take; models of another number are not compared


def recipe(model: ModelConfig, run: RunConfig) -> str:
    """Hash of the code, data, hyperparameters, seed, strategy and libraries a model is trained with.

    Gates, and where things lie, are not part of it: they do not change what is trained.
    """
    return fingerprint(
        {
            "model": [model.name, list(model.class_names), training_fingerprint(model)],
            "reader": component_fingerprint(reader(model)),
            "schema": model.schema_path.read_text(),
            "data": data_fingerprint(run.data),
            "hparams": dict(run.hparams),
            "seed": run.seed,
            "strategy": [run.strategy, run.workers, run.precision, run.scale_batch],
            "tune": [run.trials, run.parallel_trials, run.time_limit] if run.tune else [],
        }
    )


def lineage(model: ModelConfig, run: RunConfig) -> dict[str, Any]:
    """What a version is made from, as its darsena.json keeps it."""
    return {
        "recipe": recipe(model, run),
        "data": data_fingerprint(run.data),
        "code": training_fingerprint(model),
        "class_names": list(model.class_names),
        "signatures": SIGNATURES,
        "schema": model.schema,
        "baseline": dataclasses.asdict(run.baseline) if run.baseline else None,
        "withdrawn": withdrawn(run.root, model.name),
    }


def reader(model: ModelConfig) -> str:
    """The component, in `components/`, that reads the model's raw data."""
    if model.data.episodes:
        return "episode_example_gen"
    return "image_example_gen" if model.data.table is None else "table_example_gen"


def served(root: Path, model: str) -> dict | None:
    """`darsena.json` of the version that is served now, or None if there is none.

    Raises:
        DarsenaError: the served version has no readable darsena.json.
    """
    pushed = versions(root, model)
    if not pushed:
        return None
    path = lineage_path(root, model, pushed[-1])
    try:
        found: dict = json.loads(path.read_text())
        found["lineage"]["recipe"], found["lineage"]["baseline"], found["model_uri"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DarsenaError(
            f"expected the lineage of served version {pushed[-1]} in {path}, could not read it ({error}). "
            "Delete that version or restore the file."
        ) from error
    return found


def find_baseline(model: ModelConfig, run: RunConfig) -> Baseline | None:
    """The model that this run's candidate must not be worse than: the one served now.

    Where the served model has this run's recipe, the candidate will be that model again; then it is compared with what that
    one was compared with, so that repeating a run changes nothing (and every component is answered from the cache).

    Raises:
        DarsenaError: the served model's artifact is gone.
    """
    lineage = served(run.root, model.name)
    if lineage is None or lineage["lineage"].get("class_names", list(model.class_names)) != list(model.class_names):
        return None  # answers of other classes can't be compared
    if lineage["lineage"].get("signatures") != SIGNATURES:
        return None  # nor can be asked what has other signatures
    if lineage["lineage"].get("schema", ModelConfig.schema) != model.schema:
        return None  # nor can those to other questions, as of a preset that learns from other data
    if run.cache and lineage["lineage"]["recipe"] == recipe(model, run):
        before = lineage["lineage"]["baseline"]
        baseline = Baseline(**before) if before else None
    else:
        baseline = Baseline(lineage["version"], lineage["model_uri"], lineage["lineage"]["recipe"])
    if baseline and not Path(baseline.model_uri).is_dir():
        raise DarsenaError(
            f"expected the model of served version {baseline.version} at {baseline.model_uri}, it is gone. "
            f"Restore it (or the root's old place, if the root was moved), or delete that version from {serving_dir(run.root, model.name)}."
        )
    return baseline


def withdrawn(root: Path, model: str) -> list[str]:
    """Ids of the runs that published versions which someone has deleted or changed since.

    A Pusher that is answered from the cache does not look whether its version is still there, so this enters its cache key.
    """
    return [
        record["run_id"]
        for record in run_records(root, model)
        if record["pushed"]
        and pusher_state(record) == "complete"
        and not is_intact(serving_dir(root, model) / str(record["pushed"]["version"]), {})
    ]


def pusher_state(record: dict) -> str | None:
    """State of the Pusher in the record of a run, None if the run's graph had none."""
    return next((node["state"] for node in record["nodes"] if node["id"] == "Pusher"), None)
