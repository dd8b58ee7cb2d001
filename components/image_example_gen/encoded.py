"""Pictures of any size that stay encoded (JPEG, PNG or BMP) in the tf.Examples, to be decoded in the served graph."""

import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from components.errors import DataRejected
from components.files import describe, list_files
from components.image_example_gen.pictures import DAMAGE, is_picture, labelled
from components.splits import DIGEST_BYTES

# TensorFlow decodes these as the same pixels, transparency dropped.
MODES = ("L", "LA", "1", "RGB", "RGBA", "P")
BLOCK_PICTURES = 2048


@dataclasses.dataclass(frozen=True)
class EncodedSource:
    """Some pictures and their labels: a content_splits.Source."""

    split: str
    files: tuple[tuple[Path, int], ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        content: of its file.
        label: its class.
        digest: of its pixels and shape.
        shape: height, width, channels.
        brightness: mean pixel / 255.
    """

    content: bytes
    label: int
    digest: bytes
    shape: tuple[int, int, int]
    brightness: float


@dataclasses.dataclass(frozen=True)
class EncodedBlock:
    """Pictures that were read: a content_splits.Block."""

    pictures: Sequence[Picture]

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, offset: int, step: int) -> "EncodedBlock":
        """See `Block.part`."""
        return EncodedBlock(self.pictures[offset::step])

    def digests(self) -> list[bytes]:
        """See `Block.digests`."""
        return [picture.digest for picture in self.pictures]

    def serialize(self, rows: np.ndarray) -> Iterator[bytes]:
        """See `Block.serialize`."""
        for row in rows:
            picture = self.pictures[row]
            example = tf.train.Example()
            feature = example.features.feature
            feature["image"].bytes_list.value.append(picture.content)
            for name, size in zip(("height", "width", "channels"), picture.shape, strict=True):
                feature[f"image/{name}"].int64_list.value.append(size)
            feature["image/brightness"].float_list.value.append(picture.brightness)
            feature["label"].int64_list.value.append(picture.label)
            yield example.SerializeToString(deterministic=True)


def find_encoded(folder: Path, pattern: str, class_names: Sequence[str]) -> list[EncodedSource]:
    """Finds pictures in a folder for each class.

    Args:
        folder: where they lie.
        pattern: glob, relative to the folder, of all their files.
        class_names: folder names of the classes in the order of their labels; without them, their alphabetical order.

    Raises:
        DataRejected: there are other files, or they are not sorted into folders of classes.
    """
    files = list_files(folder, pattern)
    others = [path for path in files if not is_picture(path)]
    if others:
        raise DataRejected(f"expected nothing but .png, .jpg and .bmp pictures in {folder}, received {describe(others)}. Remove it.")
    sources = []
    for split, pictures in labelled(folder, files, class_names).items():
        blocks = -(-len(pictures) // BLOCK_PICTURES)
        sources += [EncodedSource(split, tuple(pictures[block::blocks])) for block in range(blocks)]
    return sources


@functools.lru_cache(maxsize=8)
def load_encoded(source: EncodedSource) -> EncodedBlock:
    """Reads and checks the pictures of a source.

    Raises:
        DataRejected: one is damaged, or of a kind that TensorFlow doesn't decode.
    """
    return EncodedBlock([read_picture(path, label) for path, label in source.files])


def read_picture(path: Path, label: int) -> Picture:
    """One picture: its file as it is, and what its pixels tell.

    Raises:
        DataRejected: it is damaged, of more than 8 bits per channel, absurdly large, or no RGB or grey picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "BMP")) as picture:
                if picture.mode not in MODES:
                    raise DataRejected(f"expected 8-bit grey or RGB pixels in {path}, received mode {picture.mode}. Convert the picture.")
                pixels = np.asarray(picture.convert("L" if picture.mode in ("L", "LA", "1") else "RGB"))
    except DataRejected:
        raise
    except (Image.DecompressionBombWarning, *DAMAGE) as error:
        raise DataRejected(
            f"expected {path} to be a complete PNG, JPEG or BMP picture, could not read it ({error}). Replace the file."
        ) from error
    height, width, channels = (*pixels.shape, 1)[:3]
    salt = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16).digest()
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=DIGEST_BYTES, salt=salt).digest()
    return Picture(path.read_bytes(), label, digest, (height, width, channels), float(pixels.mean(dtype=np.float64)) / 255)
