"""One file of an archive: names that lead elsewhere, links and bombs write nothing else."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipelines.common import archives


def tar(file: Path, *members: tuple[str, bytes, bytes]) -> None:
    """Members are a name, a tarfile type, and a content, or of links where they lead."""
    with tarfile.open(file, "w:gz") as opened:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content.decode()
            opened.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/../../evil"])
def test_a_file_goes_where_it_was_asked_to_whatever_its_name(tmp_path, name):
    folder = tmp_path / "deep/down"
    folder.mkdir(parents=True)
    tar(folder / "a.tgz", (name, tarfile.REGTYPE, b"content"))
    with zipfile.ZipFile(folder / "a.zip", "w") as opened:
        opened.writestr(name, b"content")
    for archive in ("a.tgz", "a.zip"):
        archives.extract(folder / archive, name, folder / "target")
        assert (folder / "target").read_bytes() == b"content"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.tgz", "a.zip", "target"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_give_nothing(tmp_path, kind):
    (tmp_path / "secret").write_bytes(b"secret")
    tar(tmp_path / "a.tgz", ("rows.csv", kind, str(tmp_path / "secret").encode()))
    archives.extract(tmp_path / "a.tgz", "rows.csv", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b""


def test_a_bomb_is_cut_off(tmp_path):
    """10 MB of zeros, which pack to 10 kB."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("rows.csv", bytes(10**7))
    archives.extract(tmp_path / "a.zip", "rows.csv", tmp_path / "target")
    assert (tmp_path / "target").stat().st_size == archives.MOST_TIMES_UNPACKED * (tmp_path / "a.zip").stat().st_size < 10**6
