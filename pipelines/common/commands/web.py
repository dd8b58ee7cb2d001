"""`darsena web MODEL`: a page that asks a pushed model in the browser."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import Command, debug_option, is_debug, json_option, model_argument, print_json, root_option
from pipelines.common.commands.stopping import stop_signal
from pipelines.common.config import OWN, ModelConfig
from pipelines.common.data import cannot_write
from pipelines.common.errors import DarsenaError
from pipelines.common.history import run_records
from pipelines.common.labels import chosen_version
from pipelines.common.layout import lineage_path
from pipelines.common.quiet import NOWHERE, quiet
from pipelines.common.trust import verified

PORT = 8600


@click.command("web", cls=Command, examples=("darsena web {model} --serve", "darsena web {model} --version 2 --output public"))
@model_argument
@click.option("--version", type=click.IntRange(1), metavar="NUMBER", help="The version; the latest by default.")
@click.option("--label", default="", metavar="NAME", help="The version with this label instead.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the page.  [default: ROOT/web/MODEL]")
@click.option(
    "--runtime",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A node_modules folder with @litertjs/core, instead of npm.",
)
@click.option("--serve", is_flag=True, help="Serve the page on this machine until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, metavar="PORT", show_default=True, help="With --serve; 0 takes a free one."
)
@root_option
@json_option
@debug_option
def command(
    model: ModelConfig,
    version: int | None,
    label: str,
    output: Path | None,
    runtime: Path | None,
    serve: bool,
    port: int,
    root: Path,
    as_json: bool,
) -> None:
    """Write a static page that asks a pushed model in the browser: draw, drop a photo, type, or fill in a row.

    It has everything it needs in its folder, and asks no other host. The first time, npm installs the runtime (LiteRT.js) into the cache.
    """
    number = chosen_version(root, model.name, version, label)
    folder = (output or root / "web" / model.name).absolute()
    with quiet(None if is_debug() else NOWHERE) as (out, _):
        from pipelines.common.web.page import PAGE, write
        from pipelines.common.web.runtime import installed

        PAGE.check_place(folder)
        packages = installed(runtime)
        pushed = lineage(root, model, number)
        about = told(root, model, number, pushed)
        try:
            page = write(verified(root, model.name, number), folder, about, classes(model, pushed), packages)
        except OSError as error:
            raise cannot_write(folder, error) from error
        result = {"page": str(page.folder), "version": number, "layout": page.layout, "files": page.files, "bytes": page.size}
        if not as_json:
            click.echo(
                f"wrote  {page.folder}  ({page.files} files, {page.size / 1e6:.1f} MB, of which the model {page.model_size / 1e6:.1f})", out
            )
    if as_json:
        print_json(result)
    if serve:
        host(folder, port)
    elif not as_json:
        click.echo(f"Try it: darsena web {model.name} --serve. To publish it, copy the folder to any web server or static hosting.")


def told(root: Path, model: ModelConfig, version: int, pushed: dict[str, Any]) -> dict[str, Any]:
    """What the page tells of a version: its name and number, when it was pushed, how near an export's answers have to be to Python's, and
    of the run that made it, if its record is there, the data and the figures that its gates were on.
    """
    from components.golden import FLOAT32_DIFF

    records = [record for record in run_records(root, model.name) if (record["pushed"] or {}).get("version") == version]
    record = records[0] if records else {"gates": [], "config": {}}
    return {
        "name": model.name,
        "version": version,
        "learns": record.get("learns", model.learns),
        "pushed": pushed.get("pushed", ""),
        "close": model.export_bounds.get("float32_diff", FLOAT32_DIFF),
        "data": {"kind": record["config"].get("data", ""), "note": record["config"].get("data_note", "")},
        "figures": [
            {key: gate[key] for key in ("metric", "value", "operator", "bound")}
            for gate in record["gates"]
            if gate["kind"] == "value" and gate["value"] is not None
        ],
    }


def classes(model: ModelConfig, pushed: dict[str, Any]) -> list[str]:
    """Names of the classes that a version tells apart; none for other models."""
    if model.task == OWN:
        return []
    return list(pushed.get("lineage", {}).get("class_names", model.class_names))


def lineage(root: Path, model: ModelConfig, version: int) -> dict[str, Any]:
    """What the Pusher wrote about a version; nothing for one that someone else put there.

    Raises:
        DarsenaError: it can't be read.
    """
    path = lineage_path(root, model.name, version)
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DarsenaError(f"expected the lineage of version {version} in {path}, received: {error}. Restore the file.") from error
    return found if isinstance(found, dict) else {}


def host(folder: Path, port: int) -> None:
    """Serves a page on loopback until Ctrl-C or SIGTERM.

    Raises:
        DarsenaError: the port is taken.
    """
    from pipelines.common.web.hosting import LOOPBACK, page_server

    with page_server(folder, port) as server, stop_signal() as stop:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        click.echo(
            f"page   http://{LOOPBACK}:{server.server_port}/\nCtrl-C stops it. To publish the page, copy its folder to any static hosting.",
            err=True,
        )
        stop.wait()
        server.shutdown()
