"""A graph model's folder: converted and asked beside its place, and swapped in whole once its answers are Python's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from components.arrays import load_arrays
from components.child import ChildFailed, run_module
from components.golden import Comparison, compare
from components.pusher import warm_up
from pipelines.common.errors import DarsenaError
from pipelines.common.folders import Product, contents
from pipelines.common.tfjs import asking, converter

MODEL = Product("a graph model", "darsena tfjs", "darsena.json")
SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Written:
    """A graph model that was written.

    Attributes:
        folder: of it.
        signature: that it was made of, raw or model.
        inputs: of it, by name: {"dtype", "shape"}.
        outputs: likewise.
        files: how many the folder has.
        size: of all of them, in bytes.
        checked: how it was asked: {"with", "requests", "largest_difference", "bound"}.
    """

    folder: Path
    signature: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    files: int
    size: int
    checked: dict[str, Any]


def write(version: Path, folder: Path, about: dict[str, Any], bound: float) -> Written:
    """Writes a version's graph model, if TensorFlow.js answers the version's recorded requests as Python does.

    Args:
        version: its folder.
        folder: of the graph model; one that is there is replaced.
        about: what its darsena.json tells of the version.
        bound: of the largest difference, absolute, or relative to outputs larger than 1.

    Raises:
        DarsenaError: the version can't be converted, or TensorFlow.js answers otherwise; `folder` is as it was.
        OSError: the folder can't be written.
    """
    if not (version / warm_up.PLACE).is_file():
        raise DarsenaError(f"expected recorded requests in {version / warm_up.PLACE}, there are none. Push the model again.")
    packages, python = asking.installed(), converter.installed()
    with MODEL.written(folder) as fresh:
        work = fresh.parent
        doing = f"convert version {version.name} for TensorFlow.js"
        try:
            printed = run_module("pipelines.common.tfjs.freezing", [str(version), str(work)], work, SECONDS)
            converter.convert(python, work / "saved_model", fresh, work)
            doing = f"ask version {version.name} in TensorFlow.js"
            answers, told = asking.ask(fresh, load_arrays(work / "inputs.npz"), packages, work)
        except ChildFailed as failure:
            reason = failure.reason.rstrip(".")
            raise DarsenaError(
                f"could not {doing}: {reason}. Ask the model another way (darsena web, darsena serve), or replace the layer or operation "
                "that TensorFlow.js has not."
            ) from failure
        facts = json.loads(printed.strip().splitlines()[-1])
        expected = load_arrays(work / "answers.npz")
        found = compare(expected, answers)
        require_close(found, bound, version.name, told)
        rows = len(next(iter(expected.values())))
        checked = {"with": told, "requests": rows, "largest_difference": found.relative_diff, "bound": bound}
        content = {"made_by": MODEL.made_by, **about, **facts, "checked": checked}
        (fresh / MODEL.file).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    files, size = contents(folder)
    return Written(folder, **facts, files=files, size=size, checked=checked)


def require_close(found: Comparison, bound: float, version: str, told: str) -> None:
    """The gate.

    Raises:
        DarsenaError: the answers are not those of Python.
    """
    if found.problem or found.relative_diff > bound:
        what = found.problem or f"a largest difference of {found.relative_diff:.3g}"
        raise DarsenaError(
            f"expected TensorFlow.js to answer like version {version} in Python within {bound:g}, received {what} ({told}). Nothing was "
            "written. Ask the model another way (darsena web, darsena serve)."
        )
