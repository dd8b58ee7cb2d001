"""`darsena promote MODEL`: gives a version a label."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from pipelines.common.commands.options import Command, ModelName, debug_option, json_option, print_json, root_option
from pipelines.common.config import ModelConfig
from pipelines.common.labels import Change, promote


@click.command(
    "promote",
    cls=Command,
    examples=("darsena promote {model} --label stable", "darsena promote {model} --version 3 --label canary --reason 'new data'"),
)
@click.argument("model", type=ModelName())
@click.option("--label", required=True, metavar="NAME", help="Such as stable or canary.")
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="The version; the latest by default.")
@click.option("--reason", default="", metavar="TEXT", help="Recorded with the change.")
@click.option("--force", is_flag=True, help="Also a version that no pipeline blessed; needs a reason.")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, label: str, version: int | None, reason: str, force: bool, root: Path, as_json: bool) -> None:
    """Give a version a label, by which clients can ask for it.

    A running `darsena serve` takes it up within a second. The change is recorded, and `darsena rollback` takes it back.
    """
    tell(model.name, promote(root, model.name, label, version, reason, force), as_json)


def tell(model: str, change: Change, as_json: bool) -> None:
    """Prints a change."""
    if as_json:
        print_json({"model": model, **dataclasses.asdict(change)})
        return
    before = f" (before: version {change.before})" if change.before is not None else ""
    click.echo(f"{model}: {change.label} is version {change.version}{before}{', not blessed' if change.forced else ''}")
