"""`darsena serving-config [MODEL...]`: files that run the real TF Serving on what was pushed."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import Command, ModelName, debug_option, json_option, print_json, root_option
from pipelines.common.commands.serve import pushed
from pipelines.common.config import ModelConfig
from pipelines.common.data import cannot_write
from pipelines.common.errors import DarsenaError
from pipelines.common.labels import read
from pipelines.common.layout import serving_dir, versions
from pipelines.common.trust import verified
from serving.deployment.files import IMAGE, MOUNT, Options, Served, files


@click.command("serving-config", cls=Command, examples=("darsena serving-config", "darsena serving-config {model} --out deploy --batching"))
@click.argument("models", type=ModelName(), nargs=-1, metavar="[MODEL]...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help="Default: ROOT/serving-config.")
@click.option("--image", default=IMAGE, metavar="IMAGE", show_default=True, help="TF Serving's.")
@click.option("--batching", is_flag=True, help="Answer requests that come at the same time together.")
@click.option("--threads", type=click.IntRange(1), default=2, metavar="N", show_default=True, help="Cores of a replica.")
@click.option("--memory", default="2Gi", metavar="SIZE", show_default=True, help="Memory of a replica.")
@click.option("--replicas", type=click.IntRange(1), default=2, metavar="N", show_default=True, help="Of the Deployment.")
@click.option("--claim", default="darsena-models", metavar="NAME", show_default=True, help="The PersistentVolumeClaim with the models.")
@root_option
@json_option
@debug_option
def command(
    models: tuple[ModelConfig, ...],
    out: Path | None,
    image: str,
    batching: bool,
    threads: int,
    memory: str,
    replicas: int,
    claim: str,
    root: Path,
    as_json: bool,
) -> None:
    """Write files that run the real TF Serving on the pushed models: its own configuration, Docker Compose, Kubernetes, KServe.

    Labels of versions are in it. Write them anew after `darsena promote`.
    """
    names = pushed(root, [model.name for model in models])
    options = Options(str((root / "serving").absolute()), image, batching, threads, memory, replicas, claim)
    folder = (out or root / "serving-config").absolute()
    written = write(folder, files([served(root, name, f"{MOUNT}/{name}") for name in names], options))
    if as_json:
        print_json({"models": names, "files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote  {path}")


def served(root: Path, name: str, folder: str) -> Served:
    """What is there to serve of a model.

    Raises:
        DarsenaError: a label's version is gone, without which the server would not start, or a version is not as it was signed.
    """
    there, labels = versions(root, name), read(root, name).labels
    for label, version in labels.items():
        if version not in there:
            raise DarsenaError(
                f"expected version {version} of {name}, which has the label {label}, in {serving_dir(root, name)}, it is gone. "
                f"Promote another one: darsena promote {name} --label {label}"
            )
    for version in {there[-1], *labels.values()}:
        verified(root, name, version)
    return Served(name, folder, there[-1], labels)


def write(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Writes files into a folder; returns their paths.

    Raises:
        DarsenaError: one can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error) from error
    return [folder / name for name in texts]
