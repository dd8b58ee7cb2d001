"""What a data set is: its embedded sample, the forms its full data is published in, and how its files are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Download:
    """One file of a data set.

    Attributes:
        file: its name in the data folder; it may end in .gz or .xz, and lie there compressed otherwise or not at all.
        url: where it is published; empty for a file that a user may have but that can't be downloaded.
        sha256: of the file's content once decompressed, so that a re-compressed mirror counts as the same data.
        size: bytes to download, for the progress bar.
        member: where what is published is a .zip or .tar archive, the path of the file in it.
    """

    file: str
    url: str
    sha256: str
    size: int
    member: str = ""


@dataclasses.dataclass(frozen=True)
class Release:
    """One form in which the full data is published.

    Attributes:
        downloads: its files.
        unpack: where the files are not of a format that is read as it is: makes such files in an empty folder.
        note: what differs from the original, e.g. "a JPEG copy, not the original pixels"; shown beside every figure.
    """

    downloads: tuple[Download, ...]
    unpack: Callable[[Path, Path], None] | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """How the rows of a data set are read, where it is one of rows rather than images.

    Attributes:
        header: names of the columns of files that do not name them in their first row.
        delimiter: of .csv files.
        origin: name of a feature that is to hold the name of the file each row is from (without its suffix); empty for none.
        words: of a row of one text at most; a longer one is cut into several rows. 0 for any number.
    """

    header: tuple[str, ...] = ()
    delimiter: str = ","
    origin: str = ""
    words: int = 0


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Raw data a model learns from.

    Attributes:
        name: the folder it has in the cache and under $DARSENA_DATA.
        description: one line: what the sample is, what the full data is.
        formats: what `--data PATH` may point to, shown by `darsena run MODEL --help`.
        write_sample: writes the embedded sample into an empty folder, in one of those formats.
        releases: forms of the full data. The first one that is there is used, and where there is none the first is downloaded;
            without any, there is no full data.
        table: how rows are read; None for images.
        encoded: whether images stay encoded (JPEG, PNG) in the tf.Examples and may be of any size, to be decoded in the served graph.
        episodes: whether it is of recorded episodes of an environment rather than of images or rows.
    """

    name: str
    description: str
    formats: str
    write_sample: Callable[[Path], None]
    releases: tuple[Release, ...] = ()
    table: Table | None = None
    encoded: bool = False
    episodes: bool = False
