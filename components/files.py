"""Which files of a folder hold data, and how much they can hold."""

from pathlib import Path, PurePath

from components import checksums
from components.errors import DataRejected

NOTES = ("readme", "license", "licence", checksums.FILE.lower())  # how the names of files begin that may lie beside the data
# Deflate, and with it gzip and zip, makes nothing smaller than this: a header that promises more is wrong.
MOST_COMPRESSION = 1032


def is_data(relative: PurePath) -> bool:
    """Whether a path, relative to the folder of the data, holds data: it is not hidden, and no README, LICENSE or SHA256SUMS."""
    return not any(part.startswith(".") for part in relative.parts) and not relative.name.lower().startswith(NOTES)


def list_files(folder: Path, pattern: str) -> list[Path]:
    """The files of data that match a glob relative to the folder, sorted, and held to the SHA256SUMS of the folder if it has one.

    Raises:
        DataRejected: there is none, one of them is a link to outside of the folder, or is not what its checksum is of.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file() and is_data(path.relative_to(folder)))
    if not files:
        raise DataRejected(f"expected files of data in {folder} ({pattern}), received none. Put the data there, or point to where it is.")
    home = folder.resolve()
    for path in files:
        if not path.resolve().is_relative_to(home):
            raise DataRejected(f"expected {path} to be a file inside {folder}, received a link to {path.resolve()}. Copy the file.")
    checksums.check_sums(folder, files)
    return files


def describe(paths: list[Path]) -> str:
    """Some files by name, and how many more there are."""
    names = [path.name for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
