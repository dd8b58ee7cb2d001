"""`darsena new NAME`: a model of the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.common.commands.options import Command, console, debug_option, json_option, plain_table, print_json, root_option
from pipelines.common.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.common.scaffold.draft import Draft

EXAMPLES = (
    "darsena new NAME --csv sales.csv --label price",
    "darsena new NAME --csv mails.csv --label urgent --text message",
    "darsena new NAME --csv sensors.csv --map",
    "darsena new NAME --images folder",
)


@click.command("new", cls=Command, examples=EXAMPLES)
@click.argument("name")
@click.option(
    "--csv", "table", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Rows: .csv, .tsv or .txt."
)
@click.option("--label", metavar="COLUMN", help="What to learn, with --csv.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "binary", "multiclass"]),
    default="auto",
    show_default=True,
    help="What kind of label it is.",
)
@click.option("--text", metavar="COLUMN", help="A column that is free text, where that is not plain.")
@click.option("--map", "as_map", is_flag=True, help="Lay out the rows of --csv on a self-organising map by their numbers.")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Pictures, a folder of them for each class.",
)
@root_option
@json_option
@debug_option
def command(
    name: str,
    table: Path | None,
    label: str | None,
    task: str,
    text: str | None,
    as_map: bool,
    images: Path | None,
    root: Path,
    as_json: bool,
) -> None:
    """Write a model of your own data: rows of a table or folders of pictures.

    Looks at the data, tells what the model will do with each column, and writes the model's five files. The data is copied under the
    root. Then `darsena run NAME` trains, gates and pushes it. On an error nothing is written.
    """
    from pipelines.common.scaffold.draft import write_draft
    from pipelines.common.scaffold.names import REPOSITORY, check_name

    data = root.resolve() / "data" / f"{name}-sample"
    check_name(name, REPOSITORY, data)
    draft = draft_of(name, table, label, task, text, as_map, images)
    written = write_draft(draft, REPOSITORY, data)
    if as_json:
        print_json({"name": name, **draft.review, "written": [str(path) for path in written]})
        return
    screen = console()
    show_pictures(screen, draft.review) if images else show_map(screen, draft.review) if as_map else show_rows(screen, draft.review)
    for path in written:
        say(screen, f"wrote  {path}")
    say(screen, f"next   darsena run {name}" + (f" --root {root}" if root != Path("darsena_root").absolute() else ""))


def draft_of(name: str, table: Path | None, label: str | None, task: str, text: str | None, as_map: bool, images: Path | None) -> Draft:
    """The model of what the options name.

    Raises:
        UsageError: they name nothing, or too much, or what is not in the data.
        DataRejected: the data is damaged, or there is nothing in it to learn.
    """
    if as_map:
        if table is None or images is not None or label or text or task != "auto":
            others = {"--images": images, "--label": label, "--text": text, "--task": task != "auto"}
            received = ", ".join(option for option, given in others.items() if given) or "no --csv"
            raise UsageError(f"expected --csv FILE alone with --map, which goes by all columns of numbers, received {received}.")
        from pipelines.common.scaffold.maps import draft_of_map

        return draft_of_map(name, table)
    if table is not None and images is None:
        if not label:
            raise UsageError(f"expected --label COLUMN with --csv: the column of {table} to learn; or --map, to lay out its rows.")
        from pipelines.common.scaffold.rows import draft_of_rows

        return draft_of_rows(name, table, label, task, text)
    if images is not None and table is None:
        if label or text or task != "auto":
            raise UsageError("expected no --label, --text or --task with --images: the folders are the classes.")
        from pipelines.common.scaffold.pictures import draft_of_pictures

        return draft_of_pictures(name, images)
    raise UsageError(f"expected either --csv FILE or --images FOLDER, received {'both' if table else 'neither'}.")


def show_rows(screen: Console, review: dict[str, Any]) -> None:
    """What is in a table, its label, and what the model does with each column."""
    label = review["label"]
    show_columns(screen, review["columns"])
    without = f" ({review['rows_without_label']:,} more have no label and are left out)" if review["rows_without_label"] else ""
    say(screen, f"rows   {review['rows']:,}{without}, delimiter: {review['delimiter']}")
    say(screen, f"label  {label['column']}: {label['task']}{classes(label['classes'])}")
    show_gate(screen, review["gate"])


def show_map(screen: Console, review: dict[str, Any]) -> None:
    """What is in a table, and the map that its rows will be laid out on."""
    show_columns(screen, review["columns"])
    say(screen, f"rows   {review['rows']:,}, delimiter: {review['delimiter']}")
    say(screen, "map    {} by {} units".format(*review["map"]))
    for gate in review["gates"]:
        show_gate(screen, gate)


def show_columns(screen: Console, columns: list[dict[str, Any]]) -> None:
    """What a model does with each column."""
    from rich.markup import escape

    table = plain_table("Column", "Kind", "Missing", "Distinct", "Values", "What the model does with it")
    for column in columns:
        cells = (
            column["name"],
            column["kind"],
            f"{column['missing']:.1%}" if column["missing"] else "",
            f"{column['distinct']:,}",
            column["domain"],
            column["use"],
        )
        table.add_row(*map(escape, cells))
    screen.print(table)
    screen.print()


def show_pictures(screen: Console, review: dict[str, Any]) -> None:
    """What is in a folder of pictures."""
    say(screen, f"pictures  {review['pictures']:,} of {review['sizes']}")
    say(screen, f"label     {len(review['classes'])} classes{classes(review['classes'])}")
    show_gate(screen, review["gate"])


def show_gate(screen: Console, gate: dict[str, Any]) -> None:
    """What the model has to reach."""
    operator = "≥" if gate["higher_is_better"] else "≤"
    say(screen, f"gate   {gate['metric']} {operator} {gate['sample']:g} ({gate['answer']} reaches {gate['baseline']:.4g})")


def classes(counts: dict[str, int]) -> str:
    """Classes with their numbers of examples, the first ten of them."""
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:10]]
    return f" ({', '.join(shown)}{', …' if len(counts) > 10 else ''})" if shown else ""


def say(screen: Console, line: str) -> None:
    """A line of plain text."""
    screen.print(line, markup=False, highlight=False, soft_wrap=True)
