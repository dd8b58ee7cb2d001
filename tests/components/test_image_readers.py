"""Bad raw images: each is rejected before any work, with one line that says what was expected, received and what to do."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from components.image_example_gen.readers import find_sources, load
from tests.components.raw_images import digits, idx, png, write_idx, write_pictures

IMAGES, LABELS = digits(12)
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def rejection(folder: Path, pattern: str = "*", class_names: tuple[str, ...] = ()) -> str:
    """The message that the files are rejected with."""
    with pytest.raises(DataRejected) as caught:
        find_sources(folder, pattern, class_names)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("expected ")
    assert "received" in message or "could not" in message or "its header says" in message
    assert message.endswith(".")
    return message


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    load.cache_clear()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    write_idx(tmp_path, "train", IMAGES, LABELS)
    return tmp_path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_pictures(tmp_path, IMAGES, LABELS)
    return tmp_path


def test_idx_reads_the_known_bytes(mnist: Path) -> None:
    write_idx(mnist, "test", IMAGES[:2], LABELS[:2], compress=False)
    train, test = map(load, find_sources(mnist, "*"))
    assert np.array_equal(train.images, IMAGES)
    assert np.array_equal(train.labels, LABELS)
    assert np.array_equal(test.images, IMAGES[:2])


def test_idx_truncated_in_its_content(mnist: Path) -> None:
    (mnist / TRAIN_IMAGES).write_bytes(gzip.compress(idx(IMAGES)[:-5]))
    assert "expected 432 bytes after the header" in (message := rejection(mnist))
    assert "received 427" in message


def test_idx_truncated_in_its_header(mnist: Path) -> None:
    (mnist / TRAIN_LABELS).write_bytes(gzip.compress(b"\0\0\x08"))
    assert "IDX header of 8 bytes" in rejection(mnist)


def test_idx_with_bytes_too_many(mnist: Path) -> None:
    (mnist / TRAIN_IMAGES).write_bytes(gzip.compress(idx(IMAGES) + b"x"))
    assert "received more" in rejection(mnist)


def test_idx_with_the_magic_number_of_labels(mnist: Path) -> None:
    (mnist / TRAIN_IMAGES).write_bytes(gzip.compress(idx(np.zeros(100))))
    assert "magic number 2051" in (message := rejection(mnist))
    assert "received 2049" in message


@pytest.mark.parametrize("damage", [lambda good: good[:-20], lambda good: good[:-8] + b"\0" * 8, lambda good: b"x" + good])
def test_damaged_gzip(mnist: Path, damage) -> None:  # type: ignore[no-untyped-def]
    (mnist / TRAIN_IMAGES).write_bytes(damage((mnist / TRAIN_IMAGES).read_bytes()))
    assert "complete gzip file" in (message := rejection(mnist))
    assert TRAIN_IMAGES in message


def test_counts_that_differ(mnist: Path) -> None:
    (mnist / TRAIN_LABELS).write_bytes(gzip.compress(idx(LABELS[:-1])))
    assert "12 images and 11 labels" in rejection(mnist)


@pytest.mark.parametrize("shape", [(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), (60_000, 28, 28)])
def test_an_absurd_header_takes_no_memory(mnist: Path, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    (mnist / TRAIN_IMAGES).write_bytes(gzip.compress(struct.pack(">4I", 0x803, *shape)))
    asked: list[int] = []
    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda size, dtype: asked.append(size) or empty(size, dtype))
    rejection(mnist)
    assert sum(asked) < 1000


def test_missing_labels(mnist: Path) -> None:
    (mnist / TRAIN_LABELS).unlink()
    assert "train-labels-idx1-ubyte" in rejection(mnist)


def test_a_test_set_alone(tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k", IMAGES, LABELS)
    assert "train-images-idx3-ubyte" in rejection(tmp_path)


def test_the_same_idx_twice(mnist: Path) -> None:
    write_idx(mnist, "train", IMAGES, LABELS, compress=False)
    assert "Keep one of them" in rejection(mnist)


def test_npz_with_pickled_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=np.array([{"a": 1}] * 3, dtype=object), y=np.arange(3))
    assert "pickled Python objects" in rejection(tmp_path)


def test_npz_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    assert "NPZ file as numpy.savez writes it" in rejection(tmp_path)


def test_npz_truncated(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=IMAGES, y=LABELS)
    (tmp_path / "bad.npz").write_bytes((tmp_path / "bad.npz").read_bytes()[:-40])
    assert "NPZ file as numpy.savez writes it" in rejection(tmp_path)


def test_npz_with_a_flipped_byte(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=IMAGES, y=LABELS)
    content = bytearray((tmp_path / "bad.npz").read_bytes())
    content[300] ^= 255
    (tmp_path / "bad.npz").write_bytes(content)
    assert "CRC" in rejection(tmp_path)


def test_npz_whose_header_promises_more(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 28, 28)})
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("x.npy", array.getvalue())
        archive.writestr("y.npy", b"")
    assert "expected 784000000 bytes in x" in rejection(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"pixels": IMAGES, "y": LABELS}, "received pixels, y"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "received x_test, x_train, y_train"),
        ({"x": IMAGES, "y": LABELS, "images": IMAGES, "labels": LABELS}, "received images, labels, x, y"),
        ({"x": IMAGES / 255, "y": LABELS}, "received float64. If they are in 0..1, multiply by 255 and cast with .astype('uint8')"),
        ({"x": IMAGES.astype(np.int64), "y": LABELS}, "received int64. Cast pixels that are in 0..255"),
        ({"x": IMAGES.reshape(12, 36), "y": LABELS}, "received [12, 36]. Reshape"),
        ({"x": IMAGES[..., None].repeat(5, -1), "y": LABELS}, "received [12, 6, 6, 5]"),
        ({"x": IMAGES, "y": np.eye(3, dtype=np.int64)[LABELS]}, "one-hot labels [12, 3]. Take their .argmax(axis=1)"),
        ({"x": IMAGES, "y": LABELS.astype(float)}, "received float64 of shape [12]"),
        ({"x": IMAGES, "y": LABELS[:5]}, "12 images and 5 labels"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "empty array of shape [0, 6, 6]"),
    ],
)
def test_npz_that_is_not_as_it_should_be(tmp_path: Path, arrays: dict[str, np.ndarray], part: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    assert part in rejection(tmp_path)


def test_two_npz_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x=IMAGES, y=LABELS)
    assert "a.npz, b.npz" in rejection(tmp_path)
    (source,) = find_sources(tmp_path, "b.npz")
    assert np.array_equal(load(source).labels, LABELS)


def test_pictures_get_labels_in_the_given_order_of_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path, IMAGES, LABELS, names=("zero", "one", "two"))
    (given,) = find_sources(tmp_path, "*/*", ("zero", "one", "two"))
    (sorted_names,) = find_sources(tmp_path, "*/*")
    by_pixels = {bytes(image): label for image, label in zip(*load(given), strict=True)}
    assert by_pixels == {bytes(image): label for image, label in zip(IMAGES, LABELS, strict=True)}
    by_name = {bytes(image): label for image, label in zip(*load(sorted_names), strict=True)}
    assert by_name == {bytes(image): {0: 2, 1: 0, 2: 1}[int(label)] for image, label in zip(IMAGES, LABELS, strict=True)}


def test_modes_of_pictures(tmp_path: Path) -> None:
    colour = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/rgb.png").write_bytes(png(colour))
    Image.fromarray(colour).quantize(16).save(tmp_path / "a/palette.png")
    Image.fromarray(colour).save(tmp_path / "a/bitmap.BMP")
    (source,) = find_sources(tmp_path, "*/*")
    assert load(source).images.shape == (3, 4, 4, 3)
    assert np.array_equal(load(source).images[0], colour)  # bitmap.BMP comes first
    assert np.array_equal(load(source).images[2], colour)


def test_black_and_white_pictures_are_grey_ones_of_0_and_255(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).convert("1").save(tmp_path / "a/1.png")
    (source,) = find_sources(tmp_path, "*/*")
    assert np.array_equal(load(source).images[0], np.eye(4) * 255)


def test_jpegs_are_turned_as_their_camera_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    grey = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=0).repeat(8, axis=1)  # 8 high, 16 wide, black left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    Image.fromarray(grey).save(tmp_path / "a/1.jpg", exif=exif)
    (source,) = find_sources(tmp_path, "*/*")
    image = load(source).images[0]
    assert image.shape == (16, 8)
    assert image[:6].max() < 30 < 220 < image[-6:].min()


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "received none" in rejection(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", png(IMAGES[0])[:-30], png(IMAGES[0])[:45] + b"\xff" + png(IMAGES[0])[46:]])
def test_a_damaged_picture_is_named(pictures: Path, content: bytes) -> None:
    (pictures / "1/0004.png").write_bytes(content)
    assert "1/0004.png" in rejection(pictures, "*/*")


def test_pictures_of_different_sizes(pictures: Path) -> None:
    (pictures / "2/0002.png").write_bytes(png(np.zeros((7, 6), np.uint8)))
    assert "6x6" in (message := rejection(pictures, "*/*"))
    assert "7x6" in message
    assert "2/0002.png" in message


def test_train_and_test_of_different_sizes(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:, :5], y_test=LABELS)
    assert "6x6 in bad.npz (x_train) and 5x6 in bad.npz (x_test)" in rejection(tmp_path)


def test_an_unknown_class_folder(pictures: Path) -> None:
    assert "named 0, 1" in (message := rejection(pictures, "*/*", ("0", "1")))
    assert "received 2" in message


def test_pictures_with_no_class_folder(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(IMAGES[0]))
    assert "<class>/<picture>" in rejection(tmp_path)


def test_pictures_in_folders_that_are_neither_train_nor_test(tmp_path: Path) -> None:
    write_pictures(tmp_path / "dev", IMAGES, LABELS)
    assert "received dev/0/0000.png" in rejection(tmp_path, "*/*/*")


def test_pictures_to_test_on_alone(tmp_path: Path) -> None:
    write_pictures(tmp_path / "test", IMAGES, LABELS)
    assert "Add those to train on" in rejection(tmp_path, "*/*/*")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_modes_that_would_have_to_be_guessed(pictures: Path, mode: str) -> None:
    Image.new(mode, (6, 6)).save(pictures / "0/0000.png")
    assert f"received mode {mode}" in rejection(pictures, "*/*")


def test_a_decompression_bomb(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    (pictures / "1/0001.png").write_bytes(png(np.zeros((40, 40), np.uint8)))  # between once and twice the limit Pillow only warns
    assert "1/0001.png" in (message := rejection(pictures, "*/*"))
    assert "decompression bomb" in message


def test_a_link_that_leaves_the_folder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    elsewhere.write_bytes(png(IMAGES[0]))
    (pictures / "0/link.png").symlink_to(elsewhere)
    assert "0/link.png" in (message := rejection(pictures, "*/*"))
    assert "secret.png" in message


def test_a_linked_class_folder_that_leaves_the_folder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "1.png").write_bytes(png(IMAGES[0]))
    (pictures / "3").symlink_to(elsewhere)
    assert "3/1.png" in rejection(pictures, "*/*")


def test_formats_mixed_and_files_of_no_format(mnist: Path) -> None:
    np.savez(mnist / "some.npz", x=IMAGES, y=LABELS)
    assert "received IDX and NPZ" in rejection(mnist)
    (mnist / "some.npz").rename(mnist / "some.tiff")
    assert "received also some.tiff" in rejection(mnist)
    (mnist / "some.tiff").rename(mnist / "README.md")
    (mnist / ".hidden").write_text("x")
    assert len(find_sources(mnist, "*")) == 1
