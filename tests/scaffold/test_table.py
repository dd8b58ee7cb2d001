"""Files of rows as users have them: what is read of them, and one line where they are broken."""

import csv
import gzip
import lzma
from pathlib import Path

import pytest

from components.errors import DataRejected
from components.table_example_gen.layout import Layout
from components.table_example_gen.readers import read_rows
from pipelines.common.errors import UsageError
from pipelines.common.scaffold.table import read_table, write_copy

NASTY = [["name", "note", "Größe (m²)"], ["a;b", 'says "hi",\nthen goes', "1,5"], ["", " two  spaces ", "\ttab"], ["é\u2028", "'", "2"]]


def write(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_cells_come_as_they_were_whatever_the_delimiter_and_the_byte_order_mark(tmp_path, delimiter, encoding):
    table = read_table(write(tmp_path / "t.csv", NASTY, delimiter, encoding))
    assert table.delimiter == delimiter
    assert table.cells == {name: list(column) for name, *column in zip(*NASTY, strict=True)}
    assert table.rows == 3


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_are_read(tmp_path, suffix, compress):
    plain = write(tmp_path / "t.csv", NASTY, ";")
    packed = tmp_path / f"t.csv{suffix}"
    packed.write_bytes(compress(plain.read_bytes()))
    assert read_table(packed).cells == read_table(plain).cells


def test_tab_separated_files_have_no_quotes(tmp_path):
    (tmp_path / "t.tsv").write_text('a\tb\n"x\ty"\r\n1,2\t3\n')
    table = read_table(tmp_path / "t.tsv")
    assert table.cells == {"a": ['"x', "1,2"], "b": ['y"', "3"]} and not table.quoted


@pytest.mark.parametrize("rows", [[["a", "b"], ["1,5", "x"], ["2", "y,z,"]], [["a", "b"], ["1,5", "2,5"], ["3,5", "4,5"]]])
def test_commas_within_cells_do_not_pass_for_the_delimiter(tmp_path, rows):
    (tmp_path / "t.csv").write_text("\n".join(";".join(row) for row in rows))
    assert read_table(tmp_path / "t.csv").cells == {"a": [rows[1][0], rows[2][0]], "b": [rows[1][1], rows[2][1]]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "received none"),
        (b"a,b\n", "received none"),
        (b"a,b\n1,2\n1,2,3\n1,2\n", "expected 2 cells in every row of {}, received 3 in line 3"),
        (b'a,b\n"1\n1",2\n1\n', "received 1 in line 4"),
        (b"a,b\n1,\xe9\n", "received the byte 0xe9 in line 2 (byte 6 of the file)"),
        (b'a,b\n1,"2\n', "received in line 2"),
        (b"a,a\n1,2\n", "received 'a' twice"),
        (b"one\n1\n2\n", "expected at least two columns in {}, received one"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, content, said):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataRejected) as raised:
        read_table(path)
    assert said.format(path) in str(raised.value) and "\n" not in str(raised.value)


def test_other_kinds_of_files_are_wrong_usage(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"expected --csv to be a \.csv, \.tsv or \.txt file"):
        read_table(tmp_path / "t.xlsx")


def test_an_unknown_column_is_wrong_usage_with_a_suggestion(tmp_path):
    table = read_table(write(tmp_path / "t.csv", [["Price ", "Town"], ["1", "x"]]))
    assert table.column("Price", "--label") == "Price"
    for typed in ("Pice", "PRICE"):
        with pytest.raises(UsageError, match=rf"expected --label to be a column of .*, received '{typed}'. Did you mean 'Price'\?"):
            table.column(typed, "--label")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_the_copy_is_read_as_the_file_was_without_the_rows_to_leave_out(tmp_path, name):
    rows = NASTY if name == "t.csv" else [["a", "b"], ["1", '"'], ["", "x"], ["3", ""]]
    path = tmp_path / name
    if name == "t.csv":
        write(path, rows, ";")
    else:
        path.write_text("\n".join("\t".join(row) for row in rows))
    table = read_table(path)
    write_copy(table, [True, False, True], tmp_path)
    layout = Layout(types=(), label="", delimiter=table.delimiter)
    found = [list(cells.values()) for _, cells in read_rows(tmp_path / f"rows{path.suffix}", layout)]
    assert found == [rows[1], rows[3]]
