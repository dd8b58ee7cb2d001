"""The user's file of rows: its delimiter, its columns, and the copy of it that the new model finds as its sample."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

from components.errors import DataRejected
from components.table_example_gen.layout import Layout
from components.table_example_gen.readers import TAB_SEPARATED, csv_records, read_rows, read_text, stem_and_suffix
from pipelines.common.errors import UsageError
from pipelines.common.hyperparameters import suggestion

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# Records that the delimiter is guessed from.
GLIMPSE = 200


@dataclasses.dataclass(frozen=True)
class RawTable:
    """A file of rows in memory.

    Attributes:
        path: of the file.
        delimiter: between its cells.
        cells: texts by column, in the order of the file; all columns are equally long.
    """

    path: Path
    delimiter: str
    cells: dict[str, list[str]]

    @property
    def quoted(self) -> bool:
        """Whether it is CSV, whose cells may be quoted; if not, its cells lie between tabs as they are."""
        return stem_and_suffix(self.path)[1] not in TAB_SEPARATED

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.cells.values()), []))

    def column(self, name: str, option: str) -> str:
        """The name of a column as the file has it.

        Args:
            name: as the user typed it.
            option: of the command line, for the message.

        Raises:
            UsageError: there is no such column; the message suggests one.
        """
        if name.strip() not in self.cells:
            alike = [column for column in self.cells if column.casefold() == name.strip().casefold()]
            hint = f"Did you mean {alike[0]!r}?" if alike else suggestion(name, list(self.cells))
            raise UsageError(f"expected {option} to be a column of {self.path}, received {name!r}. {hint}")
        return name.strip()


def read_table(path: Path) -> RawTable:
    """Reads a file of rows as TableExampleGen will.

    Raises:
        UsageError: it is no .csv, .tsv or .txt file, or cannot be read.
        DataRejected: it is damaged, not UTF-8, ragged, has two columns of one name, or no rows; the message says in which line.
    """
    suffix = stem_and_suffix(path)[1]
    if suffix not in (".csv", *TAB_SEPARATED):
        raise UsageError(f"expected --csv to be a .csv, .tsv or .txt file (also .gz, .xz), received {path}. Convert or rename it.")
    try:
        delimiter = guess_delimiter(path) if suffix == ".csv" else "\t"
        rows = read_rows(path, Layout(types=(), label="", delimiter=delimiter))
        first = next(rows, None)
        if first is None:
            raise DataRejected(f"expected a line of column names and rows below it in {path}, received none. Check the file.")
        columns: dict[str, list[str]] = {name: [] for name in first[1]}
        for _, row in itertools.chain([first], rows):
            for name, cell in row.items():
                columns[name].append(cell)
    except OSError as error:
        raise UsageError(f"expected to read {path}, could not: {error.strerror}. Check its permissions.") from error
    if len(columns) < 2:
        raise DataRejected(
            f"expected at least two columns in {path}, received {', '.join(columns)}. "
            f"Cells are to be separated by a {', '.join(DELIMITERS.values())} (.tsv and .txt: tab)."
        )
    return RawTable(path, delimiter, columns)


def guess_delimiter(path: Path) -> str:
    """The delimiter of a CSV file: the one that cuts its first records into most cells, as many in each; a comma in case of doubt.

    Raises:
        DataRejected: the file is damaged or not UTF-8.
    """
    text = read_text(path)
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            widths = [len(record) for _, record in itertools.islice(csv_records(text, delimiter, path), GLIMPSE)]
        except DataRejected:
            continue
        if widths and min(widths) == max(widths) > most:
            best, most = delimiter, widths[0]
    if most > 1 or not text:
        return best
    # No delimiter fits every record: a ragged file is told as such by the one that its first line has most of.
    return max(DELIMITERS, key=text.split("\n", 1)[0].count)


def write_copy(table: RawTable, keep: Sequence[bool], folder: Path) -> None:
    """Writes the rows to keep as `rows.csv` (or `rows.tsv`, where cells are not quoted), in the file's own order and delimiter.

    Raises:
        OSError: the file can't be written.
    """
    rows = itertools.compress(zip(*table.cells.values(), strict=True), keep)
    if table.quoted:
        with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=table.delimiter, lineterminator="\n")
            writer.writerow(table.cells)
            writer.writerows(rows)
    else:
        lines = ("\t".join(cells) + "\n" for cells in itertools.chain([table.cells], rows))
        (folder / "rows.tsv").write_text("".join(lines), encoding="utf-8", newline="")
