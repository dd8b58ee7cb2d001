"""Releases of data sets: members of archives, and copies that are unpacked."""

import dataclasses
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from components.errors import DataRejected
from pipelines.common.config import Data
from pipelines.common.data import resolve_data
from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.errors import DarsenaError, UsageError
from tests.common.file_server import Server, no_bar
from tests.common.looking import names, one_line

pytestmark = pytest.mark.usefixtures("cache")


def archive(kind: str, members: dict[str, bytes]) -> bytes:
    """An archive of files."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in members.items():
                zipped.writestr(name, content)
    else:
        with tarfile.open(fileobj=file, mode=f"w:{kind}") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def of_archive(server: Server, content: bytes, sha256: str) -> DataSet:
    server.files["published"] = content
    url = f"http://127.0.0.1:{server.http.server_port}/published"
    return DataSet(
        "rows", "some data", "any", lambda _: None, (Release((Download("rows.csv", url, sha256, len(content), "in/rows.csv"),)),)
    )


@pytest.mark.parametrize("kind", ["zip", "gz", "xz"])
def test_a_member_of_an_archive_is_taken_out_and_checked(server: Server, root: Path, cache: Path, kind: str) -> None:
    content = b"a,b\n1,2\n"
    dataset = of_archive(server, archive(kind, {"in/rows.csv": content, "../evil": b"x"}), hashlib.sha256(content).hexdigest())
    data = resolve_data(dataset, "full", root, no_bar)
    assert data == Data("full", cache.resolve() / "rows", "rows.csv")
    assert (data.path / "rows.csv").read_bytes() == content
    assert names(cache / "rows") == ["rows.csv"]
    assert names(cache) == ["rows", "verified.json"]


@pytest.mark.parametrize("content", [archive("zip", {"other": b"x"}), archive("gz", {"other": b"x"}), b"<html>"])
def test_an_archive_without_the_member_leaves_nothing(server: Server, root: Path, cache: Path, content: bytes) -> None:
    with pytest.raises(DarsenaError, match="received another"):
        resolve_data(of_archive(server, content, "0" * 64), "full", root, no_bar)
    assert names(cache / "rows") == []


def unpack(files: Path, folder: Path) -> None:
    """Makes a picture of a file in the folder of a class."""
    (folder / "cat").mkdir()
    (folder / "cat/1.png").write_bytes((files / "copy.tar.xz").read_bytes())


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """A data set with an original that nobody has, and a copy that lies in $DARSENA_DATA."""
    (tmp_path / "own/pictures").mkdir(parents=True)
    (tmp_path / "own/pictures/copy.tar.xz").write_bytes(b"packed")
    monkeypatch.setenv("DARSENA_DATA", str(tmp_path / "own"))
    original = Release((Download("original.tar.gz", "http://127.0.0.1:1/original", "0" * 64, 1),))
    copy = Release((Download("copy.tar.xz", "", hashlib.sha256(b"packed").hexdigest(), 6),), unpack, "a copy")
    return DataSet("pictures", "some pictures", "any", lambda _: None, (original, copy))


def test_a_copy_in_own_data_is_unpacked_once_and_noted(releases: DataSet, root: Path, cache: Path) -> None:
    data = resolve_data(releases, "full", root)
    assert (data.kind, data.pattern, data.note, data.class_names) == ("full", "*/*", "a copy", ("cat",))
    assert data.path.parent == cache.resolve() / "pictures"
    assert (data.path / "cat/1.png").read_bytes() == b"packed"
    before = (data.path / "cat/1.png").stat().st_mtime_ns
    assert resolve_data(releases, "full", root) == data
    assert (data.path / "cat/1.png").stat().st_mtime_ns == before


def test_what_can_not_be_unpacked_leaves_nothing(releases: DataSet, root: Path, cache: Path) -> None:
    def broken(files: Path, folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        with tarfile.open(files / "copy.tar.xz"):
            pass

    first, copy = releases.releases
    dataset = dataclasses.replace(releases, releases=(first, dataclasses.replace(copy, unpack=broken)))
    with pytest.raises(DataRejected, match="expected to unpack") as caught:
        resolve_data(dataset, "full", root)
    assert "copy.tar.xz" in one_line(caught)
    assert names(cache / "pictures") == []


def test_a_data_set_without_full_data_is_wrong_usage(root: Path) -> None:
    with pytest.raises(UsageError, match=r"rows has no full data. It takes CSV"):
        resolve_data(DataSet("rows", "some data", "CSV", lambda _: None), "full", root)
