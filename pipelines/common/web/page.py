"""A page's folder: written beside its place and swapped in whole, so that what was there stays until all of it is."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError
from pipelines.common.folders import Product, contents
from pipelines.common.web import runtime
from pipelines.common.web.narrowing import narrowed
from pipelines.common.web.questions import describe_version

PAGE = Product("a page", "darsena web", "page.json")
EXPORT = Path("assets.extra") / "tflite" / "float32.tflite"


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        folder: of it.
        layout: what kind it is: drawing, photo, form, noise or recorded.
        files: how many it has.
        size: of all of them, in bytes.
        model_size: of the TFLite model among them.
    """

    folder: Path
    layout: str
    files: int
    size: int
    model_size: int


def write(version: Path, folder: Path, about: dict[str, Any], class_names: list[str], packages: Path) -> Page:
    """Writes the page of a version.

    Args:
        version: its folder, with TFLite exports.
        folder: of the page; one that is there is replaced.
        about: what the page tells of the model, see docs/web.md.
        class_names: of the model's one output, if it is a classifier.
        packages: the runtime, see runtime.installed.

    Raises:
        DarsenaError: the version can't be asked in a page.
        OSError: the folder can't be written.
    """
    export = version / EXPORT
    if not export.is_file():
        raise DarsenaError(
            f"expected {EXPORT} in version {version.name} ({version}), there is none: it was pushed without TFLite exports. "
            "Run the model again with float32 among its export_formats."
        )
    description = describe_version(version, class_names)
    model = narrowed(export.read_bytes())
    content = {
        "made_by": PAGE.made_by,
        **about,
        "bytes": len(model),
        "has_transform": description.transform is not None,
        **description.page,
    }
    with PAGE.written(folder) as fresh:
        copy_tree(importlib.resources.files(__package__) / "site", fresh)
        (fresh / "runtime").mkdir()
        runtime.copy_into(packages, fresh / "runtime")
        (fresh / "model.tflite").write_bytes(model)
        if description.transform:
            write_json(fresh / "transform.json", description.transform)
        write_json(fresh / PAGE.file, content)
    return Page(folder, description.page["layout"], *contents(folder), len(model))


def copy_tree(source: Traversable, target: Path) -> None:
    """Copies files of the package."""
    target.mkdir()
    for each in source.iterdir():
        if each.is_dir():
            copy_tree(each, target / each.name)
        else:
            (target / each.name).write_bytes(each.read_bytes())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON as browsers read it: no NaN, not one space too many."""
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n", encoding="utf-8")
