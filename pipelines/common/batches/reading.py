"""Files of rows in parts: where each part begins, and its rows, those that are damaged among them."""

from __future__ import annotations

import csv
import dataclasses
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from components.errors import DataRejected
from components.records import AROUND, records
from pipelines.common.downloads import OPENERS
from pipelines.common.errors import UsageError

if TYPE_CHECKING:
    import pyarrow.parquet

CSV, LINES, EXAMPLES, PARQUET = ".csv", ".jsonl", ".tfrecord", ".parquet"
KINDS = {CSV: CSV, ".tsv": CSV, LINES: LINES, ".ndjson": LINES, EXAMPLES: EXAMPLES, ".tfrecords": EXAMPLES, PARQUET: PARQUET}
LONGEST_CELL = 1 << 27
# What reading a damaged file raises: of compression, of tables, and of Parquet (ValueError).
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, csv.Error, ValueError)


@dataclasses.dataclass(frozen=True)
class Bad:
    """A row that cannot be answered.

    Attributes:
        reason: in one line.
    """

    reason: str


Row = dict[str, Any] | bytes | Bad  # values by name, or a serialized tf.Example


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a file.

    Attributes:
        number: of the part, from 0.
        first: number of its first row, from 0.
        rows: how many.
        offset: where it begins, in bytes of the file's plain content; rows of Parquet are found by their number.
    """

    number: int
    first: int
    rows: int
    offset: int


@dataclasses.dataclass(frozen=True)
class Source:
    """A file of rows.

    Attributes:
        path: of the file.
        kind: CSV, LINES, EXAMPLES or PARQUET.
        delimiter: of CSV.
        columns: names in the header of CSV; empty for other kinds.
        start: where the first row begins, in bytes of the plain content.
    """

    path: Path
    kind: str
    delimiter: str = ","
    columns: tuple[str, ...] = ()
    start: int = 0


def kind_of(path: Path) -> str:
    """What a file holds, by its name.

    Raises:
        UsageError: it is none of the kinds there are.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in OPENERS:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in KINDS:
        raise UsageError(f"expected a file of {', '.join(KINDS)}, perhaps with .gz or .xz, received {path}.")
    return KINDS[suffixes[-1]]


def open_source(path: Path, delimiter: str) -> Source:
    """A file of rows, its header read.

    Args:
        path: of the file.
        delimiter: of a .csv; a .tsv is separated by tabs.

    Raises:
        UsageError: it is none of the kinds there are.
        DataRejected: it is empty or damaged at its start.
    """
    kind = kind_of(path)
    if kind != CSV:
        return Source(path, kind)
    separator = "\t" if ".tsv" in path.name.lower() else delimiter
    try:
        with plain(path) as file:
            lines = Lines(file)
            header = next(csv.reader(lines, delimiter=separator), [])
    except DAMAGE as error:
        raise DataRejected(f"expected to read {path}, received: {error}.") from error
    columns = tuple(name.strip() for name in header)
    if not any(columns) or len(set(columns)) < len(columns):
        raise DataRejected(f"expected different names of columns in the first line of {path}, received {', '.join(columns) or 'nothing'}.")
    return Source(path, kind, separator, columns, lines.offset)


def parts_of(source: Source, size: int) -> list[Part]:
    """The parts of a file, of so many rows each; reads all of it once.

    Raises:
        DataRejected: it has no rows, or is damaged so that rows can't be told apart.
    """
    found: list[Part] = []
    rows, first, offset = 0, 0, source.start
    try:
        for number, end in ends(source):
            rows = number + 1
            if rows - first == size:
                found.append(Part(len(found), first, size, offset))
                first, offset = rows, end
    except DAMAGE as error:
        raise DataRejected(f"expected to read {source.path}, received: {error}. Get it again, or mend it.") from error
    if rows > first:
        found.append(Part(len(found), first, rows - first, offset))
    if not found:
        raise DataRejected(f"expected rows in {source.path}, received none.")
    return found


def ends(source: Source) -> Iterator[tuple[int, int]]:
    """Of each row its number and where the next one begins."""
    if source.kind == PARQUET:
        for number in range(open_parquet(source.path).metadata.num_rows):
            yield number, 0
        return
    with plain(source.path) as file:
        file.seek(source.start)
        if source.kind == EXAMPLES:
            offset = 0
            for number, record in enumerate(records(file)):
                offset += len(record) + AROUND
                yield number, offset
            return
        lines = Lines(file, source.start)
        rows = csv.reader(lines, delimiter=source.delimiter, strict=True) if source.kind == CSV else lines
        number = 0
        for row in rows:
            if row and not (isinstance(row, str) and not row.strip()):
                yield number, lines.offset
                number += 1


def rows_of(source: Source, part: Part) -> Iterator[Row]:
    """The rows of a part, in order; blank lines are none."""
    if source.kind == PARQUET:
        yield from parquet_rows(source.path, part)
        return
    with plain(source.path) as file:
        file.seek(part.offset)
        if source.kind == EXAMPLES:
            for _, record in zip(range(part.rows), records(file), strict=False):
                yield record
            return
        lines, left = Lines(file), part.rows
        for row in csv.reader(lines, delimiter=source.delimiter, strict=True) if source.kind == CSV else lines:
            if not left:
                return
            if found := cells(source, cast("list[str]", row)) if source.kind == CSV else json_row(cast("str", row)):
                left -= 1
                yield found


def cells(source: Source, row: list[str]) -> Row | None:
    """A row of CSV by the names of its columns; None for a blank line."""
    if not row:
        return None
    if len(row) != len(source.columns):
        return Bad(f"expected {len(source.columns)} cells, received {len(row)}")
    return Bad("expected text in UTF-8") if any(damaged(cell) for cell in row) else dict(zip(source.columns, row, strict=True))


def json_row(line: str) -> Row | None:
    """A row of JSON lines; None for a blank line."""
    if not line.strip():
        return None
    if damaged(line):
        return Bad("expected text in UTF-8")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Bad(f"expected JSON, received: {error}")
    return found if isinstance(found, dict) else Bad(f"expected a JSON object, received {type(found).__name__}")


def parquet_rows(path: Path, part: Part) -> Iterator[Row]:
    """Rows of Parquet, only the row groups read that hold them.

    Raises:
        DataRejected: they are damaged.
    """
    file = open_parquet(path)
    begin = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if begin < part.first + part.rows and begin + size > part.first:
            low, high = max(part.first - begin, 0), min(part.first + part.rows - begin, size)
            try:
                rows = file.read_row_group(group).slice(low, high - low).to_pylist()
            except DAMAGE as error:
                raise DataRejected(f"expected to read row group {group} of {path}, received: {error}. Get it again.") from error
            yield from rows
        begin += size


def open_parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    """A Parquet file; the checksums of its pages are verified where it has some."""
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)


def damaged(text: str) -> bool:
    """Whether a text had bytes that are no UTF-8."""
    return not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text)


class Lines:
    """The lines of a file as text, and where the next one begins; bytes that are no UTF-8 become lone surrogates."""

    def __init__(self, file: IO[bytes], offset: int = 0):
        self._file, self.offset = file, offset
        csv.field_size_limit(LONGEST_CELL)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            raise StopIteration
        text = line.decode("utf-8", "surrogateescape")
        if self.offset == 0:
            text = text.removeprefix("\ufeff")
        self.offset += len(line)
        return text


def plain(path: Path) -> IO[bytes]:
    """A file's plain content."""
    return cast("IO[bytes]", OPENERS.get(path.suffix.lower(), open)(path, "rb"))
