"""The full data sets: under $DARSENA_DATA, in the cache, or downloaded into it; each file is held to its checksum."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import DataRejected
from pipelines.common.archives import extract, is_archive
from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.errors import DarsenaError, UsageError

if TYPE_CHECKING:
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
CHUNK = 1 << 18
TIMEOUT_SECONDS = 30
# A mirror may compress otherwise than the publisher, but a server that goes on and on is not one.
MOST_TIMES_SIZE = 3
OPENERS: dict[str, Callable] = {".gz": gzip.open, ".xz": lzma.open}


def full_data(dataset: DataSet, console_progress: Progress | None) -> tuple[list[Path], Release]:
    """The files of the full data and the release they are of, as they are published: see `released`.

    Raises:
        UsageError: the data set has no full data.
        DataRejected: a file under $DARSENA_DATA is not the published one.
        DarsenaError: the download failed.
    """
    if not dataset.releases:
        raise UsageError(f"expected --data sample or a path, received full: {dataset.name} has no full data. It takes {dataset.formats}")
    return released(dataset.name, dataset.releases, console_progress)


def released(name: str, releases: Sequence[Release], console_progress: Progress | None) -> tuple[list[Path], Release]:
    """The files of one of several releases of the same thing, and the release they are of.

    The first release whose files are all there is taken: those under $DARSENA_DATA go before those in the cache. Where there is
    none, the first one is downloaded into the cache.

    Args:
        name: of the folder under $DARSENA_DATA and in the cache.
        releases: at least one; the first can be downloaded.
        console_progress: told of a download; by default a progress bar shows it.

    Raises:
        DataRejected: a file under $DARSENA_DATA is not the published one.
        DarsenaError: the download failed.
    """
    verified = Verified(cache_folder() / "verified.json")
    own = os.environ.get("DARSENA_DATA")
    for release in releases if own else ():
        found = [there(Path(own or "").resolve() / name, download.file) for download in release.downloads]
        if all(found):
            files = [file for file in found if file]
            check(files, release.downloads, verified)
            return files, release
    folder = cache_folder() / name
    for release in releases:
        files = [folder / download.file for download in release.downloads]
        if all(verified.holds(file, download.sha256) for file, download in zip(files, release.downloads, strict=True)):
            return files, release
    release = releases[0]
    with contextlib.ExitStack() as stack:
        progress = console_progress or stack.enter_context(progress_bar())
        for download in release.downloads:
            if not verified.holds(folder / download.file, download.sha256):
                fetch(download, folder, progress, verified)
    return [folder / download.file for download in release.downloads], release


def there(folder: Path, name: str) -> Path | None:
    """A file of that name in a folder, compressed or not; None if there is none."""
    plain = name if is_archive(name) else name.removesuffix(".gz").removesuffix(".xz")
    names = (name,) if is_archive(name) else (name, plain, f"{plain}.gz", f"{plain}.xz")
    return next((folder / candidate for candidate in names if (folder / candidate).is_file()), None)


def check(files: list[Path], downloads: tuple[Download, ...], verified: Verified) -> None:
    """Raises DataRejected unless the files are the published ones."""
    for file, download in zip(files, downloads, strict=True):
        if not verified.holds(file, download.sha256):
            raise DataRejected(
                f"expected {file} to be the published file (sha256 {download.sha256} unzipped), received another. "
                "Replace it, or unset DARSENA_DATA to download it."
            )


def unpacked(dataset: DataSet, files: list[Path], release: Release) -> Path:
    """The folder that a release's `unpack` makes of its files, in the cache; made once, and there whole or not at all.

    Raises:
        DataRejected: the files could not be unpacked.
        DarsenaError: the cache can't be written.
    """
    name = hashlib.sha256("".join(download.sha256 for download in release.downloads).encode()).hexdigest()[:16]
    folder = cache_folder() / dataset.name / f"unpacked-{name}"
    if folder.is_dir() or release.unpack is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder.parent) as temporary:
            fresh = Path(temporary) / folder.name
            fresh.mkdir()
            release.unpack(files[0].parent, fresh)
            with contextlib.suppress(FileExistsError):
                fresh.rename(folder)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        reason = " ".join(str(error).split())
        raise DataRejected(f"expected to unpack {', '.join(map(str, files))}, received: {reason}. Get the files again.") from error
    except OSError as error:
        raise DarsenaError(f"expected to write {folder}, could not: {error}. Free some space, or set DARSENA_CACHE.") from error
    return folder


def cache_folder() -> Path:
    """Where downloads are kept: $DARSENA_CACHE, $XDG_CACHE_HOME/darsena or ~/.cache/darsena."""
    if os.environ.get("DARSENA_CACHE"):
        return Path(os.environ["DARSENA_CACHE"]).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").resolve() / "darsena"


class Verified:
    """Remembers which files had the right checksum, so that they are read for it once, until they change.

    Args:
        path: a small JSON file; where it can't be written, files are read each time.
    """

    def __init__(self, path: Path):
        self.path = path

    def holds(self, file: Path, sha256: str) -> bool:
        """Whether a file is there and its content, once decompressed, has this checksum."""
        if not file.is_file():
            return False
        if self.known().get(str(file)) == mark(file, sha256):
            return True
        if not matches(file, sha256):
            return False
        self.remember(file, sha256)
        return True

    def remember(self, file: Path, sha256: str) -> None:
        """Notes that a file has this checksum now."""
        text = json.dumps(self.known() | {str(file): mark(file, sha256)}, indent=1)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, text)

    def known(self) -> dict[str, list]:
        """Size, time of change and checksum by path."""
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def fetch(download: Download, folder: Path, progress: Progress, verified: Verified) -> None:
    """Downloads a file into a folder, where it appears only once it is whole and has the right checksum.

    Raises:
        DarsenaError: no connection, an incomplete or wrong file, or no room for it.
    """
    target = folder / download.file
    by_hand = f"Try again, or get the file by other means and put it in {folder} or in the folder {folder.name} of $DARSENA_DATA."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            part = Path(temporary) / download.file
            published = Path(temporary) / f"{download.file}.archive" if download.member else part
            with published.open("wb") as file:
                for chunk in stream(download, progress, by_hand):
                    file.write(chunk)
            if download.member:
                extract(published, download.member, part)
            if not matches(part, download.sha256):
                raise DarsenaError(
                    f"expected the published content (sha256 {download.sha256}) from {download.url}, received another. {by_hand}"
                )
            part.replace(target)
    except OSError as error:
        raise DarsenaError(
            f"expected to write {target}, could not: {error.strerror}. Free some space, or set DARSENA_CACHE to another folder."
        ) from error
    verified.remember(target, download.sha256)


def stream(download: Download, progress: Progress, by_hand: str) -> Iterator[bytes]:
    """The content of a download, piece by piece.

    Raises:
        DarsenaError: no connection, or it ended early; the message ends with `by_hand`.
    """
    import http.client
    import urllib.request

    received = 0
    try:
        with urllib.request.urlopen(download.url, timeout=TIMEOUT_SECONDS) as response:
            expected = int(response.headers.get("Content-Length") or download.size)
            progress(download.file, 0, expected)
            while chunk := response.read(CHUNK):
                received += len(chunk)
                if received > MOST_TIMES_SIZE * download.size:
                    raise DarsenaError(f"expected {download.size} bytes from {download.url}, received over {received}. {by_hand}")
                progress(download.file, received, expected)
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise DarsenaError(f"expected {download.file} from {download.url}, could not download it ({error}). {by_hand}") from error
    if received < expected:
        raise DarsenaError(f"expected {expected} bytes from {download.url}, the connection ended after {received}. {by_hand}")


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar per file on the terminal's standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, received: int, expected: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=expected)
            bars.update(tasks[file], completed=received)

        yield show


def matches(path: Path, sha256: str) -> bool:
    """Whether a file's content has this checksum; False for a file that can't be decompressed.

    Raises:
        OSError: it can't be read.
    """
    try:
        return content_sha256(path) == sha256
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError):
        return False


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's content, decompressed if its name says that it is compressed; of an archive, of the file as it is."""
    opener = None if is_archive(path.name) else OPENERS.get(path.suffix)
    with opener(path) if opener else path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mark(file: Path, sha256: str) -> list:
    """What changes when a file is rewritten, and its checksum."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, sha256]


def write_atomically(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as temporary:
        fresh = Path(temporary) / path.name
        fresh.write_text(text)
        fresh.replace(path)
