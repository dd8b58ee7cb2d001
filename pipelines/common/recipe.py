"""The recipe of a model: everything that decides what training makes, as one hash; and the served model to compare with."""

import importlib.metadata
import json
from pathlib import Path

from pipelines.common.config import Baseline, ModelConfig, RunConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.fingerprint import code_fingerprint, component_fingerprint, data_fingerprint, fingerprint
from pipelines.common.layout import runs, serving_dir, versions


def recipe(model: ModelConfig, run: RunConfig) -> str:
    """Hash of the code, data, hyperparameters, seed, strategy and libraries a model is trained with.

    Gates, and where things lie, are not part of it: they do not change what is trained.
    """
    return fingerprint(
        {
            "model": [model.name, model.version],
            "code": [code_fingerprint(model.trainer_module), component_fingerprint("image_example_gen")],
            "schema": (model.schema_dir / "schema.pbtxt").read_text(),
            "data": data_fingerprint(run.data.path, run.data.pattern),
            "hparams": dict(run.hparams),
            "seed": run.seed,
            "strategy": run.strategy,
            "tune": run.trials if run.tune else 0,
            "libraries": [importlib.metadata.version(name) for name in ("tensorflow", "keras", "tensorflow-transform", "tfx")],
        }
    )


def served(root: Path, model: str) -> dict | None:
    """`darsena.json` of the version that is served now, or None if there is none.

    Raises:
        DarsenaError: the served version has no readable darsena.json.
    """
    pushed = versions(root, model)
    if not pushed:
        return None
    path = serving_dir(root, model) / str(pushed[-1]) / "assets.extra" / "darsena.json"
    try:
        found: dict = json.loads(path.read_text())
    except (OSError, ValueError) as error:
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
    if lineage is None:
        return None
    if run.cache and lineage["lineage"]["recipe"] == recipe(model, run):
        before = lineage["lineage"]["baseline"]
        baseline = Baseline(**before) if before else None
    else:
        baseline = Baseline(lineage["version"], lineage["model_uri"], lineage["lineage"]["recipe"])
    if baseline and not Path(baseline.model_uri).is_dir():
        raise DarsenaError(
            f"expected the model of served version {baseline.version} at {baseline.model_uri}, it is gone. "
            f"Restore it, or delete that version from {serving_dir(run.root, model.name)}."
        )
    return baseline


def withdrawn(root: Path, model: str) -> str:
    """Id of the last run that published a version, if someone has deleted that version since; else "".

    A Pusher that is answered from the cache does not look whether its version is still there, so this enters its cache key.
    """
    pushed = [record for record in runs(root, model) if record["pushed"] and pusher_state(record) == "complete"]
    if not pushed or pushed[-1]["pushed"]["version"] in versions(root, model):
        return ""
    return str(pushed[-1]["run_id"])


def pusher_state(record: dict) -> str | None:
    """State of the Pusher in the record of a run, None if the run's graph had none."""
    return next((node["state"] for node in record["nodes"] if node["id"] == "Pusher"), None)
