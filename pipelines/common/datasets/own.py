"""The data that a user made a model from with `darsena new`: it lies under the root, where the command put it."""

from __future__ import annotations

from pathlib import Path

from pipelines.common.datasets.definition import DataSet, Table
from pipelines.common.errors import DarsenaError


def own_rows(name: str, delimiter: str = ",") -> DataSet:
    """Rows of a table.

    Args:
        name: of the model.
        delimiter: of its .csv files.
    """
    return DataSet(
        name=name,
        description="your own rows",
        formats="a .csv (or .tsv, .txt, .jsonl) file, or a folder of them, with the columns of the schema and the label",
        write_sample=absent,
        table=Table(delimiter=delimiter),
    )


def own_pictures(name: str) -> DataSet:
    """Pictures, a folder of them for each class.

    Args:
        name: of the model.
    """
    return DataSet(
        name=name,
        description="your own pictures",
        formats="a folder of pictures per class (<class>/*.png, .jpg or .bmp, or train/<class>/ and test/<class>/)",
        write_sample=absent,
        encoded=True,
    )


def absent(folder: Path) -> None:
    """Says that the data is not where `darsena new` put it: there is no other to write in its place.

    Raises:
        DarsenaError: always.
    """
    raise DarsenaError(
        "expected the data that `darsena new` put under the root it was given, there is none under this one. "
        "Name that --root, or give --data PATH."
    )
