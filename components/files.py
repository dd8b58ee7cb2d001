"""Which files of a folder hold data."""

from pathlib import Path, PurePath

from components.errors import DataRejected

NOTES = ("readme", "license", "licence")  # how the names of files begin that may lie beside the data


def is_data(relative: PurePath) -> bool:
    """Whether a path, relative to the folder of the data, holds data: it is not hidden, and no README or LICENSE."""
    return not any(part.startswith(".") for part in relative.parts) and not relative.name.lower().startswith(NOTES)


def list_files(folder: Path, pattern: str) -> list[Path]:
    """The files of data that match a glob relative to the folder, sorted.

    Raises:
        DataRejected: there is none, or one of them is a link to outside of the folder.
    """
    files = sorted(path for path in folder.glob(pattern) if path.is_file() and is_data(path.relative_to(folder)))
    if not files:
        raise DataRejected(f"expected files of data in {folder} ({pattern}), received none. Put the data there, or point to where it is.")
    home = folder.resolve()
    for path in files:
        if not path.resolve().is_relative_to(home):
            raise DataRejected(f"expected {path} to be a file inside {folder}, received a link to {path.resolve()}. Copy the file.")
    return files


def describe(paths: list[Path]) -> str:
    """Some files by name, and how many more there are."""
    names = [path.name for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
