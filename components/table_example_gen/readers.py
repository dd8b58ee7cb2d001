"""Rows of .csv, .tsv, .txt and .jsonl files, compressed or not. What is wrong with a file is told with its line."""

import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.errors import DataRejected
from components.names import feature_name
from components.splits import TEST, TRAIN
from components.table_example_gen.layout import Layout

OPENERS: dict[str, Callable] = {".gz": gzip.open, ".xz": lzma.open}
TAB_SEPARATED = (".tsv", ".txt", "")
LONGEST_CELL = 1 << 24  # characters
LARGEST_FILE = 2 << 30  # bytes of its text, since it is held in memory: a few of them packed can be many

Row = tuple[str, Mapping[str, Any]]  # where it is from, and its cells by column


def stem_and_suffix(path: Path) -> tuple[str, str]:
    """Name and kind of a file, without what says that it is compressed: ("reviews", ".csv") of reviews.csv.gz."""
    plain = Path(path.name.removesuffix(path.suffix)) if path.suffix in OPENERS else Path(path.name)
    return plain.stem, plain.suffix.lower()


def split_of(path: Path) -> str:
    """TEST for a file with the word "test" in its name, else TRAIN."""
    return TEST if "test" in re.split(r"[^a-z]+", stem_and_suffix(path)[0].lower()) else TRAIN


def read_rows(path: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a file.

    Args:
        path: of a .csv, .tsv, .txt or .jsonl file, perhaps with .gz or .xz; a file without a suffix is taken for a .tsv.
        layout: its columns.

    Raises:
        DataRejected: the file is damaged, not UTF-8, ragged, or lacks a column.
    """
    _, suffix = stem_and_suffix(path)
    text = read_text(path)
    if suffix == ".jsonl":
        return json_rows(text, layout, path)
    if suffix == ".csv":
        return table_rows(csv_records(text, layout.delimiter, path), layout, path)
    if suffix in TAB_SEPARATED:
        # Lines end in \n only: other separators that Unicode knows may stand in a text.
        lines = ((number, line.removesuffix("\r").split("\t")) for number, line in enumerate(text.split("\n"), 1) if line)
        return table_rows(lines, layout, path)
    raise DataRejected(f"expected rows in a .csv, .tsv, .txt or .jsonl file (also .gz, .xz), received {path}. Convert or remove it.")


def read_text(path: Path) -> str:
    """The text of a file, decompressed, without a byte order mark.

    Raises:
        DataRejected: it is damaged, too large, or not UTF-8.
    """
    try:
        with OPENERS[path.suffix](path) if path.suffix in OPENERS else path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataRejected(f"expected {path} to be a complete file, received: {error}. Get it again.") from error
    if len(content) > LARGEST_FILE:
        raise DataRejected(f"expected at most {LARGEST_FILE} bytes of text in {path}, received more. Split the file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataRejected(
            f"expected {path} to be text in UTF-8, received the byte 0x{content[error.start]:02x} in line {line} "
            f"(byte {error.start} of the file). Save it as UTF-8."
        ) from error


def csv_records(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Records of a CSV file with the number of the line each ends in; blank lines are passed over.

    Raises:
        DataRejected: its quotes are broken.
    """
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if record:
                yield reader.line_num, record
    except csv.Error as error:
        raise DataRejected(f"expected CSV (RFC 4180) in {path}, received in line {reader.line_num}: {error}. Mend its quotes.") from error


def table_rows(records: Iterator[tuple[int, list[str]]], layout: Layout, path: Path) -> Iterator[Row]:
    """Records to rows, the first record naming the columns if it holds all of their names.

    Raises:
        DataRejected: a column is missing, or a record has more or fewer cells than there are columns.
    """
    number, first = next(records, (0, []))
    names = [column_name(cell, layout) for cell in first]
    if set(layout.columns) <= set(names):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataRejected(f"expected different names of columns in {path}, received {twice!r} twice. Rename one.")
    elif layout.header and len(first) == len(layout.header):
        names = list(layout.header)
        yield f"{path}, line {number}", dict(zip(names, first, strict=True))
    else:
        missing = ", ".join(name for name in layout.columns if name not in names)
        raise DataRejected(
            f"expected the columns {', '.join(layout.columns)} in the first line of {path}, {missing or 'all'} missing; "
            f"received {', '.join(names) or 'an empty file'}. Add what is missing, or rename what is called otherwise."
        )
    for number, cells in records:
        if len(cells) != len(names):
            raise DataRejected(
                f"expected {len(names)} cells in every row of {path}, received {len(cells)} in line {number}. "
                "Quote a cell that holds the delimiter, or mend the row."
            )
        yield f"{path}, line {number}", dict(zip(names, cells, strict=True))


def column_name(cell: str, layout: Layout) -> str:
    """The feature that a column holds: the one of its name, or of its name's plain form; else the column's own name."""
    name = cell.strip()
    return name if name in layout.columns or feature_name(name) not in layout.columns else feature_name(name)


def json_rows(text: str, layout: Layout, path: Path) -> Iterator[Row]:
    """Rows of JSON lines.

    Raises:
        DataRejected: a line is no JSON object.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataRejected(f"expected a JSON object in line {number} of {path}, received: {error}. Mend the line.") from error
        if not isinstance(found, dict):
            raise DataRejected(f"expected a JSON object in line {number} of {path}, received {type(found).__name__}. Mend the line.")
        yield f"{path}, line {number}", {column_name(name, layout): value for name, value in found.items()}
