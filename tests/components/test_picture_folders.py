"""Splits and classes of pictures by the folders that they lie in."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from components.image_example_gen.encoded import find_encoded, load_encoded
from components.image_example_gen.folders import placed
from components.image_example_gen.pictures import labelled
from pipelines.common.data import data_at

FOUR = ("trainA", "trainB", "testA", "testB")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two pictures in each of four folders, of two domains."""
    random = np.random.default_rng(0)
    for folder in FOUR:
        (tmp_path / folder).mkdir()
        for number in range(2):
            Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / folder / f"{number}.jpg")
    return tmp_path


def test_four_folders_of_two_domains(raw: Path) -> None:
    data = data_at("path", raw)
    assert (data.class_names, data.pattern) == (("A", "B"), "*/*")
    found = labelled(raw, sorted(raw.glob(data.pattern)), data.class_names)
    places = {split: [(path.parent.name, label) for path, label in pictures] for split, pictures in found.items()}
    assert places == {
        "train": [("trainA", 0), ("trainA", 0), ("trainB", 1), ("trainB", 1)],
        "test": [("testA", 0), ("testA", 0), ("testB", 1), ("testB", 1)],
    }


def test_both_training_folders_make_domains_and_any_other_folder_unmakes_them() -> None:
    assert placed([("trainA",), ("trainB",)]) == {("trainA",): ("train", "A"), ("trainB",): ("train", "B")}
    # Else they are folders of classes by these names, as any others.
    for odd in ([("trainA",), ("testA",)], [("trainA",), ("trainB",), ("cats",)]):
        assert placed(odd) == {folder: ("train", folder[0]) for folder in odd}


def test_folders_by_class_and_by_split() -> None:
    assert placed([("day",), ("night",)]) == {("day",): ("train", "day"), ("night",): ("train", "night")}
    assert placed([("train", "day"), ("test", "day")]) == {("train", "day"): ("train", "day"), ("test", "day"): ("test", "day")}
    assert placed([("train", "day"), ("other", "day")])[("other", "day")] is None
    assert set(placed([("day",), ("train", "night")]).values()) == {None}
    assert placed([()]) == {(): None}


def test_pictures_of_several_depths_are_refused(raw: Path) -> None:
    (raw / "trainA/more").mkdir()
    Image.new("RGB", (9, 9)).save(raw / "trainA/more/3.jpg")
    with pytest.raises(DataRejected, match=r"expected <class>/<picture> everywhere in .*, received trainA/more/3.jpg"):
        labelled(raw, sorted(raw.rglob("*.jpg"), key=lambda path: len(path.parts)), ())


def test_a_damaged_picture_of_a_domain_is_named(raw: Path) -> None:
    (raw / "testB/1.jpg").write_bytes((raw / "testB/1.jpg").read_bytes()[:100])
    with pytest.raises(DataRejected, match=r"expected .*testB/1.jpg to be a complete PNG, JPEG or BMP picture, could not read it"):
        for source in find_encoded(raw, "*/*", ("A", "B")):
            load_encoded(source)
