"""The raw data of a run: the embedded sample, the root it lies under, and the user's own files."""

import dataclasses
import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from components.errors import DataRejected
from pipelines.common.config import Data
from pipelines.common.data import common_pattern, resolve_data
from pipelines.common.datasets.definition import DataSet
from pipelines.common.errors import DarsenaError, UsageError
from tests.common.looking import names, one_line


def write_sample(folder: Path) -> None:
    (folder / "sample.bin").write_bytes(b"sample")


@pytest.fixture
def dataset() -> DataSet:
    return DataSet("shapes", "some data", "any", write_sample)


# The sample


def test_the_sample_is_written_once(dataset: DataSet, root: Path) -> None:
    data = resolve_data(dataset, "sample", root)
    assert data == Data("sample", root.resolve() / "data/shapes-sample", "*")
    assert names(root / "data") == ["shapes-sample"]
    before = (data.path / "sample.bin").stat().st_mtime_ns
    assert resolve_data(dataset, "sample", root) == data
    assert (data.path / "sample.bin").stat().st_mtime_ns == before


def test_a_sample_that_could_not_be_written_leaves_nothing(dataset: DataSet, root: Path) -> None:
    def fail(folder: Path) -> None:
        write_sample(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataclasses.replace(dataset, write_sample=fail), "sample", root)
    assert "No space left on device. Free some space, or choose another --root" in one_line(caught)
    assert names(root / "data") == []
    assert resolve_data(dataset, "sample", root).path.is_dir()


def test_the_sample_that_another_process_wrote_meanwhile_is_taken(dataset: DataSet, root: Path) -> None:
    def race(folder: Path) -> None:
        write_sample(folder)
        theirs = root / "data/shapes-sample"
        theirs.mkdir()
        (theirs / "sample.bin").write_bytes(b"theirs")

    data = resolve_data(dataclasses.replace(dataset, write_sample=race), "sample", root)
    assert (data.path / "sample.bin").read_bytes() == b"theirs"
    assert names(root / "data") == ["shapes-sample"]


# The root


def test_a_root_that_is_a_file(dataset: DataSet, root: Path) -> None:
    root.write_text("")
    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataset, "sample", root / "below")
    assert "Not a directory" in one_line(caught)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_that_can_not_be_written(dataset: DataSet, root: Path) -> None:
    root.mkdir(mode=0o500)
    with pytest.raises(DarsenaError, match="Permission denied"):
        resolve_data(dataset, "sample", root)


def test_a_full_root(dataset: DataSet, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 5 * 2**20, 5 * 2**20))
    with pytest.raises(DarsenaError) as caught:
        resolve_data(dataset, "sample", root)
    assert "received 5 MiB" in one_line(caught)


# The user's own path


@pytest.mark.parametrize(
    ("files", "pattern", "classes"),
    [
        (["a.idx", "b.idx", "README.md", ".hidden"], "*", ()),
        (["1/b.png", "0/a.png", "0/LICENSE", ".git/x/y"], "*/*", ("0", "1")),
        (["train/1/a.png", "train/0/a.png", "test/0/b.png"], "*/*/*", ("0", "1")),
    ],
)
def test_the_pattern_of_a_folder_finds_all_its_files_and_its_folders_are_the_classes(
    dataset: DataSet, root: Path, tmp_path: Path, files: list[str], pattern: str, classes: tuple[str, ...]
) -> None:
    for file in files:
        (tmp_path / "mine" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / file).write_text("x")
    assert resolve_data(dataset, str(tmp_path / "mine"), root) == Data("path", (tmp_path / "mine").resolve(), pattern, class_names=classes)


def test_a_single_file(dataset: DataSet, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.npz").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert resolve_data(dataset, "mine.npz", root) == Data("path", tmp_path.resolve(), "mine.npz")


def test_a_folder_named_as_a_choice_is_reached_with_a_dot(
    dataset: DataSet, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample/x.npz").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert resolve_data(dataset, "./sample", root).path == (tmp_path / "sample").resolve()


@pytest.mark.parametrize("files", [["a.npz", "0/b.png"], ["1/2/3/a.png"]])
def test_files_at_depths_that_no_format_has_are_rejected(dataset: DataSet, root: Path, tmp_path: Path, files: list[str]) -> None:
    for file in files:
        (tmp_path / "mine" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / file).write_text("x")
    with pytest.raises(DataRejected) as caught:
        resolve_data(dataset, str(tmp_path / "mine"), root)
    assert f"received {' and '.join(files)}" in one_line(caught)


def test_an_empty_folder_is_rejected(dataset: DataSet, root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/1/2/3/4").mkdir(parents=True)
    (tmp_path / "mine/1/2/3/4/too-deep.png").write_text("x")
    with pytest.raises(DataRejected, match="at most 2 folders deep, received none"):
        resolve_data(dataset, str(tmp_path / "mine"), root)


def test_a_path_that_does_not_exist_is_wrong_usage(dataset: DataSet, root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_data(dataset, "smaple", root)
    assert "sample, full, or the path" in (message := one_line(caught))
    assert "'smaple'" in message


def test_a_path_with_wildcards_is_wrong_usage(dataset: DataSet, root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine[1]").mkdir()
    (tmp_path / "mine[1]/a.npz").write_text("x")
    with pytest.raises(UsageError) as caught:
        resolve_data(dataset, str(tmp_path / "mine[1]"), root)
    assert "without [ ]" in one_line(caught)


def test_common_pattern() -> None:
    assert common_pattern(["train-images.gz", "t10k-images.gz"]) == "*-images.gz"
    assert common_pattern(["a", "b"]) == "*"
    assert common_pattern(["only.npz"]) == "only.npz"
