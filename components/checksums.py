"""SHA256SUMS beside raw data, as `sha256sum` writes it: whether the files are still those that it was made of.

Most formats of raw data can't tell a changed byte from another value: a digit of a table, a pixel.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from components.errors import DataRejected

FILE = "SHA256SUMS"
LINE = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?P<name>.+)")


def check_sums(folder: Path, files: Iterable[Path]) -> None:
    """Holds files to the checksums beside them; does nothing where there are none.

    Args:
        folder: of the data, with SHA256SUMS or without.
        files: in it, that are to be read.

    Raises:
        DataRejected: one of them has another content or no checksum, or one that has a checksum is gone.
    """
    sums = folder / FILE
    if not sums.is_file():
        return
    expected = read_sums(sums)
    advice = f"Get it again, or write the checksums anew where the change is meant: cd {folder} && sha256sum FILES > {FILE}."
    for path in files:
        if path not in expected:
            raise DataRejected(f"expected a checksum of {path.relative_to(folder)} in {sums}, received none. {advice}")
        found = sha256(path)
        if found != expected[path]:
            raise DataRejected(f"expected {path} to have the sha256 {expected[path]} as {FILE} says, received {found}. {advice}")
    for path in expected:
        if not path.is_file():
            raise DataRejected(f"expected {path}, which {FILE} has a checksum of, received no such file. {advice}")


def sha256(path: Path) -> str:
    """Of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sums(sums: Path) -> dict[Path, str]:
    """The checksums of a SHA256SUMS, by the paths of its files.

    Raises:
        DataRejected: a line is no checksum and name.
    """
    found = {}
    for number, line in enumerate(sums.read_bytes().decode("utf-8", "surrogateescape").splitlines(), 1):
        match = LINE.fullmatch(line)
        if not match:
            raise DataRejected(
                f"expected a sha256 and a name, as sha256sum writes them, in line {number} of {sums}, received none. Mend it."
            )
        found[sums.parent / match["name"]] = match["sha256"]
    return found
