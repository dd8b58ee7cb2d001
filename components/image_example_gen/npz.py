"""NPZ files of images and labels, under the names that Keras publishes (x_train, y_train, x_test, y_test) or x, y or images, labels."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.errors import DataRejected
from components.files import describe
from components.image_example_gen.arrays import Arrays, check_arrays, check_image_type, check_label_type
from components.npz import DAMAGE, array_names, array_type, damaged
from components.splits import TEST, TRAIN

KEYS = (("x_train", "y_train"), ("x", "y"), ("images", "labels"))
TEST_KEYS = ("x_test", "y_test")


def is_npz(path: Path) -> bool:
    """Whether a file is named as one."""
    return path.suffix == ".npz"


@dataclasses.dataclass(frozen=True)
class NpzSource:
    """Two arrays of a file."""

    split: str
    path: Path
    images: str
    labels: str

    def __str__(self) -> str:
        return f"{self.path.name} ({self.images})"

    def read(self) -> Arrays:
        """See `Source.read`."""
        origin = f"{self.images} of {self.path}"
        check_image_type(*array_type(self.path, self.images), origin)
        check_label_type(*array_type(self.path, self.labels), f"{self.labels} of {self.path}")
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                images, labels = arrays[self.images], arrays[self.labels]
        except DAMAGE as error:
            raise damaged(self.path, error) from error
        return check_arrays(images, labels, origin)


def find_npz(folder: Path, files: list[Path], _class_names: Sequence[str]) -> list[NpzSource]:
    """The sources that an NPZ file makes: see `readers.find_sources`."""
    if len(files) != 1:
        raise DataRejected(f"expected one .npz file in {folder}, received {describe(files)}. Point to one of them.")
    path = files[0]
    names = array_names(path)
    sources = [NpzSource(TRAIN, path, *keys) for keys in KEYS if names.issuperset(keys)]
    half_a_test = len(names.intersection(TEST_KEYS)) == 1
    if len(sources) != 1 or half_a_test:
        raise DataRejected(
            f"expected arrays x_train and y_train (with x_test and y_test or without), x and y, or images and labels in {path}, "
            f"received {', '.join(sorted(names)) or 'none'}. Rename them."
        )
    if names.issuperset(TEST_KEYS):
        sources.append(NpzSource(TEST, path, *TEST_KEYS))
    return sources
