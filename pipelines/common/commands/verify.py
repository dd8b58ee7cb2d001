"""`darsena verify MODEL`: whether versions are what was pushed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import Command, debug_option, json_option, model_argument, print_json, root_option, trust_option
from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import serving_dir, versions
from pipelines.common.trust import trusted_keys, verified


@click.command("verify", cls=Command, examples=("darsena verify {model}", "darsena verify {model} --version 3 --trust colleague.pub"))
@model_argument
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="[default: all there are]")
@trust_option
@root_option
@json_option
@debug_option
def command(model: ModelConfig, version: int | None, trust: tuple[Path, ...], root: Path, as_json: bool) -> int:
    """Whether pushed versions are as they were signed: no file changed, added or missing.

    Exit codes: 0 all of them, 1 one is not, 2 wrong usage.
    """
    trusted_keys(trust)
    found = [checked(root, model.name, number, trust) for number in chosen(root, model.name, version)]
    if as_json:
        print_json({"model": model.name, "versions": found})
    for each in found if not as_json else ():
        click.echo(each["problem"] or f"version {each['version']} of {model.name} is as it was signed.")
    return int(any(each["problem"] for each in found))


def checked(root: Path, model: str, version: int, trust: tuple[Path, ...]) -> dict[str, Any]:
    """What is wrong with a version, as one line; empty where nothing is."""
    try:
        verified(root, model, version, trust)
    except DarsenaError as error:
        return {"version": version, "problem": str(error)}
    return {"version": version, "problem": ""}


def chosen(root: Path, model: str, version: int | None) -> list[int]:
    """The versions meant.

    Raises:
        DarsenaError: there is none.
    """
    there = versions(root, model)
    if version is None and not there:
        raise DarsenaError(f"expected pushed versions of {model} in {serving_dir(root, model)}, found none. Push one: darsena run {model}")
    return there if version is None else [version]
