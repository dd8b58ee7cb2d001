"""`darsena lineage MODEL`: which data, code and run made a version, and what else that data made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import (
    Command,
    ModelName,
    console,
    debug_option,
    is_debug,
    json_option,
    metadata_option,
    plain_table,
    print_json,
    root_option,
)
from pipelines.common.config import ModelConfig
from pipelines.common.databases import Database
from pipelines.common.quiet import NOWHERE, quiet

SHOWN = 10  # of each table; --json has all
SHORT = 12  # characters of a fingerprint; --json has all


@click.command("lineage", cls=Command, examples=("darsena lineage {model}", "darsena lineage {model} --version 2 --json"))
@click.argument("model", type=ModelName())
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="The version; the latest by default.")
@root_option
@metadata_option
@json_option
@debug_option
def command(model: ModelConfig, version: int | None, root: Path, metadata: Database | None, as_json: bool) -> None:
    """Which data, code and run made the version that is served, and what else that data made.

    As ML Metadata has it, so also after the folders of runs were deleted, and of versions that were withdrawn.
    """
    with quiet(None if is_debug() else NOWHERE):
        from pipelines.common.lineage import lineage

        found = lineage(root, model.name, version, metadata)
    if as_json:
        print_json(found)
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Prints a lineage for people."""
    from rich.text import Text

    screen = console()
    state = "the latest" if found["latest"] else "not the latest" if found["there"] else "withdrawn: its folder is gone"
    screen.print(f"[bold]{found['model']}[/bold] version {found['version']}: {found['verdict']}, {state}", highlight=False)
    facts = plain_table("", "")
    facts.show_header = False
    for name, value in described(found):
        facts.add_row(name, Text(value))  # a path may look like markup
    screen.print(facts, highlight=False)
    roots = {each["root"] for rows in found["same_data"].values() for each in rows}
    root = ("Root",) if roots - {found["root"]} else ()
    for title, columns, rows in (
        ("Other versions of the same data", ("Model", "Version", "Pushed", "There", *root), found["same_data"]["versions"]),
        ("Other runs on the same data", ("Model", "Started", "Verdict", "Version", "Trained", *root), found["same_data"]["runs"]),
    ):
        screen.print(f"\n[bold]{title}[/bold]: {len(rows) or 'none'}", highlight=False)
        table = plain_table(*columns)
        for row in rows[-SHOWN:]:
            table.add_row(*(Text(cell(row, column.lower())) for column in columns))
        if rows:
            screen.print(table)
        if len(rows) > SHOWN:
            screen.print(f"and {len(rows) - SHOWN} before, which --json shows", highlight=False)


def described(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What made the version, a line for each kind of cause."""
    data, code = found["data"], found["code"]
    known = ", ".join(filter(None, (data["kind"], data["note"])))
    files = f"{len(code['files'])} files, " if code["files"] else ""
    baseline = found["compared_with"]
    settings = found["hparams"] | {name: found[name] for name in ("seed", "strategy", "precision")}
    by_hand = found["blessed_by_hand"]
    return [
        *([("blessed", f"by hand by {by_hand['by']}: {by_hand['reason']}")] if by_hand else []),
        ("pushed", by(found["pushed"])),
        ("trained", by(found["trained"])),
        ("data", f"{data['path']}{f' ({known})' if known else ''}, fingerprint {data['fingerprint'][:SHORT]}"),
        ("code", f"{files}fingerprint {code['training_fingerprint'][:SHORT]}"),
        ("with", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("searched", found["search_uri"] or "no"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in (found["libraries"] or {"known": "no more"}).items())),
        ("compared with", f"version {baseline['version']}" if baseline else "none"),
        ("model", found["trained"]["model_uri"]),
        ("version", found["path"]),
    ]


def by(made: dict[str, Any]) -> str:
    """When and by which run."""
    run = f"run {made['run_id']}" if made["run_id"] else "a run whose folder is gone"
    return f"{when(made['at'])} by {run}; in ML Metadata: run {made['pipeline_run']}, execution {made['execution']}"


def when(moment: str) -> str:
    """A time to the second, in UTC."""
    return moment[:19].replace("T", " ")


def cell(row: dict[str, Any], name: str) -> str:
    """A cell of one of the tables."""
    value = row[name]
    if name in ("pushed", "started"):
        return when(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {"there": "?"}.get(name, "") if value is None else str(value)
