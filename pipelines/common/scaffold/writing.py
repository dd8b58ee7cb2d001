"""Files of a new model, written all or none."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def write_all(files: Mapping[Path, str], folder: Path, fill: Callable[[Path], None]) -> None:
    """Writes files and a folder; if one cannot be written, or the user interrupts, nothing is left of any.

    Everything is first written under temporary names beside its place. The files are then renamed in the order given, so the last
    one is what makes the model exist.

    Args:
        files: texts by path; a path that exists is replaced.
        folder: must not exist.
        fill: writes the folder's files into the empty folder it is given.

    Raises:
        OSError: something can't be written.
    """
    with contextlib.ExitStack() as undo:
        staged_folder = staged(folder, undo)
        staged_folder.mkdir()
        undo.callback(shutil.rmtree, staged_folder, ignore_errors=True)
        fill(staged_folder)
        renames = []
        for path, text in files.items():
            temporary = staged(path, undo)
            undo.callback(temporary.unlink, missing_ok=True)
            temporary.write_text(text, encoding="utf-8")
            renames.append((temporary, path))
        staged_folder.rename(folder)
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        for temporary, path in renames:
            undo.callback(restore, path, path.read_text(encoding="utf-8") if path.exists() else None)
            temporary.replace(path)
        undo.pop_all()


def staged(path: Path, undo: contextlib.ExitStack) -> Path:
    """The temporary name of a path, its folders made (and to be removed again by `undo`)."""
    for parent in [parent for parent in reversed(path.parents) if not parent.exists()]:
        parent.mkdir()
        undo.callback(parent.rmdir)
    return path.with_name(f".{path.name}.new")


def restore(path: Path, text: str | None) -> None:
    """Puts a file back as it was; None if there was none."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text, encoding="utf-8")
