"""`darsena list`: the models there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import Command, console, debug_option, json_option, plain_table, print_json, root_option
from pipelines.common.history import run_records
from pipelines.common.layout import load_model, model_names


@click.command("list", cls=Command, examples=("darsena list", "darsena list --json"))
@root_option
@json_option
@debug_option
def command(root: Path, as_json: bool) -> None:
    """The models: what they learn, their data, reference and last verdict."""
    models = [describe(name, root) for name in model_names()]
    if as_json:
        print_json(models)
        return
    table = plain_table("Model", "What it learns", "Data", "Reference", "Last verdict")
    for model in models:
        table.add_row(model["name"], model["learns"], model["data"], model["reference"], model["last_verdict"] or "not run yet")
    console().print(table)


def describe(name: str, root: Path) -> dict[str, Any]:
    """A model's line of the table."""
    model = load_model(name)
    records = run_records(root, name)
    return {
        "name": name,
        "learns": model.learns,
        "data": model.data.description,
        "reference": model.reference,
        "last_verdict": records[-1]["verdict"] if records else None,
    }
