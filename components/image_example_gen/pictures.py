"""Folders of pictures: `<class>/*.png`, `train/<class>/*.png` and `test/<class>/*.png`, or `trainA/*.png`, `trainB/` and so on."""

import dataclasses
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from components.errors import DataRejected
from components.image_example_gen.arrays import Arrays, check_arrays
from components.image_example_gen.folders import one, placed
from components.splits import TEST, TRAIN

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
# What Pillow raises for files that are damaged or hostile.
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB"}
# Pictures are read in blocks of about so many bytes of pixels, so that a folder of any size fits in memory.
BLOCK_BYTES = 64 << 20


def is_picture(path: Path) -> bool:
    """Whether a file is named as a picture that can be read."""
    return path.suffix.lower() in SUFFIXES


@dataclasses.dataclass(frozen=True)
class PictureSource:
    """Some pictures and their labels."""

    split: str
    files: tuple[tuple[Path, int], ...]

    def __str__(self) -> str:
        return str(self.files[0][0])

    def read(self) -> Arrays:
        """See `Source.read`."""
        first = decode(self.files[0][0])
        images = np.empty((len(self.files), *first.shape), np.uint8)
        for row, (path, _) in enumerate(self.files):
            image = decode(path)
            if image.shape != first.shape:
                raise DataRejected(
                    f"expected all images to be of one size, received {'x'.join(map(str, first.shape))} in {self.files[0][0]} "
                    f"and {'x'.join(map(str, image.shape))} in {path}. Resize them to one size."
                )
            images[row] = image
        return check_arrays(images, np.array([label for _, label in self.files], np.int64), str(self))


def find_pictures(folder: Path, files: list[Path], class_names: Sequence[str]) -> list[PictureSource]:
    """The sources that pictures of one size make: see `readers.find_sources`."""
    by_split = labelled(folder, files, class_names)
    size = decode(files[0]).nbytes
    sources = []
    for split, pictures in by_split.items():
        blocks = -(-len(pictures) * size // BLOCK_BYTES)
        # Every so-manieth picture, since the list is sorted by class: each block then has a share of every class.
        sources += [PictureSource(split, tuple(pictures[block::blocks])) for block in range(blocks)]
    return [source for source in sources if source.files]


def labelled(folder: Path, files: list[Path], class_names: Sequence[str]) -> dict[str, list[tuple[Path, int]]]:
    """The pictures of each split with their labels, which the folders they lie in tell.

    Args:
        folder: of the raw data.
        files: pictures in it.
        class_names: folder names of the classes in the order of their labels; without them, their alphabetical order.
            Of `trainA` and `testB` the classes are A and B.

    Raises:
        DataRejected: they are not sorted into folders of classes, or there are none to train on.
    """
    located = [(path, path.relative_to(folder).parts[:-1]) for path in files]
    places = placed(parents for _, parents in located)
    # Of folders of several depths the later ones are the odd ones out.
    for path, parents in located:
        if places[parents] is None and (len(parents) != len(located[0][1]) or one(parents) is None):
            raise DataRejected(
                f"expected <class>/<picture> everywhere in {folder}, or train/<class>/<picture> and test/<class>/<picture>, "
                f"received {path.relative_to(folder)}. Sort the pictures into such folders."
            )
    placed_files = [(path, place) for path, parents in located if (place := places[parents])]
    classes = list(class_names) or sorted({name for _, (_, name) in placed_files})
    labels = {name: label for label, name in enumerate(classes)}
    by_split: dict[str, list[tuple[Path, int]]] = {TRAIN: [], TEST: []}
    for path, (split, name) in placed_files:
        if name not in labels:
            raise DataRejected(f"expected class folders named {', '.join(classes)} in {folder}, received {name}. Rename or remove it.")
        by_split[split].append((path, labels[name]))
    if not by_split[TRAIN]:
        raise DataRejected(f"expected pictures in {folder / TRAIN}, received some in {folder / TEST} only. Add those to train on.")
    return by_split


def decode(path: Path) -> np.ndarray:
    """The pixels of a picture as displayed: uint8 [H, W] if it is grey, [H, W, 3] if it is in colour.

    Raises:
        DataRejected: it is damaged, transparent, of more than 8 bits per channel, or absurdly large.
    """
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("PNG", "JPEG", "BMP")) as picture:
                mode = MODES.get(picture.mode)
                if mode is None or "transparency" in picture.info:
                    raise DataRejected(
                        f"expected 8-bit grey or RGB pixels without transparency in {path}, received mode {picture.mode}. "
                        "Convert the picture."
                    )
                upright = ImageOps.exif_transpose(picture) if picture.format == "JPEG" else picture
                return np.asarray(upright if upright.mode == mode else upright.convert(mode))
    except (Image.DecompressionBombWarning, *DAMAGE) as error:
        if isinstance(error, DataRejected):
            raise
        raise DataRejected(
            f"expected {path} to be a complete PNG, JPEG or BMP picture, could not read it ({error}). Replace the file."
        ) from error
