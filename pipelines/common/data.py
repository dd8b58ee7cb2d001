"""From `--data sample|full|PATH` to files that are there and are what they should be."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.errors import DataRejected
from components.files import is_data
from components.image_example_gen.folders import placed
from pipelines.common.config import Data
from pipelines.common.datasets.definition import DataSet
from pipelines.common.downloads import Progress, full_data, unpacked
from pipelines.common.errors import DarsenaError, UsageError

DEEPEST = 3
LEAST_FREE_BYTES = 256 << 20
GLOB_CHARACTERS = set("*?[]{}\\")


def resolve_data(dataset: DataSet, choice: str, root: Path, console_progress: Progress | None = None) -> Data:
    """Makes sure that the raw data of a run is there.

    Args:
        dataset: what the model learns from.
        choice: "sample", "full", or the path of a file or folder (`./sample` for one of that name).
        root: of the runs.
        console_progress: told a download's file name, the bytes received so far and those expected; by default a progress bar shows them.

    Returns:
        The folder of the data, and the glob of its files in it.

    Raises:
        UsageError: there is no such path, or it can't be read.
        DataRejected: the files can't be data, whatever the format.
        DarsenaError: the root can't be written or is full, or the full data can't be got.
    """
    check_root(root)
    if choice == "sample":
        return data_at("sample", sample_folder(dataset, root))
    if choice == "full":
        files, release = full_data(dataset, console_progress)
        if release.unpack:
            return dataclasses.replace(data_at("full", unpacked(dataset, files, release)), note=release.note)
        return Data("full", without_glob_characters(files[0].parent), common_pattern([file.name for file in files]), note=release.note)
    path = Path(choice).expanduser()
    try:
        if path.is_file():
            path.open("rb").close()
        elif path.is_dir():
            os.scandir(path).close()
        else:
            raise UsageError(
                f"expected --data to be sample, full, or the path of a file or folder, received {choice!r}, which does not exist."
            )
    except OSError as error:
        raise UsageError(f"expected --data {choice} to be readable, received: {error.strerror}. Check its permissions.") from error
    return data_at("path", path.resolve())


def check_root(root: Path) -> None:
    """Raises DarsenaError unless files can be made under the root, there is room for them, and TFX can take its path."""
    without_glob_characters(root, "--root")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"\0" * 4096)
            file.flush()
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise cannot_write(root, error) from error
    if free < LEAST_FREE_BYTES:
        raise DarsenaError(
            f"expected at least {LEAST_FREE_BYTES >> 20} MiB free in {root}, received {free >> 20} MiB. Free some, or choose another."
        )


def data_at(kind: str, path: Path) -> Data:
    """The data of a file or folder, with the glob that finds all its files, and the names of the folders that they lie in.

    Raises:
        UsageError: the path has characters that mean something in globs, which TFX makes of it.
        DataRejected: the folder has no files, or its files do not all lie equally deep.
    """
    without_glob_characters(path)
    if path.is_file():
        return Data(kind, path.parent, path.name)
    depths: dict[int, Path] = {}
    parents = set()
    for file in data_files(path):
        parents.add(file.relative_to(path).parts[:-1])
        depths.setdefault(len(file.relative_to(path).parts), file)
        if len(depths) > 1 or max(depths) > DEEPEST:
            raise DataRejected(
                f"expected all files of {path} at the same depth, at most {DEEPEST - 1} folders deep, "
                f"received {' and '.join(str(found.relative_to(path)) for found in depths.values())}. "
                "Point to the folder that holds nothing but the data."
            )
    if not depths:
        raise DataRejected(
            f"expected files of data in {path}, at most {DEEPEST - 1} folders deep, received none. "
            "Put the data there, or point to where it is."
        )
    places = placed(parents) if min(depths) > 1 else {}
    classes = sorted({place[1] if place else parent[-1] for parent, place in places.items()})
    return Data(kind, path, "/".join("*" * min(depths)), class_names=tuple(classes))


def data_files(folder: Path) -> Iterator[Path]:
    """Files of data below a folder, down to one level deeper than data may lie."""
    for parent, folders, files in os.walk(folder):
        relative = Path(parent).relative_to(folder)
        folders[:] = [] if len(relative.parts) == DEEPEST else sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent) / name for name in sorted(files) if is_data(relative / name))


def without_glob_characters(path: Path, what: str = "path of data") -> Path:
    """The path itself.

    Raises:
        UsageError: it has characters that mean something in globs.
    """
    special = sorted(GLOB_CHARACTERS.intersection(str(path)))
    if special:
        raise UsageError(
            f"expected a {what} without {' '.join(special)}, received {path}. TFX takes them for wildcards: rename or move it."
        )
    return path


def common_pattern(names: list[str]) -> str:
    """A glob that matches these names and few others: what they end in alike."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*(reversed(name) for name in names), strict=False))
    return names[0] if len(names) == 1 else "*" + "".join(letters[0] for letters in alike)[::-1]


def sample_folder(dataset: DataSet, root: Path) -> Path:
    """The embedded sample under the root, written there the first time; it is there whole or not at all."""
    folder = root.resolve() / "data" / f"{dataset.name}-sample"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            fresh = Path(temporary) / folder.name
            fresh.mkdir()
            dataset.write_sample(fresh)
            for path in fresh.rglob("*"):
                if not path.is_file():
                    continue
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                publish(fresh, folder)
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
    return folder


def publish(fresh: Path, folder: Path) -> None:
    """Renames a folder; another process that has written the same meanwhile wins."""
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def cannot_write(folder: Path, error: OSError) -> DarsenaError:
    """The message about a folder under the root that can't be written."""
    advice = "Free some space, or choose" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Choose"
    return DarsenaError(f"expected to write under {folder}, could not: {error.strerror}. {advice} another --root.")
