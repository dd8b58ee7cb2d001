"""`darsena sign MODEL`: a signature of this user's for a version that has none that is trusted."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import Command, debug_option, model_argument, root_option
from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import lineage_path
from pipelines.common.trust import require_key, version_folder


@click.command("sign", cls=Command, examples=("darsena sign {model} --version 3",))
@model_argument
@click.option("--version", type=click.IntRange(min=1), required=True, metavar="N", help="The version.")
@root_option
@debug_option
def command(model: ModelConfig, version: int, root: Path) -> None:
    """Sign a version that came without a signature you trust, as from a cluster without your key or a copy.

    Whoever signs answers for the files: look at where they come from first.
    """
    from components.pusher import publication, signing

    folder = version_folder(root, model.name, version)
    require_key()
    try:
        record = publication.read_record(folder)
        lineage_path(root, model.name, version).parent.mkdir(exist_ok=True)
        record |= {"model": model.name, "version": version, "files": publication.listing(folder)}
        with signing.key_at_hand() as key:
            publication.write_record(folder, record, key)
    except (OSError, ValueError) as error:
        raise DarsenaError(f"expected to sign the files in {folder}, could not: {error}.") from error
    click.echo(f"version {version} of {model.name} is signed: {len(record['files'])} files.")
