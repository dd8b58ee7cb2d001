"""`darsena batch MODEL ROWS OUTPUT`: answers a file of rows."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import (
    Command,
    beam_option,
    beam_options_option,
    debug_option,
    is_debug,
    json_option,
    model_argument,
    print_json,
    root_option,
)
from pipelines.common.config import ModelConfig
from pipelines.common.data import cannot_write
from pipelines.common.engines.checks import checked, chosen
from pipelines.common.engines.options import beam_args
from pipelines.common.errors import UsageError
from pipelines.common.labels import chosen_version
from pipelines.common.quiet import log_file, quiet
from pipelines.common.trust import verified

EXAMPLES = ("darsena batch {model} rows.csv answers.csv", "darsena batch {model} rows.parquet answers.parquet --key id --label stable")


@click.command("batch", cls=Command, examples=EXAMPLES)
@model_argument
@click.argument("rows", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="ROWS")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path), metavar="OUTPUT")
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="The version that answers; the latest by default.")
@click.option("--label", default="", metavar="NAME", help="The version with this label instead.")
@click.option("--key", default="", metavar="COLUMN", help="Names a row in OUTPUT; its number by default.")
@click.option("--part", "size", type=click.IntRange(1), default=10_000, show_default=True, metavar="ROWS", help="Rows at a time.")
@beam_option
@beam_options_option
@root_option
@json_option
@debug_option
def command(
    model: ModelConfig,
    rows: Path,
    output: Path,
    version: int | None,
    label: str,
    key: str,
    size: int,
    root: Path,
    beam: str,
    beam_options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Answer a file of rows: .csv, .jsonl, .tfrecord or .parquet, in and out.

    No server is needed. Answers stand in the order of the rows. Rows that can't be answered are in OUTPUT.bad.jsonl, with the reasons.
    The same command goes on where an interrupted one stopped.
    """
    if output.exists():
        raise UsageError(f"expected no file at {output}, there is one. Move it away, or name another OUTPUT.")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"expected a folder {output.absolute().parent} for {output.name}, there is none. Make it first.")
    engine = checked(chosen(beam, beam_options), root)
    folder = verified(root, model.name, chosen_version(root, model.name, version, label))
    with quiet(None if is_debug() else log_file(root, f"batch-{model.name}")) as (out, _):
        from pipelines.common.batches.reading import kind_of
        from pipelines.common.batches.running import answer_file

        for path in (rows, output):
            kind_of(path)
        try:
            found = answer_file(model, folder, rows, output, key=key, size=size, beam_args=beam_args(engine))
        except OSError as error:
            raise cannot_write(output.absolute().parent, error) from error
        told = {
            "output": str(found.output),
            "answers": found.answers,
            "bad": str(found.bad) if found.bad else None,
            "bad_rows": found.bad_rows,
            "version": int(folder.name),
            "parts": found.parts,
            "kept_parts": found.kept,
        }
        if not as_json:
            kept = f", {found.kept} of {found.parts} parts from before" if found.kept else ""
            click.echo(f"{found.answers:,} answers of version {folder.name} in {output}{kept}", out)
            if found.bad:
                click.echo(f"{found.bad_rows:,} rows without an answer in {found.bad}", out)
    if as_json:
        print_json(told)
