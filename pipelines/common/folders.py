"""Folders that are there whole or not at all: what a command writes for a user, and what is installed once into the cache."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError, UsageError


@dataclasses.dataclass(frozen=True)
class Product:
    """What a command writes folders of.

    Attributes:
        what: one of them, as in "a page".
        made_by: the command.
        file: JSON in the folder whose "made_by" says so.
    """

    what: str
    made_by: str
    file: str

    def check_place(self, folder: Path) -> None:
        """Refuses a folder that is there and is no such product.

        Raises:
            UsageError: it holds something else.
        """
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        if self._maker(folder) != self.made_by:
            raise UsageError(
                f"expected no {folder}, an empty folder, or {self.what} of {self.made_by} to replace, received something else. "
                "Name another --output."
            )

    def _maker(self, folder: Path) -> Any:
        """What the folder's file says it was made by."""
        try:
            return json.loads((folder / self.file).read_text(encoding="utf-8"))["made_by"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def written(self, folder: Path) -> Iterator[Path]:
        """Gives a path to write a folder at, which takes the place of `folder` when the block ends.

        What the block leaves beside it is removed. If anything fails, `folder` is as it was.

        Raises:
            UsageError: see `check_place`.
            OSError: the folder can't be written.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work:
            fresh, former = Path(work) / "fresh", Path(work) / "former"
            yield fresh
            self.check_place(folder)
            if folder.exists():
                folder.replace(former)
            try:
                fresh.replace(folder)
            except OSError:
                if former.exists():
                    former.replace(folder)
                raise


def contents(folder: Path) -> tuple[int, int]:
    """How many files a folder has, and their size in bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def made_once(folder: Path, is_whole: Callable[[], bool], make: Callable[[Path], None]) -> None:
    """Makes a folder of the cache beside its place, unless it is there.

    Args:
        folder: its place.
        is_whole: whether it is there with all that it needs.
        make: fills the empty folder that it is given.

    Raises:
        DarsenaError: it can't be written, or what `make` raises.
    """
    if is_whole():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder.parent) as work:
            place = Path(work) / "whole"
            place.mkdir()
            make(place)
            if not is_whole():
                shutil.rmtree(folder, ignore_errors=True)
            # Another process may have been faster: then its folder stays.
            with contextlib.suppress(OSError) if folder.exists() else contextlib.nullcontext():
                place.replace(folder)
    except OSError as error:
        raise DarsenaError(
            f"expected to write {folder}, could not: {error.strerror or error}. Free some space, or set DARSENA_CACHE."
        ) from error
