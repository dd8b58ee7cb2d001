"""CIFAR-10: the generated sample, and what is made of either form that the full data has."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from components.image_example_gen.readers import find_sources, load
from pipelines.common.datasets import cifar10, shapes
from pipelines.common.datasets.cifar10 import CIFAR10, CLASSES

BATCHES = [f"cifar-10-batches-bin/{name}.bin" for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")]


def pack(path: Path, files: dict[str, bytes]) -> None:
    """Writes a .tar.gz or .tar.xz of these files."""
    with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def row(label: int, red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> bytes:
    return bytes([label]) + b"".join(plane.astype(np.uint8).tobytes() for plane in (red, green, blue))


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "cifar10.npz", allow_pickle=False) as found:
        return dict(found)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    return source, target


def test_the_published_rows_become_pixels(tmp_path: Path) -> None:
    source, target = folders(tmp_path)
    down, right = np.mgrid[:32, :32]
    files = {name: row(number, down, right, np.full((32, 32), 100 + number)) for number, name in enumerate(BATCHES)}
    pack(source / cifar10.BINARY, files | {"cifar-10-batches-bin/readme.html": b"CIFAR-10"})
    cifar10.unpack_binary(source, target)
    found = arrays(target)
    assert found["x_train"].shape == (5, 32, 32, 3)
    assert found["y_train"].tolist() == [0, 1, 2, 3, 4]
    assert found["y_test"].tolist() == [5]
    assert found["x_train"][2, 7, 19].tolist() == [7, 19, 102]
    assert found["x_test"][0, 31, 0].tolist() == [31, 0, 105]
    assert {str(split) for split in ("train", "test")} == {source.split for source in find_sources(target, "*")}


def test_pictures_in_class_folders_become_pixels(tmp_path: Path) -> None:
    source, target = folders(tmp_path)
    pack(
        source / cifar10.JPEG,
        {"test/truck/0000.jpg": jpeg((0, 0, 255)), "train/airplane/0000.jpg": jpeg((255, 0, 0)), "train/cat/1.jpg": jpeg((9, 99, 9))},
    )
    cifar10.unpack_jpeg(source, target)
    found = arrays(target)
    assert found["y_train"].tolist() == [0, 3]
    assert found["y_test"].tolist() == [9]
    for images, colours in (("x_train", [(255, 0, 0), (9, 99, 9)]), ("x_test", [(0, 0, 255)])):
        for image, colour in zip(found[images], colours, strict=True):
            assert np.abs(image.astype(int) - colour).max() <= 2


@pytest.mark.parametrize("unpack", [cifar10.unpack_binary, cifar10.unpack_jpeg])
@pytest.mark.parametrize("name", ["../train/cat/0.jpg", "/train/cat/0.jpg", "train/../../cat/0.jpg"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, unpack, name: str) -> None:
    source, target = folders(tmp_path)
    for archive in (cifar10.BINARY, cifar10.JPEG):
        pack(source / archive, {name: jpeg((1, 2, 3))})
    with pytest.raises(DataRejected):
        unpack(source, target)
    assert list(target.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    source, target = folders(tmp_path)
    with tarfile.open(source / cifar10.JPEG, "w:xz") as archive:
        link = tarfile.TarInfo("train/cat/0.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "1.jpg"
        archive.addfile(link)
    with pytest.raises(DataRejected, match=r"train/cat/0\.jpg, which is a link"):
        cifar10.unpack_jpeg(source, target)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train/lorry/0.jpg": jpeg((1, 2, 3))}, "received train/lorry/0.jpg"),
        ({"train/cat/0.jpg": jpeg((1, 2, 3), (16, 8))}, "expected 32x32 pixels at train/cat/0.jpg .* received 16x8"),
        ({"train/cat/0.jpg": b"no picture"}, "expected a JPEG picture at train/cat/0.jpg"),
        ({"train/cat/0.jpg": jpeg((1, 2, 3))}, "received none of test"),
    ],
)
def test_other_archives_of_pictures_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    source, target = folders(tmp_path)
    pack(source / cifar10.JPEG, files)
    with pytest.raises(DataRejected, match=message):
        cifar10.unpack_jpeg(source, target)


def test_other_published_rows_are_refused(tmp_path: Path) -> None:
    source, target = folders(tmp_path)
    pack(source / cifar10.BINARY, {BATCHES[0]: bytes(3072)})
    with pytest.raises(DataRejected, match=r"rows of 3073 bytes in .*data_batch_1\.bin of .* received 3072"):
        cifar10.unpack_binary(source, target)
    pack(source / cifar10.BINARY, {BATCHES[0]: bytes(3073)})
    with pytest.raises(DataRejected, match="received none of test"):
        cifar10.unpack_binary(source, target)


def test_the_sample_is_ten_kinds_of_shapes(tmp_path: Path) -> None:
    assert tuple(shapes.KINDS) == CLASSES
    CIFAR10.write_sample(tmp_path)
    (source,) = find_sources(tmp_path, "*")
    images, labels = load(source)
    assert images.shape == (2000, 32, 32, 3)
    assert np.bincount(labels).tolist() == [200] * 10
    assert len({image.tobytes() for image in images}) == 2000


def test_the_same_seed_draws_the_same_images() -> None:
    first, labels = shapes.draw_images(20, 3)
    again, _ = shapes.draw_images(20, 3)
    other, _ = shapes.draw_images(20, 4)
    assert np.array_equal(first, again)
    assert labels.tolist() == [*range(10), *range(10)]
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_no_linear_model_solves_the_sample() -> None:
    from sklearn.linear_model import RidgeClassifier

    images, labels = shapes.draw_images(2000, cifar10.SAMPLE_SEED)
    pixels = images.reshape(2000, -1) / 255
    linear = RidgeClassifier(alpha=300).fit(pixels[:1600], labels[:1600])
    assert linear.score(pixels[1600:], labels[1600:]) < 0.3


@pytest.mark.slow
def test_the_jpeg_copy_is_the_one_that_is_known(real_data: Path, tmp_path: Path) -> None:
    cifar10.unpack_jpeg(real_data / "cifar10", tmp_path)
    found = arrays(tmp_path)
    assert np.bincount(found["y_train"]).tolist() == [5000] * 10
    assert np.bincount(found["y_test"]).tolist() == [1000] * 10
    # Mean of the original's training pixels by colour, which JPEG keeps.
    np.testing.assert_allclose(found["x_train"].mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-3)
