"""Photographs: the sample that is cut out of scikit-image's, and the archive of flowers."""

import importlib.util
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.encoded import find_encoded, load_encoded
from pipelines.common.data import data_at
from pipelines.common.datasets import photos
from pipelines.common.datasets.photos import FILES, FLOWERS, PHOTOS, photograph
from pipelines.common.errors import DarsenaError

CLASSES = ("astronaut", "cat", "coffee", "galaxies", "motorcycle", "rocket")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    PHOTOS.write_sample(folder)
    return folder


def test_the_sample_is_forty_pictures_of_each_of_six_photographs(sample: Path) -> None:
    data = data_at("sample", sample)
    assert (data.class_names, data.pattern) == (CLASSES, "*/*")
    blocks = [load_encoded(source) for source in find_encoded(sample, data.pattern, data.class_names)]
    pictures = [picture for block in blocks for picture in block.pictures]
    assert Counter(picture.label for picture in pictures) == dict.fromkeys(range(6), 40)
    assert len({picture.digest for picture in pictures}) == 240
    assert len({picture.shape for picture in pictures}) > 100
    assert {max(picture.shape[:2]) for picture in pictures} <= set(range(110, 221))
    grey = sum(picture.shape[2] == 1 for picture in pictures)
    assert 15 <= grey <= 60


def test_the_sample_is_the_same_each_time(sample: Path, tmp_path: Path) -> None:
    PHOTOS.write_sample(tmp_path)
    for path in sample.glob("*/*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(sample)).read_bytes()


def test_the_pictures_have_the_colours_of_their_photographs(sample: Path) -> None:
    def colour(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path).convert("RGB")).mean(axis=(0, 1))

    of_class = {name: np.mean([colour(path) for path in (sample / name).iterdir()], axis=0) for name in CLASSES}
    for name, mean in of_class.items():
        assert np.abs(mean - colour(photograph(FILES[name]))).max() < 30, name
    assert of_class["galaxies"].max() < 40 < of_class["rocket"].mean() < of_class["astronaut"].mean()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DarsenaError, match=r"package scikit-image, it is not installed or has no astronaut\.png"):
        PHOTOS.write_sample(tmp_path)


def test_the_archive_of_flowers_becomes_folders(tmp_path: Path) -> None:
    files = {"LICENSE.txt": b"CC BY", "tulips/1.jpg": b"one", "roses/2.jpg": b"two", "tulips/._3.jpg.txt": b"no"}
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    with tarfile.open(source / FLOWERS, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"flower_photos/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        outside = tarfile.TarInfo("flower_photos/../evil.jpg")
        outside.size = 4
        archive.addfile(outside, io.BytesIO(b"evil"))
    photos.unpack_flowers(source, target)
    found = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    assert found == {"target/tulips/1.jpg": b"one", "target/roses/2.jpg": b"two"}
