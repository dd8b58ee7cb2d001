"""`darsena report MODEL`: where the HTML report of a run is."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from pipelines.common.commands.options import Command, debug_option, json_option, model_argument, print_json, root_option
from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.history import run_records
from pipelines.common.hyperparameters import suggestion
from pipelines.common.layout import runs_dir


@click.command("report", cls=Command, examples=("darsena report {model}", "darsena report {model} --open"))
@model_argument
@click.option("--run", "run_id", metavar="ID", help="Of this run (see `status`) rather than the last.")
@click.option("--open", "in_browser", is_flag=True, help="Open it in the browser too.")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, run_id: str | None, in_browser: bool, root: Path, as_json: bool) -> None:
    """Print the path of a run's HTML report."""
    run_id, path = find_report(root, model.name, run_id)
    if as_json:
        print_json({"model": model.name, "run_id": run_id, "report": str(path)})
    else:
        click.echo(path)
    if in_browser and not webbrowser.open(path.as_uri()):
        raise DarsenaError(f"expected a web browser on this machine, found none. Open {path} yourself.")


def find_report(root: Path, model: str, run_id: str | None) -> tuple[str, Path]:
    """The run and its report.

    Args:
        root: of the runs.
        model: its name.
        run_id: of the run; None for the last one that has a report.

    Raises:
        UsageError: there is no such run.
        DarsenaError: there is no run yet, or the run has no report.
    """
    reports = {record["run_id"]: runs_dir(root, model) / record["run_id"] / "report.html" for record in run_records(root, model)}
    if not reports:
        raise DarsenaError(f"expected a run of {model} under {root}, found none. Make one with: darsena run {model} --root {root}")
    if run_id is None:
        run_id = next((name for name in reversed(reports) if reports[name].is_file()), next(reversed(reports)))
    if run_id not in reports:
        raise UsageError(f"{model} has no run {run_id!r} under {root}. {suggestion(run_id, list(reports))}")
    if not reports[run_id].is_file():
        raise DarsenaError(f"expected the report of run {run_id} at {reports[run_id]}, there is none: the run was interrupted. Run again.")
    return run_id, reports[run_id]
