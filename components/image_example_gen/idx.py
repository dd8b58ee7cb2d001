"""IDX files, in the layout of MNIST (http://yann.lecun.com/exdb/mnist/): images and labels apart, gzipped or not."""

import dataclasses
import gzip
import io
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.errors import DataRejected
from components.files import MOST_COMPRESSION, describe
from components.image_example_gen.arrays import Arrays, check_arrays, check_size
from components.splits import TEST, TRAIN

NAME = re.compile(r"(?P<split>train|t10k|test)-(?P<kind>images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")


def is_idx(path: Path) -> bool:
    """Whether a file is named like one of MNIST's."""
    return NAME.fullmatch(path.name) is not None


@dataclasses.dataclass(frozen=True)
class IdxSource:
    """A file of images and one of their labels."""

    split: str
    images: Path
    labels: Path

    def __str__(self) -> str:
        return self.images.name

    def read(self) -> Arrays:
        """See `Source.read`."""
        return check_arrays(read_idx(self.images, 3), read_idx(self.labels, 1), f"{self.images} and {self.labels.name}")


def find_idx(folder: Path, files: list[Path], _class_names: Sequence[str]) -> list[IdxSource]:
    """The sources that IDX files make: see `readers.find_sources`."""
    found: dict[tuple[str, str], Path] = {}
    for path in files:
        match = NAME.fullmatch(path.name)
        assert match, path
        key = (TRAIN if match["split"] == "train" else TEST, match["kind"][:6])
        if key in found:
            raise DataRejected(
                f"expected one file of {key[0]} {key[1]} in {folder}, received {found[key].name} and {path.name}. Keep one of them."
            )
        found[key] = path
    sources = []
    for split in (TRAIN, TEST):
        images, labels = found.get((split, "images")), found.get((split, "labels"))
        if images and labels:
            sources.append(IdxSource(split, images, labels))
        elif images or labels or split == TRAIN:
            raise DataRejected(
                f"expected {split}-images-idx3-ubyte and {split}-labels-idx1-ubyte (or .gz) in {folder}, received {describe(files)}. "
                "Add the missing file."
            )
    return sources


def read_idx(path: Path, rank: int) -> np.ndarray:
    """A uint8 array of so many dimensions.

    Raises:
        DataRejected: wrong magic number, or fewer or more bytes than its header says; no memory is taken before that is known.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return read_stream(file, rank, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataRejected(
            f"expected {path} to be a complete gzip file, received a truncated or damaged one ({error}). Get it again."
        ) from error
    except OSError as error:
        raise DataRejected(f"expected {path} to be readable, received: {error.strerror}. Check its permissions.") from error


def read_stream(file: io.BufferedIOBase, rank: int, path: Path) -> np.ndarray:
    """`read_idx` of an open file."""
    header = file.read(4 + 4 * rank)
    if len(header) < 4 + 4 * rank:
        raise DataRejected(f"expected an IDX header of {4 + 4 * rank} bytes in {path}, received {len(header)} bytes. Get the file again.")
    magic, *shape = struct.unpack(f">{1 + rank}I", header)
    if magic != 0x800 + rank:
        raise DataRejected(
            f"expected IDX magic number {0x800 + rank} (bytes, {rank} dimensions) in {path}, received {magic}. It is no such file."
        )
    size = check_size(shape, str(path))
    room = path.stat().st_size * (MOST_COMPRESSION if path.suffix == ".gz" else 1)
    array = np.empty(size if size <= room else 0, np.uint8)
    received = file.readinto(array.data)
    if size > room or received < size:
        raise DataRejected(
            f"expected {size} bytes after the header of {path} ({' x '.join(map(str, shape))}), received {received or 'fewer'}. "
            "It is truncated: get it again."
        )
    if file.read(1):
        raise DataRejected(
            f"expected {size} bytes after the header of {path}, received more. Its header or content is damaged: get it again."
        )
    return array.reshape(shape)
