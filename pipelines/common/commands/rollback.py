"""`darsena rollback MODEL`: gives a label back to the version that had it before."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import Command, ModelName, debug_option, json_option, root_option
from pipelines.common.commands.promote import tell
from pipelines.common.config import ModelConfig
from pipelines.common.labels import rollback


@click.command("rollback", cls=Command, examples=("darsena rollback {model} --label stable --reason 'wrong answers'",))
@click.argument("model", type=ModelName())
@click.option("--label", required=True, metavar="NAME", help="Such as stable or canary.")
@click.option("--reason", default="", metavar="TEXT", help="Recorded with the change.")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, label: str, reason: str, root: Path, as_json: bool) -> None:
    """Give a label back to the version that had it before.

    Again: to the one before that. The change is recorded.
    """
    tell(model.name, rollback(root, model.name, label, reason), as_json)
