"""Finding and reading what a run left behind. What cannot be read becomes one `Unreadable` with a line for the report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

_NAMES = {"model_run": "record of a training", "validation": "serving validation"}


class Unreadable(ValueError):
    """A file that the report needs is missing, or is not what it should be; the message says which and why."""


def folders(run: Record, output: str) -> list[Path]:
    """The folders of an output by this name, over all nodes, in the order of the run."""
    return [Path(uri) for node in run.get("nodes", []) for uri in (node.get("outputs") or {}).get(output, [])]


def folder(run: Record, output: str) -> Path:
    """The folder of the one output by this name.

    Raises:
        Unreadable: no node left one, or it is no longer there.
    """
    found, name = folders(run, output), _NAMES.get(output, output)
    if not found:
        failed = [node["id"] for node in run.get("nodes", []) if node.get("state") == "failed"]
        raise Unreadable(f"This run made no {name}" + (f": {failed[0]} failed." if failed else "."))
    if not found[-1].is_dir():
        raise Unreadable(f"The folder of the {name} is no longer there: {found[-1]}")
    return found[-1]


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        Unreadable: it is not there, or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"Could not read {path}: {error.strerror}") from error


def read_json(path: Path, kind: type = dict) -> Any:
    """A JSON file that holds an object, or a value of another kind.

    Raises:
        Unreadable: it is not there, or holds something else.
    """
    data = read_bytes(path)
    try:
        content = json.loads(data)
    except ValueError as error:
        raise Unreadable(f"Could not read {path} as JSON: {error}") from error
    if not isinstance(content, kind):
        raise Unreadable(f"Expected {'an object' if kind is dict else 'a list'} in {path}, found a {type(content).__name__}")
    return content


def file_within(base: Path, name: str) -> Path:
    """The path of a file that an artifact names.

    Raises:
        Unreadable: the name leads out of the artifact's folder.
    """
    path = (base / name).resolve()
    if not path.is_relative_to(base.resolve()):
        raise Unreadable(f"Left out {name!r}: it is outside of its artifact's folder {base}")
    return path
