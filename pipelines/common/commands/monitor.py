"""`darsena monitor MODEL --requests LOG`: whether what clients ask is still like what a version learned from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.common.commands.options import (
    Command,
    ModelName,
    console,
    debug_option,
    is_debug,
    json_option,
    plain_table,
    print_json,
    root_option,
)
from pipelines.common.config import ModelConfig
from pipelines.common.errors import ExitCode
from pipelines.common.quiet import NOWHERE, quiet

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.common.monitoring.distances import Distance
    from pipelines.common.monitoring.monitor import Findings


@click.command(
    "monitor", cls=Command, examples=("darsena serve --log-requests requests", "darsena monitor {model} --requests requests/{model}")
)
@click.argument("model", type=ModelName())
@click.option(
    "--requests",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    metavar="LOG",
    help="File or folder of a server's log (repeatable).",
)
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="Which answered; the latest by default.")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, requests: tuple[Path, ...], version: int | None, root: Path, as_json: bool) -> int:
    """Compare what clients asked a version, and newer data, with what it learned from.

    Thresholds are those of its schema. Exit codes: 0 nothing has moved, 1 failed, 2 wrong usage, 3 skew or drift found.
    """
    with quiet(None if is_debug() else NOWHERE) as (out, _):
        from pipelines.common.monitoring.monitor import monitor

        findings = monitor(root, model, version, requests)
        if not as_json:
            show(console(out), findings)
    code = ExitCode.MOVED if findings.exceeded else ExitCode.OK
    if as_json:
        print_json({**dataclasses.asdict(findings), "exceeded": findings.exceeded, "exit_code": int(code)})
    if findings.exceeded:
        click.echo(f"darsena: version {findings.version} of {model.name}: {', '.join(findings.exceeded)}.", err=True)
    return code


def show(screen: Console, findings: Findings) -> None:
    """The findings as tables."""
    looked_at = "" if findings.sampled == findings.requests else f", of which {findings.sampled:,} were looked at"
    said = [
        f"{findings.model} version {findings.version} (run {findings.run_id})",
        f"Skew: {findings.requests:,} rows of requests{looked_at}, against {findings.learned:,} that it learned from",
    ]
    screen.print("\n".join(said), highlight=False, markup=False, soft_wrap=True)
    table(screen, findings.skew, "Learned from", "Requests")
    screen.print()
    if findings.drift is None:
        screen.print("Drift: no other data has come in: all runs learned from the same.", highlight=False)
    else:
        screen.print(f"Drift: data of run {findings.drift.before} against {findings.drift.now}'s", highlight=False, soft_wrap=True)
        table(screen, findings.drift.columns, "Before", "Now")
    notes = [f"Anomaly: {line}" for line in findings.anomalies]
    notes += [f"Left out: {count:,} requests {reason}" for reason, count in sorted(findings.left_out.items())]
    notes += [f"Cut or damaged: {line}" for line in findings.damaged]
    if notes:
        screen.print()
        screen.print("\n".join(notes), highlight=False, markup=False, soft_wrap=True)


def table(screen: Console, distances: Sequence[Distance], before: str, now: str) -> None:
    """Distances by column."""
    if not distances:
        screen.print("The schema has no threshold for that.", highlight=False)
        return
    found = plain_table("Column", "Distance", "Threshold", "Chance", "Verdict", before, now)
    for each in distances:
        verdict = "[bold red]moved[/]" if each.exceeded else "ok"
        found.add_row(each.column, f"{each.distance:.4f}", f"{each.threshold:g}", f"+{each.noise:.4f}", verdict, each.before, each.now)
    screen.print(found)
