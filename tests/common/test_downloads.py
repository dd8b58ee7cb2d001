"""The full data: from a server on loopback, the cache, or the user's $DARSENA_DATA."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from components.errors import DataRejected
from pipelines.common import downloads
from pipelines.common.config import Data
from pipelines.common.data import resolve_data
from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.errors import DarsenaError
from tests.common.file_server import CONTENT, Server, no_bar
from tests.common.looking import names, one_line

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def dataset(server: Server) -> DataSet:
    files = tuple(
        Download(name, f"http://127.0.0.1:{server.http.server_port}/{name}", hashlib.sha256(content).hexdigest(), len(server.files[name]))
        for name, content in CONTENT.items()
    )
    return DataSet("shapes", "some data", "any", lambda _: None, (Release(files),))


def test_a_download_is_checked_kept_and_not_repeated(dataset: DataSet, root: Path, server: Server, cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    data = resolve_data(dataset, "full", root, lambda *progress: seen.append(progress))
    assert data == Data("full", cache.resolve() / "shapes", "*-part.gz")
    assert {name: gzip.decompress((data.path / name).read_bytes()) for name in names(data.path)} == CONTENT
    for name, content in server.files.items():
        received = [done for file, done, total in seen if file == name and total == len(content)]
        assert received == sorted(received)
        assert (received[0], received[-1]) == (0, len(content))
    server.stop()
    assert resolve_data(dataset, "full", root) == data
    assert server.asked == list(CONTENT)


def test_the_progress_bar_is_on_standard_error(dataset: DataSet, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resolve_data(dataset, "full", root)
    captured = capsys.readouterr()
    assert "a-part.gz" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        ("missing", "HTTP Error 404"),
        ("short", "the connection ended after"),
        ("cut", "received another"),
        ("wrong", "received another"),
        ("not gzip", "received another"),
        ("endless", "received over"),
    ],
)
def test_a_bad_download_leaves_nothing_and_the_next_try_is_clean(
    dataset: DataSet, root: Path, server: Server, cache: Path, fault: str, part: str
) -> None:
    good = server.files["a-part.gz"]
    if fault == "missing":
        del server.files["a-part.gz"]
    elif fault == "short":
        server.extra["a-part.gz"] = 100
    else:
        server.files["a-part.gz"] = {
            "cut": good[:-100],
            "wrong": gzip.compress(b"other"),
            "not gzip": b"<html>sign in</html>",
            "endless": good + b"\0" * 100 * len(good),
        }[fault]
    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataset, "full", root, no_bar)
    message = one_line(caught)
    assert part in message
    assert f"put it in {cache.resolve() / 'shapes'} or in the folder shapes of $DARSENA_DATA" in message
    assert names(cache / "shapes") == []
    server.files["a-part.gz"], server.extra = good, {}
    data = resolve_data(dataset, "full", root, no_bar)
    assert gzip.decompress((data.path / "a-part.gz").read_bytes()) == CONTENT["a-part.gz"]


def test_a_server_that_is_gone(dataset: DataSet, root: Path, server: Server, cache: Path) -> None:
    server.stop()
    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataset, "full", root, no_bar)
    assert "Connection refused" in (message := one_line(caught))
    assert str(cache) in message


def test_what_was_downloaded_before_a_failure_is_kept(dataset: DataSet, root: Path, server: Server) -> None:
    lost = server.files.pop("b-part.gz")
    with pytest.raises(DarsenaError):
        resolve_data(dataset, "full", root, no_bar)
    server.files["b-part.gz"] = lost
    resolve_data(dataset, "full", root, no_bar)
    assert server.asked == ["a-part.gz", "b-part.gz", "b-part.gz"]


def test_a_damaged_file_of_the_cache_is_downloaded_again(dataset: DataSet, root: Path, server: Server) -> None:
    data = resolve_data(dataset, "full", root, no_bar)
    (data.path / "b-part.gz").write_bytes(gzip.compress(b"damaged"))
    resolve_data(dataset, "full", root, no_bar)
    assert gzip.decompress((data.path / "b-part.gz").read_bytes()) == b"small"
    assert server.asked == ["a-part.gz", "b-part.gz", "b-part.gz"]


def test_a_cache_that_can_not_be_written(dataset: DataSet, root: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataset, "full", root, no_bar)
    assert "set DARSENA_CACHE to another folder" in one_line(caught)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete $DARSENA_DATA, compressed otherwise than the published files."""
    folder = tmp_path / "own/shapes"
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(gzip.compress(content, compresslevel=1))
    monkeypatch.setenv("DARSENA_DATA", str(tmp_path / "own"))
    return folder


def test_own_files_are_taken_and_nothing_is_written_there(dataset: DataSet, root: Path, server: Server, own: Path) -> None:
    own.chmod(0o500)
    assert resolve_data(dataset, "full", root) == Data("full", own.resolve(), "*-part.gz")
    assert names(own) == list(CONTENT)
    assert server.asked == []


def test_own_files_are_read_for_their_checksum_once_until_they_change(
    dataset: DataSet, root: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = downloads.content_sha256
    monkeypatch.setattr(downloads, "content_sha256", lambda path: read.append(path.name) or original(path))
    resolve_data(dataset, "full", root)
    resolve_data(dataset, "full", root)
    assert read == ["a-part.gz", "b-part.gz"]
    os.utime(own / "b-part.gz", ns=(1, 1))
    resolve_data(dataset, "full", root)
    assert read == ["a-part.gz", "b-part.gz", "b-part.gz"]


def test_own_files_are_taken_without_a_cache_to_write_to(dataset: DataSet, root: Path, own: Path, cache: Path) -> None:
    cache.write_text("a file")
    assert resolve_data(dataset, "full", root).path == own.resolve()


def test_wrong_own_files_are_rejected_not_passed_over(dataset: DataSet, root: Path, server: Server, own: Path) -> None:
    (own / "b-part.gz").write_bytes(gzip.compress(b"other"))
    with pytest.raises(DataRejected) as caught:
        resolve_data(dataset, "full", root)
    assert str(own / "b-part.gz") in one_line(caught)
    assert server.asked == []


def test_incomplete_own_files_lead_to_a_download(dataset: DataSet, root: Path, own: Path, cache: Path) -> None:
    (own / "b-part.gz").unlink()
    assert resolve_data(dataset, "full", root, no_bar).path == cache.resolve() / "shapes"


def test_the_cache_lies_where_the_system_says(dataset: DataSet, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DARSENA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert resolve_data(dataset, "full", root, no_bar).path == (tmp_path / "xdg/darsena/shapes").resolve()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert resolve_data(dataset, "full", root, no_bar).path == (tmp_path / "home/.cache/darsena/shapes").resolve()
