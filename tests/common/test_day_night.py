"""Photographs by day and by night: the sample, whose kinds share no picture, and the archive."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from pipelines.common.data import data_at
from pipelines.common.datasets.day_night import ARCHIVE, DAY_NIGHT, SHADOWS, unpack


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day_night")
    DAY_NIGHT.write_sample(folder)
    return folder


def mean_colours(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)).mean(axis=(0, 1)) for path in sorted(folder.iterdir())]) / 255


def test_the_sample_is_110_pictures_by_day_and_110_by_night(sample: Path) -> None:
    data = data_at("sample", sample)
    assert (data.class_names, data.pattern) == (("day", "night"), "*/*")
    assert [len(list((sample / kind).iterdir())) for kind in data.class_names] == [110, 110]
    assert {Image.open(path).size for path in sample.rglob("*.jpg")} == {(96, 96)}


def test_night_is_dark_and_blue(sample: Path) -> None:
    day, night = (mean_colours(sample / kind).mean(axis=0) for kind in ("day", "night"))
    assert night.mean() < 0.4 * day.mean()
    assert night[2] / night[0] > 1.5 * day[2] / day[0]


def test_no_night_picture_is_a_darkened_day_picture(sample: Path) -> None:
    def shape(path: Path) -> np.ndarray:
        pixels = np.asarray(Image.open(path).convert("L").resize((12, 12))).astype(float).ravel()
        return (pixels - pixels.mean()) / pixels.std()

    days, nights = (np.stack([shape(path) for path in sorted((sample / kind).iterdir())]) for kind in ("day", "night"))
    assert SHADOWS > 1
    assert np.corrcoef(days, nights)[:110, 110:].max() < 0.995


def test_the_sample_is_the_same_each_time(sample: Path, tmp_path: Path) -> None:
    DAY_NIGHT.write_sample(tmp_path)
    assert all(path.read_bytes() == (tmp_path / path.relative_to(sample)).read_bytes() for path in sample.glob("*/*"))


def archive(folder: Path, *names: str) -> Path:
    folder.mkdir()
    with tarfile.open(folder / ARCHIVE, "w") as opened:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            opened.addfile(member, io.BytesIO(name.encode()))
    return folder


def test_the_archive_becomes_folders_of_splits_and_kinds(tmp_path: Path) -> None:
    source = archive(tmp_path / "source", "trainA/1.jpg", "./trainB/2_2.jpg", "testA/3.jpg", "testB/4.jpg")
    (tmp_path / "target").mkdir()
    unpack(source, tmp_path / "target")
    found = {str(path.relative_to(tmp_path / "target")): path.read_text() for path in (tmp_path / "target").rglob("*.jpg")}
    assert found == {
        "train/day/1.jpg": "trainA/1.jpg",
        "train/night/2_2.jpg": "./trainB/2_2.jpg",
        "test/day/3.jpg": "testA/3.jpg",
        "test/night/4.jpg": "testB/4.jpg",
    }


@pytest.mark.parametrize("name", ["trainA/../../evil.jpg", "trainC/1.jpg", "notes.txt"])
def test_an_archive_of_something_else_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(DataRejected, match=rf"expected trainA, trainB, testA and testB with .jpg files in .*, received {name}"):
        unpack(archive(tmp_path / "source", name), tmp_path / "target")


def test_the_real_archive_has_as_many_as_it_says(real_data: Path, tmp_path: Path) -> None:
    unpack(real_data / "day2night", tmp_path)
    counts = {str(folder.relative_to(tmp_path)): len(list(folder.iterdir())) for folder in tmp_path.glob("*/*")}
    assert counts == {"train/day": 120, "train/night": 120, "test/day": 80, "test/night": 80}
