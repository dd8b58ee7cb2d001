"""Raw images and labels from files: which files there are, what format they have, and their pixels.

Everything that can be wrong with the files is found by `find_sources`, before any work on them starts.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from components.errors import DataRejected
from components.files import describe, list_files
from components.image_example_gen.arrays import Arrays, Source
from components.image_example_gen.idx import find_idx, is_idx
from components.image_example_gen.npz import find_npz, is_npz
from components.image_example_gen.pictures import find_pictures, is_picture

# Of each format: whether a file is of it, and what sources such files make.
FORMATS: dict[str, tuple[Callable[[Path], bool], Callable[[Path, list[Path], Sequence[str]], Sequence[Source]]]] = {
    "IDX": (is_idx, find_idx),
    "NPZ": (is_npz, find_npz),
    "pictures": (is_picture, find_pictures),
}


@functools.lru_cache(maxsize=8)
def load(source: Source) -> Arrays:
    """The arrays of a source, read once while it is in use: see `Source.read`. A source holds a bounded number of bytes."""
    return source.read()


def find_sources(folder: Path, pattern: str, class_names: Sequence[str] = ()) -> list[Source]:
    """Finds and checks raw images.

    Args:
        folder: where they lie.
        pattern: glob, relative to the folder, of all their files.
        class_names: folder names of the classes in the order of their labels; without them, their alphabetical order.

    Returns:
        Sources of "train" and, where the data brings a test set of its own, of "test".

    Raises:
        DataRejected: the files are not what they should be; the message is one line.
    """
    files = list_files(folder, pattern)
    names = [name for name, (matches, _) in FORMATS.items() if any(map(matches, files))]
    if len(names) != 1:
        raise DataRejected(
            f"expected one format of images in {folder} (IDX files as MNIST's, one .npz file, or folders of .png, .jpg or .bmp files), "
            f"received {' and '.join(names) or describe(files)}. Point to a folder with one of them."
        )
    matches, find = FORMATS[names[0]]
    others = [path for path in files if not matches(path)]
    if others:
        raise DataRejected(f"expected nothing but {names[0]} in {folder}, received also {describe(others)}. Convert or remove it.")
    sources = list(find(folder, files, class_names))
    shapes: dict[tuple[int, ...], Source] = {}
    for source in sources:
        shapes.setdefault(load(source).images.shape[1:], source)
    if len(shapes) > 1:
        (expected, first), (received, second) = list(shapes.items())[:2]
        raise DataRejected(
            f"expected all images to be of one size, received {shape_text(expected)} in {first} and {shape_text(received)} in {second}. "
            "Resize them to one size."
        )
    return sources


def shape_text(shape: tuple[int, ...]) -> str:
    """Height x width of an image's shape, and x channels where it has them."""
    return "x".join(map(str, shape))
