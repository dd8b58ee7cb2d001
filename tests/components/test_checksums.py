"""SHA256SUMS beside raw data: what changed since it was written is refused, by name."""

import subprocess
from pathlib import Path

import pytest

from components.checksums import FILE
from components.errors import DataRejected
from components.files import list_files


@pytest.fixture
def data(tmp_path) -> Path:
    """Rows, a folder of pictures, and the checksums that coreutils writes of them."""
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/one picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "rows.csv").write_text("price\n100\n")
    (tmp_path / "README").write_text("not listed, as it is no data")
    write_sums(tmp_path)
    return tmp_path


def write_sums(folder: Path) -> None:
    written = subprocess.run("sha256sum *.csv */* > " + FILE, shell=True, cwd=folder, check=False)
    assert written.returncode == 0


def test_files_as_they_were_are_listed(data):
    assert [path.name for path in list_files(data, "*")] == ["rows.csv"]
    assert [path.name for path in list_files(data, "*/*")] == ["one picture.png"]


def test_a_digit_that_became_another_is_refused(data):
    (data / "rows.csv").write_text("price\n900\n")
    with pytest.raises(
        DataRejected, match=r"expected .*rows\.csv to have the sha256 [0-9a-f]{64} as SHA256SUMS says, received [0-9a-f]{64}\."
    ):
        list_files(data, "*")
    assert list_files(data, "*/*")  # other files are read for other data


def test_a_file_that_is_gone_is_missed(data):
    (data / "cats/one picture.png").unlink()
    with pytest.raises(DataRejected, match=r"expected .*one picture\.png, which SHA256SUMS has a checksum of, received no such file"):
        list_files(data, "*")


def test_a_file_that_came_later_is_refused(data):
    (data / "more.csv").write_text("price\n1\n")
    with pytest.raises(DataRejected, match=r"expected a checksum of more\.csv in .*SHA256SUMS, received none"):
        list_files(data, "*.csv")


def test_a_damaged_list_is_refused(data):
    (data / FILE).write_text((data / FILE).read_text() + "0123 rows.csv\n")
    with pytest.raises(DataRejected, match=r"in line 3 of .*SHA256SUMS, received none"):
        list_files(data, "*")


def test_names_as_find_writes_them(data):
    text = (data / FILE).read_text()
    (data / FILE).write_text(text.replace("  ", " *./"))
    assert list_files(data, "*/*")
