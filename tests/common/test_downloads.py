"""The full data: from a server on loopback, the cache, or the user's $DARSENA_DATA."""

import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import DataRejected
from pipelines.common import downloads
from pipelines.common.config import Data
from pipelines.common.data import resolve_data
from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.errors import DarsenaError, UsageError
from tests.common.looking import names, one_line

CONTENT = {"a-part.gz": bytes(range(256)) * 4000, "b-part.gz": b"small"}


class Server:
    """Serves bytes by path, and counts what was asked for. A path in `extra` claims so many bytes more than it sends."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.extra: dict[str, int] = {}
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                server.asked.append(name)
                if name not in server.files:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.files[name]) + server.extra.get(name, 0)))
                self.end_headers()
                self.wfile.write(server.files[name])

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        """Closes the port; a second call does nothing."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.files = {name: gzip.compress(content) for name, content in CONTENT.items()}
    yield server
    server.stop()


@pytest.fixture
def dataset(server: Server) -> DataSet:
    files = tuple(
        Download(name, f"http://127.0.0.1:{server.http.server_port}/{name}", hashlib.sha256(content).hexdigest(), len(server.files[name]))
        for name, content in CONTENT.items()
    )
    return DataSet("shapes", "some data", "any", lambda _: None, (Release(files),))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DARSENA_DATA", raising=False)
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def no_bar(_file: str, _received: int, _expected: int) -> None:
    """Shows nothing."""


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
