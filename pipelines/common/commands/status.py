"""`darsena status [MODEL]`: runs, versions pushed, and what is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import (
    LOOPBACK,
    REST_PORT,
    Command,
    ModelName,
    console,
    debug_option,
    json_option,
    plain_table,
    print_json,
    root_option,
)
from pipelines.common.config import ModelConfig
from pipelines.common.history import pushed_versions, run_records
from pipelines.common.labels import read
from pipelines.common.layout import load_model, model_names

SERVER = f"http://{LOOPBACK}:{REST_PORT}"
QUICK = 0.5  # seconds; a server on this machine answers in a few ms


@click.command("status", cls=Command, examples=("darsena status", "darsena status {model} --json"))
@click.argument("model", type=ModelName(), required=False)
@root_option
@json_option
@debug_option
def command(model: ModelConfig | None, root: Path, as_json: bool) -> None:
    """Runs and verdicts, the versions pushed, and which one is served."""
    models = [model] if model else [load_model(name) for name in model_names()]
    states = [describe(each, root) for each in models]
    if as_json:
        print_json({"root": str(root), "models": states})
        return
    screen = console()
    for state in states:
        screen.print(f"[bold]{state['name']}[/bold]: {headline(state)}", highlight=False, soft_wrap=True)
        tables = (
            (("Run", "Started", "Data", "Verdict", "First gate", "Seconds", "Version"), [run_row(run) for run in state["runs"]]),
            (("Version", "Pushed", "Served", "Labels"), [version_row(version) for version in state["versions"]]),
        )
        for columns, rows in tables:
            table = plain_table(*columns)
            for row in rows:
                table.add_row(*row)
            if rows:
                screen.print(table)


def describe(model: ModelConfig, root: Path) -> dict[str, Any]:
    """What `status` knows of a model."""
    labels = read(root, model.name).labels
    versions = [
        version | {"labels": sorted(label for label, number in labels.items() if number == version["version"])}
        for version in pushed_versions(root, model.name)
    ]
    return {
        "name": model.name,
        "runs": [describe_run(record) for record in run_records(root, model.name)],
        "versions": versions,
        "latest": versions[-1]["version"] if versions else None,
        "server": {"address": SERVER, "versions": answering(model.name)},
    }


def describe_run(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a run's record that is worth a line."""
    gate = record["gates"][0] if record["gates"] else None
    return {
        "run_id": record["run_id"],
        "started": record["started"],
        "data": record["config"]["data"],
        "verdict": record["verdict"],
        "reason": record["reason"],
        "gate": gate and {key: gate[key] for key in ("metric", "value", "bound", "passed")},
        "seconds": record["seconds"],
        "version": (record["pushed"] or {}).get("version"),
    }


def answering(model: str) -> list[int] | None:
    """Versions that a server on this machine's default port answers with; None if none answers there.

    The server may serve another root: only it can tell.
    """
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{SERVER}/v1/models/{model}", timeout=QUICK) as answer:
            states = json.load(answer)["model_version_status"]
    except urllib.error.HTTPError:
        return []  # there is a server, without this model
    except (OSError, ValueError, KeyError):
        return None
    return [int(state["version"]) for state in states if state["state"] == "AVAILABLE"]


def headline(state: dict[str, Any]) -> str:
    """One line about what is there to serve, and what is served."""
    latest = f"version {state['latest']} is the latest pushed" if state["latest"] else "nothing pushed yet"
    versions = state["server"]["versions"]
    if versions is None:
        return f"{latest}; no server answers at {SERVER}"
    if not versions:
        return f"{latest}; the server at {SERVER} does not serve it"
    return f"{latest}; the server at {SERVER} answers with version {max(versions)}"


def run_row(run: dict[str, Any]) -> tuple[str, ...]:
    """A run as cells."""
    gate = run["gate"]
    figure = f"{gate['metric']} {gate['value']:.4f}" if gate and gate["value"] is not None else ""
    seconds = "" if run["seconds"] is None else f"{run['seconds']:.1f}"
    return (run["run_id"], run["started"][:19].replace("T", " "), run["data"], run["verdict"], figure, seconds, str(run["version"] or ""))


def version_row(version: dict[str, Any]) -> tuple[str, ...]:
    """A version as cells."""
    return (
        str(version["version"]),
        (version["pushed"] or "")[:19].replace("T", " "),
        "latest" if version["latest"] else "",
        ", ".join(version["labels"]),
    )
