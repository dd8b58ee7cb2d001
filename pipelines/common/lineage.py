"""What a version was made from, and what else its data made.

ML Metadata is the source: it outlives the folders of runs. Their records (run.json) add words that it has none for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.manual_blessing.properties import BY, REASON
from pipelines.common.databases import ROOT_ID, Database, pipeline_name
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.events import Events, Made, RunOn, moment, reader_settings, text
from pipelines.common.history import run_records
from pipelines.common.layout import metadata_path, serving_dir, versions
from pipelines.common.metadata_store import prepared


def lineage(root: Path, model: str, version: int | None, database: Database | None) -> dict[str, Any]:
    """What a version was made from, and what else that data made.

    Args:
        root: of the runs.
        model: its name.
        version: None for the latest.
        database: of ML Metadata; None for the files under the root.

    Returns:
        The document that docs/cli.md describes.

    Raises:
        UsageError: there never was such a version.
        DarsenaError: there is none yet, no run that ML Metadata knows pushed it, or ML Metadata can't be read.
    """
    there = versions(root, model)
    if version is None and not there:
        raise DarsenaError(f"expected a version of {model} under {root}, found none. Make one with: darsena run {model} --root {root}")
    number = version or there[-1]
    place = database or metadata_path(root, model)
    if not (root / ROOT_ID if database else metadata_path(root, model)).exists():
        raise DarsenaError(f"expected ML Metadata of the runs under {root} in {place}, found none. Name the right --root and --metadata.")
    events = Events(mlmd.MetadataStore(prepared(root, model, database)))
    push = find_push(events, root, model, number, database)
    trained = events.maker(push.inputs["model"][0])
    reader = events.maker(trained.inputs["examples"][0])
    read, settings = reader_settings(reader.execution), json.loads(text(trained.execution, "custom_config"))
    records = run_records(root, model)
    record, pusher_record = record_of(records, trained) or {}, record_of(records, push)
    baseline = json.loads(text(push.execution, "lineage")).get("baseline")
    runs = [run for each in stores(root, database) for run in each.runs_on(read["data_fingerprint"])]
    return {
        "root": str(root),
        "model": model,
        "version": number,
        "path": str(serving_dir(root, model) / str(number)),
        "there": number in there,
        "latest": number == there[-1] if there else False,
        "verdict": (pusher_record or {}).get("verdict", "blessed and pushed"),
        "blessed_by_hand": blessed_by_hand(push.inputs["model_blessing"][0]),
        "pushed": described(push, pusher_record),
        "trained": described(trained, record) | {"model_uri": push.inputs["model"][0].uri},
        "data": {
            "fingerprint": read["data_fingerprint"],
            "path": text(reader.execution, "input_base"),
            "examples_uri": trained.inputs["examples"][0].uri,
            "kind": record.get("config", {}).get("data"),
            "note": record.get("config", {}).get("data_note"),
        },
        "code": {
            "training_fingerprint": settings["code_fingerprint"],
            "reader_fingerprint": read["code_fingerprint"],
            "files": record.get("code"),
        },
        "hparams": settings["hparams"],
        "search_uri": next((artifact.uri for artifact in trained.inputs.get("hyperparameters", [])), None),
        **{name: settings.get(name) for name in ("seed", "strategy", "workers", "precision")},
        "libraries": record.get("versions"),
        "compared_with": baseline and {key: baseline[key] for key in ("version", "model_uri")},
        "same_data": same_data(runs, push, trained),
    }


def stores(root: Path, database: Database | None) -> list[Events]:
    """The metadata of all models: of this root, or of all roots in the database."""
    models = [""] if database else sorted(path.stem for path in metadata_path(root, "").parent.glob("*.sqlite"))
    return [Events(mlmd.MetadataStore(prepared(root, model, database))) for model in models]


def find_push(events: Events, root: Path, model: str, version: int, database: Database | None) -> Made:
    """The execution that published a version.

    A number that was withdrawn is given again: which model has it now is in darsena.json; of one that is gone, the last one counts.

    Raises:
        UsageError: there never was such a version.
        DarsenaError: no run that ML Metadata knows published what is there.
    """
    pushes = [events.maker(artifact) for artifact in events.pushed(pipeline_name(root, model, database), version)]
    folder, where = serving_dir(root, model) / str(version), database or metadata_path(root, model)
    if folder.is_dir():
        told = darsena_json(folder)
        if told.get("version", version) != version:
            raise DarsenaError(f"expected a run to have pushed {folder}, it is a copy of version {told['version']}. Ask for that one.")
        pushes = [push for push in pushes if push.inputs["model"][0].uri == told.get("model_uri")]
        if not pushes:
            raise DarsenaError(
                f"expected a run in {where} to have pushed {folder}, found none. Someone put it there, or its runs had other --metadata."
            )
    if not pushes:
        known = ", ".join(map(str, versions(root, model))) or "none"
        raise UsageError(f"{model} has no version {version} under {root}, and no run in {where} pushed one. Versions: {known}.")
    # Pushing a model again finds the version that it is already: the first time published it.
    return next(push for push in pushes if push.inputs["model"][0].id == pushes[-1].inputs["model"][0].id)


def darsena_json(version: Path) -> dict[str, Any]:
    """What the Pusher wrote about a version; empty where it can't be read, as someone may have put anything there."""
    try:
        found = json.loads((version / "assets.extra/darsena.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def record_of(records: Iterable[dict[str, Any]], made: Made) -> dict[str, Any] | None:
    """The record of the run that made something, rather than took it from the cache; None if that is gone."""
    uris = {artifact.uri for artifacts in made.outputs.values() for artifact in artifacts}
    for record in records:
        for node in record["nodes"]:
            if node["id"] == made.node and node["state"] == "complete" and uris & set().union(*node["outputs"].values()):
                return record
    return None


def blessed_by_hand(blessing: pb.Artifact) -> dict[str, str] | None:
    """Who blessed a model by hand and why, None where the Evaluator did."""
    reason, by = (blessing.custom_properties[name].string_value for name in (REASON, BY))
    return {"reason": reason, "by": by} if reason else None


def described(made: Made, record: dict[str, Any] | None) -> dict[str, Any]:
    """When, and by which run, something was made."""
    return {
        "at": moment(made.execution.last_update_time_since_epoch),
        "run_id": record["run_id"] if record else None,
        "pipeline_run": made.run,
        "execution": made.execution.id,
    }


def same_data(runs: list[RunOn], push: Made, trained: Made) -> dict[str, list[dict[str, Any]]]:
    """The versions and runs that came of the same data beside the version asked for, oldest first."""
    others: list[dict[str, Any]] = []
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for run in sorted(runs, key=lambda run: run.started):
        model = run.pipeline.partition("@")[0]
        root = run.examples_uri.rpartition(f"/artifacts/{model}/")[0]
        number = run.pushed.custom_properties["pushed_version"].string_value if run.pushed else ""
        version = {"root": root, "model": model, "version": int(number) if number else None}
        if (run.pipeline, run.run) not in {(made.pipeline, made.run) for made in (push, trained)}:
            others.append({"pipeline_run": run.run, "started": run.started, "trained": run.trained, "verdict": run.verdict} | version)
        if run.pushed and number and (run.pipeline, run.pushed.id) != (push.pipeline, push.outputs["pushed_model"][0].id):
            path = Path(run.pushed.custom_properties["pushed_destination"].string_value)
            # Another root may be on another machine.
            there = darsena_json(path).get("model_uri") == run.model_uri if Path(root).is_dir() else None
            found.setdefault(
                (run.pipeline, number, run.model_uri),
                version | {"pushed": moment(run.pushed.create_time_since_epoch), "path": str(path), "there": there},
            )
    return {"versions": list(found.values()), "runs": others}
