"""Archives, of which one file at a time is taken: nothing is written where a name in the archive leads."""

from __future__ import annotations

import contextlib
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz")
CHUNK = 1 << 18
# Text packs to about a tenth, a bomb to a thousandth.
MOST_TIMES_UNPACKED = 50


def is_archive(name: str) -> bool:
    """Whether a file of that name holds other files."""
    return name.endswith(SUFFIXES)


def extract(archive: Path, member: str, target: Path) -> None:
    """Writes one member of a .zip or .tar archive (compressed or not) to a file; nothing if the archive lacks it or is none.

    Args:
        archive: that was downloaded, and may be any.
        member: its path in the archive; whatever else is in there is not looked at.
        target: the file to write, at most MOST_TIMES_UNPACKED times as large as the archive.
    """
    most = MOST_TIMES_UNPACKED * archive.stat().st_size
    with contextlib.suppress(tarfile.TarError, zipfile.BadZipFile, KeyError, EOFError, zlib.error), target.open("wb") as file:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
                copy(source, file, most)
        else:
            with tarfile.open(archive) as opened_tar:
                if content := opened_tar.extractfile(member):
                    copy(content, file, most)


def copy(source: IO[bytes], target: IO[bytes], most: int) -> None:
    """Copies at most so many bytes."""
    while most > 0 and (chunk := source.read(min(CHUNK, most))):
        target.write(chunk)
        most -= len(chunk)
