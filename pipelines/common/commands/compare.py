"""`darsena compare MODEL...`: models side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from pipelines.common.comparison import Choice, last_evaluated
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import load_model
from pipelines.common.quiet import NOWHERE, quiet

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BAR = 30
BLOCKS = " ▏▎▍▌▋▊▉"


class ChoiceName(ModelName):
    """A model's name, perhaps with a preset: MODEL or MODEL:PRESET."""

    def convert(self, value: str | Choice, param: click.Parameter | None, ctx: click.Context | None) -> Choice:  # type: ignore[override]
        """The model and the name of its preset.

        Raises:
            UsageError: there is no such model or preset; the message suggests one.
        """
        if isinstance(value, Choice):
            return value
        name, _, preset = value.partition(":")
        model = load_model(name)
        model.with_preset(preset)
        return Choice(model, preset)


@click.command("compare", cls=Command, examples=("darsena compare {model}", "darsena compare {model} ANOTHER MODEL:PRESET --data full"))
@click.argument("models", type=ChoiceName(), nargs=-1, required=True, metavar="MODEL[:PRESET]...")
@click.option("--data", type=click.Choice(["sample", "full", "path"]), help="Only runs on this data.  [default: each model's last run]")
@root_option
@json_option
@debug_option
def command(models: tuple[Choice, ...], data: str | None, root: Path, as_json: bool) -> None:
    """Compare models: metrics on the same test examples, size and latency of each export, training time.

    Takes the last run of each that evaluated a model. A page with charts goes to compare.html under the root.
    """
    records = [last_evaluated(root, choice, data) for choice in {str(choice): choice for choice in models}.values()]
    with quiet(None if is_debug() else NOWHERE) as (out, _):
        from reporting import comparison
        from reporting.record import Unreadable

        try:
            entries = [comparison.read_entry(record) for record in records]
            comparison.write_comparison(entries, root / "compare.html")
        except Unreadable as error:
            raise DarsenaError(str(error)) from error
        except OSError as error:
            raise DarsenaError(f"expected to write {root / 'compare.html'}, could not: {error.strerror}. Choose another --root.") from error
        views = [comparison.group_view(group) for group in comparison.groups(entries)]
        if not as_json:
            show(console(out), views)
            click.echo(f"page  {root / 'compare.html'}", out)
    if as_json:
        print_json({"page": str(root / "compare.html"), "groups": [as_data(view) for view in views]})


def show(screen: Console, views: list[dict[str, Any]]) -> None:
    """The groups as tables with bars."""
    for view in views:
        screen.print(view["title"], style="bold", highlight=False)
        if view["note"]:
            screen.print(view["note"], markup=False, highlight=False)
        for metric in view["metrics"]:
            screen.print()
            screen.print(", ".join(filter(None, (metric["title"], metric["direction"]))), markup=False, highlight=False)
            screen.print(metric_table(metric))
            if metric["conclusion"]:
                screen.print(metric["conclusion"], markup=False, highlight=False, soft_wrap=True)
        if not view["metrics"]:
            screen.print("These models have no metric in common.")
        if view["others"]:
            screen.print(f"Left out, since not all have it: {', '.join(view['others'])}.", markup=False, highlight=False, soft_wrap=True)
        screen.print()
        screen.print(training_table(view))
        screen.print()
        if view["exports"]:
            screen.print(export_table(view))
            screen.print()
    if len(views) > 1:
        screen.print(f"Evaluated on {len(views)} different sets of examples: figures of different sets do not compare.", highlight=False)


def metric_table(metric: dict[str, Any]) -> Table:
    """A metric's value, 95% interval and bar for each model."""
    from reporting import formats

    table = plain_table("Model", "Value", "95% interval", "From 0")
    largest = max(abs(row["value"].value) for row in metric["rows"])
    for row in metric["rows"]:
        value = row["value"].value
        table.add_row(row["model"], formats.metric(value), row["interval"] or formats.ABSENT, bar(value / largest if largest else 0))
    return table


def bar(share: float) -> str:
    """A bar whose length is that share of BAR, to an eighth of a character; empty for a negative share, or one that is no number."""
    eighths = round(BAR * 8 * share) if share > 0 else 0
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def training_table(view: dict[str, Any]) -> Table:
    """Which run each model is from, and what it took to train."""
    from reporting import formats

    table = plain_table("Model", "Run", "Verdict", "Parameters", "Training")
    for entry in view["models"]:
        table.add_row(entry.name, entry.run_id, entry.verdict, formats.number(entry.parameters), formats.seconds(entry.training_seconds))
    return table


def export_table(view: dict[str, Any]) -> Table:
    """Size and latency of each model's exports."""
    from reporting import formats

    table = plain_table("Model", *view["exports"])
    for entry in view["models"]:
        exports = [entry.exports.get(name) for name in view["exports"]]
        cells = [f"{formats.size(each.bytes)}, {formats.number(each.latency_ms, 3)} ms" if each else formats.ABSENT for each in exports]
        table.add_row(entry.name, *cells)
    return table


def as_data(view: dict[str, Any]) -> dict[str, Any]:
    """A group as --json prints it."""
    metrics = [
        {
            "name": metric["name"],
            "direction": metric["direction"],
            "conclusion": metric["conclusion"],
            "values": [{"model": row["model"], **dataclasses.asdict(row["value"])} for row in metric["rows"]],
        }
        for metric in view["metrics"]
    ]
    shown = ("name", "run_id", "verdict", "parameters", "training_seconds", "exports")
    models = [{key: value for key, value in dataclasses.asdict(entry).items() if key in shown} for entry in view["models"]]
    return {key: view[key] for key in ("examples", "data", "note", "reader", "others")} | {"metrics": metrics, "models": models}
