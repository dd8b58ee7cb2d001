"""ImageExampleGen with encoded pictures: bytes as they are, any size, split by pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import DataRejected
from components.image_example_gen.encoded import find_encoded, load_encoded, read_picture
from tests.components.raw_images import png
from tests.components.test_image_example_gen import generate, label, read

COLOURS = np.random.default_rng(1).integers(0, 256, (60, 5, 7, 3), dtype=np.uint8)


def encode(image: np.ndarray, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Pictures of two classes, of two sizes and two formats."""
    for row, image in enumerate(COLOURS):
        folder = tmp_path / "raw" / ("cup" if row % 2 else "cat")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = image if row % 3 else image[:4]
        name, content = (f"{row}.png", png(pixels)) if row % 5 else (f"{row}.jpg", encode(pixels, "JPEG"))
        (folder / name).write_bytes(content)
    return tmp_path / "raw"


def test_examples_hold_the_files_bytes_and_what_was_measured(raw: Path, tmp_path: Path) -> None:
    found = [example for split in read(generate(tmp_path, raw, "*/*", encoded=True)).values() for example in split]
    by_bytes = {example.features.feature["image"].bytes_list.value[0]: example for example in found}
    files = {path.read_bytes(): path for path in raw.glob("*/*")}
    assert set(by_bytes) == set(files)
    for content, example in by_bytes.items():
        feature = example.features.feature
        pixels = np.asarray(Image.open(io.BytesIO(content)))
        size = [feature[f"image/{name}"].int64_list.value[0] for name in ("height", "width", "channels")]
        assert size == list(pixels.shape)
        assert feature["image/brightness"].float_list.value[0] == pytest.approx(pixels.mean() / 255, abs=1e-6)
        assert label(example) == ["cat", "cup"].index(files[content].parent.name)


def test_the_same_pixels_in_two_formats_are_the_same_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(COLOURS[0]))
    (tmp_path / "a.bmp").write_bytes(encode(COLOURS[0], "BMP"))
    (tmp_path / "b.png").write_bytes(png(COLOURS[0].reshape(7, 5, 3)))
    first, second, other = (read_picture(tmp_path / name, 0).digest for name in ("a.png", "a.bmp", "b.png"))
    assert first == second != other


def test_grey_and_transparent_pictures(tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(png(COLOURS[0, ..., 0]))
    alpha = np.concatenate([COLOURS[0], np.full((5, 7, 1), 9, np.uint8)], axis=2)
    (tmp_path / "alpha.png").write_bytes(encode(alpha, "PNG"))
    assert read_picture(tmp_path / "grey.png", 0).shape == (5, 7, 1)
    assert read_picture(tmp_path / "alpha.png", 0).shape == (5, 7, 3)


def test_a_damaged_picture_is_named(raw: Path) -> None:
    (raw / "cat/6.png").write_bytes((raw / "cat/6.png").read_bytes()[:40])
    with pytest.raises(DataRejected, match=r"expected .*cat/6.png to be a complete PNG, JPEG or BMP picture"):
        for source in find_encoded(raw, "*/*", ()):
            load_encoded(source)


def test_pixels_of_16_bits_are_refused(raw: Path) -> None:
    (raw / "cat/6.png").write_bytes(png(np.full((4, 4), 40_000, np.uint16)))
    with pytest.raises(DataRejected, match=r"expected 8-bit grey or RGB pixels in .*6.png, received mode I;16"):
        read_picture(raw / "cat/6.png", 0)


def test_other_files_and_unknown_classes_are_refused(raw: Path) -> None:
    with pytest.raises(DataRejected, match=r"expected class folders named cat, dog in"):
        find_encoded(raw, "*/*", ("cat", "dog"))
    (raw / "cat/notes.txt").write_text("x")
    with pytest.raises(DataRejected, match=r"expected nothing but .png, .jpg and .bmp pictures in .*, received notes.txt"):
        find_encoded(raw, "*/*", ())
