"""Writes raw images in each format that ImageExampleGen reads, for its tests."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def digits(count: int, seed: int = 0, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Random uint8 [count, size, size] images, all different, and int64 [count] labels 0..2 in turn."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8), np.arange(count) % 3


def idx(array: np.ndarray) -> bytes:
    """An IDX file of an array of bytes."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: np.ndarray, compress: bool = True) -> None:
    """Writes the two files of a split."""
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx(array)
        path = folder / f"{prefix}-{name}-ubyte{'.gz' if compress else ''}"
        path.write_bytes(gzip.compress(content) if compress else content)


def png(image: np.ndarray, **options: object) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", **options)
    return file.getvalue()


def write_pictures(folder: Path, images: np.ndarray, labels: np.ndarray, names: tuple[str, ...] = ("0", "1", "2")) -> None:
    """Writes a PNG per image into its class's folder."""
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / names[label] / f"{row:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
