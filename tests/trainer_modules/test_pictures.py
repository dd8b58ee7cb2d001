"""Encoded pictures in the graph against Pillow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer_modules.common.pictures import decode_pictures

SIDE = 8
RNG = np.random.default_rng(3)
# Sixteen blocks of one colour each: what JPEG keeps nearly as it is.
BLOCKS = np.kron(RNG.integers(0, 256, (2, 2, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))


def encode(pixels: np.ndarray, form: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    picture = Image.fromarray(pixels)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, form, **options)
    return file.getvalue()


def decode(*files: bytes, size: int = SIDE) -> np.ndarray:
    found = decode_pictures(tf.constant(files), size).numpy()
    assert (found.dtype, found.shape) == (np.float32, (len(files), size, size, 3))
    assert np.array_equal(found, np.round(found)) and found.min() >= 0 and found.max() <= 255
    return found


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_a_picture_of_the_right_size_keeps_its_pixels(form: str) -> None:
    pixels = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(encode(pixels, form))[0], pixels)


def test_jpeg_has_the_colours_that_pillow_sees() -> None:
    content = encode(BLOCKS, "JPEG", quality=95, subsampling=0)
    near(decode(content)[0], np.asarray(Image.open(io.BytesIO(content))))


def near(found: np.ndarray, expected: np.ndarray) -> None:
    """TensorFlow decodes JPEG with a faster, less exact transform than Pillow."""
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 16 and difference.mean() < 2


def test_grey_becomes_colour() -> None:
    grey = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    (png,) = decode(encode(grey))
    np.testing.assert_array_equal(png, np.repeat(grey[..., np.newaxis], 3, axis=2))
    (jpeg,) = decode(encode(BLOCKS[..., 0], "JPEG", quality=95))
    near(jpeg, np.repeat(BLOCKS[..., :1], 3, axis=2))


def test_a_palette_is_looked_up() -> None:
    picture = Image.fromarray(BLOCKS).quantize(4)
    file = io.BytesIO()
    picture.save(file, "PNG")
    np.testing.assert_array_equal(decode(file.getvalue())[0], np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("channels", [2, 4])
def test_white_shows_through_what_is_transparent(channels: int) -> None:
    pixels = RNG.integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)
    pixels[0, :, -1], pixels[1, :, -1] = 0, 255
    (found,) = decode(encode(pixels))
    picture = Image.fromarray(pixels).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    np.testing.assert_allclose(found.astype(int), np.asarray(Image.alpha_composite(white, picture).convert("RGB")).astype(int), atol=1)
    assert (found[0] == 255).all()
    np.testing.assert_array_equal(found[1], np.broadcast_to(pixels[1, :, :-1], (SIDE, 3)))


@pytest.mark.parametrize("shape", [(8, 20), (21, 8)])
def test_the_middle_square_is_cut_out(shape: tuple[int, int]) -> None:
    pixels = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    top, left = (shape[0] - 8) // 2, (shape[1] - 8) // 2
    np.testing.assert_array_equal(decode(encode(pixels))[0], pixels[top : top + 8, left : left + 8])


def test_a_large_picture_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_allclose(decode(encode(stripes))[0][:, 1:-1], 100, atol=2)
    smooth = np.asarray(Image.fromarray(BLOCKS).resize((64, 64), Image.Resampling.BILINEAR))
    pillow = np.asarray(Image.fromarray(smooth).resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(int)
    np.testing.assert_allclose(decode(encode(smooth))[0].astype(int), pillow, atol=2)


def test_a_small_picture_is_enlarged() -> None:
    small = RNG.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(int)
    np.testing.assert_allclose(decode(encode(small))[0].astype(int), pillow, atol=2)


def test_pictures_of_a_batch_stay_apart() -> None:
    first, second = (RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(2))
    found = decode(encode(first), encode(second, "BMP"), encode(first[..., 0]))
    np.testing.assert_array_equal(found[0], first)
    np.testing.assert_array_equal(found[1], second)
    np.testing.assert_array_equal(found[2][..., 1], first[..., 0])


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(b"no picture")
