"""`darsena tfjs MODEL`: a pushed model as a TensorFlow.js graph model."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import Command, debug_option, is_debug, json_option, model_argument, print_json, root_option
from pipelines.common.config import ModelConfig
from pipelines.common.data import cannot_write
from pipelines.common.labels import chosen_version
from pipelines.common.quiet import NOWHERE, quiet
from pipelines.common.trust import verified


@click.command("tfjs", cls=Command, examples=("darsena tfjs {model}", "darsena tfjs {model} --version 2 --output public/model"))
@model_argument
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="The version; the latest by default.")
@click.option("--label", default="", metavar="NAME", help="The version with this label instead.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the model.  [default: ROOT/tfjs/MODEL]")
@root_option
@json_option
@debug_option
def command(model: ModelConfig, version: int | None, label: str, output: Path | None, root: Path, as_json: bool) -> None:
    """Write a pushed model as a TensorFlow.js graph model: model.json and shards of weights.

    It is written only if TensorFlow.js, in Node.js, answers the version's recorded requests as Python does. The first time, uv installs
    the converter (3 GB), and npm TensorFlow.js, into the cache.
    """
    number = chosen_version(root, model.name, version, label)
    folder = (output or root / "tfjs" / model.name).absolute()
    with quiet(None if is_debug() else NOWHERE):
        from components.golden import FLOAT32_DIFF
        from pipelines.common.tfjs.writing import MODEL, write

        MODEL.check_place(folder)
        about = {"name": model.name, "version": number}
        bound = model.export_bounds.get("float32_diff", FLOAT32_DIFF)
        try:
            written = write(verified(root, model.name, number), folder, about, bound)
        except OSError as error:
            raise cannot_write(folder, error) from error
    if as_json:
        told = {
            "model": str(folder),
            "version": number,
            "signature": written.signature,
            "inputs": written.inputs,
            "outputs": written.outputs,
        }
        print_json(told | {"files": written.files, "bytes": written.size, "checked": written.checked})
        return
    checked = written.checked
    click.echo(
        f"wrote    {folder}  ({written.files} files, {written.size / 1e6:.1f} MB)\n"
        f"answers  signature {written.signature}: {', '.join(written.inputs)} -> {', '.join(written.outputs)}\n"
        f"checked  {checked['requests']} recorded requests in {checked['with']}: "
        f"at most {checked['largest_difference']:.1g} from Python (bound {checked['bound']:g})"
    )
