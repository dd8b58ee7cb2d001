"""CIFAR-10 (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009): 32x32 colour images of ten kinds of things.

The sample is generated (shapes.py), of the same kinds.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import DataRejected
from pipelines.common.datasets.definition import DataSet, Download, Release

if TYPE_CHECKING:
    import numpy as np

# In the order of their labels.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
SAMPLE_IMAGES = 2000
SAMPLE_SEED = 10
BINARY = "cifar-10-binary.tar.gz"
JPEG = "cifar10_60k_jpeg.tar.xz"


def write_sample(folder: Path) -> None:
    """Writes `shapes.npz` with `x`, uint8 [2000, 32, 32, 3], and `y`, uint8 [2000], into a folder.

    Raises:
        OSError: the file can't be written.
    """
    import numpy as np

    from pipelines.common.datasets.shapes import draw_images

    images, labels = draw_images(SAMPLE_IMAGES, SAMPLE_SEED)
    np.savez(folder / "shapes.npz", x=images, y=labels)


def unpack_binary(folder: Path, target: Path) -> None:
    """Writes the published archive as `cifar10.npz` (`x_train`, `y_train`, `x_test`, `y_test`).

    Its files `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` are rows of a label and then the red, the green and the
    blue pixels, a byte each.

    Args:
        folder: that the archive lies in.
        target: to write into.

    Raises:
        DataRejected: the archive holds something else.
    """
    import numpy as np

    batches: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    for name, content in members(folder / BINARY):
        if matched := re.fullmatch(r"cifar-10-batches-bin/(data|test)_batch(_[1-5])?\.bin", name):
            if len(content) % (1 + 3072):
                raise DataRejected(f"expected rows of 3073 bytes in {name} of {folder / BINARY}, received {len(content)} bytes.")
            batches["test" if matched[1] == "test" else "train"].append(np.frombuffer(content, np.uint8).reshape(-1, 1 + 3072))
    if not all(batches.values()):
        raise DataRejected(f"expected train and test images in {folder / BINARY}, received none of {missing(batches)}.")
    train, test = (np.concatenate(batches[split]) for split in ("train", "test"))
    np.savez(target / "cifar10.npz", x_train=pixels(train), y_train=train[:, 0], x_test=pixels(test), y_test=test[:, 0])


def unpack_jpeg(folder: Path, target: Path) -> None:
    """Writes an archive of JPEG files, `train/<class>/*.jpg` and `test/<class>/*.jpg`, as `cifar10.npz` (as `unpack_binary` does).

    Args:
        folder: that the archive lies in.
        target: to write into.

    Raises:
        DataRejected: the archive holds something else.
    """
    import numpy as np
    from PIL import Image

    images: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    for name, content in members(folder / JPEG):
        matched = re.fullmatch(rf"(train|test)/({'|'.join(CLASSES)})/[^/]+\.jpg", name)
        if not matched:
            raise DataRejected(f"expected train/<class>/*.jpg and test/<class>/*.jpg in {folder / JPEG}, received {name}.")
        try:
            with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
                image = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataRejected(f"expected a JPEG picture at {name} of {folder / JPEG}, could not read it ({error}).") from error
        if image.shape != SHAPE:
            raise DataRejected(f"expected 32x32 pixels at {name} of {folder / JPEG}, received {image.shape[1]}x{image.shape[0]}.")
        images[matched[1]].append(image)
        labels[matched[1]].append(CLASSES.index(matched[2]))
    if not all(images.values()):
        raise DataRejected(f"expected train and test images in {folder / JPEG}, received none of {missing(images)}.")
    np.savez(
        target / "cifar10.npz",
        x_train=np.stack(images["train"]),
        y_train=np.array(labels["train"], np.uint8),
        x_test=np.stack(images["test"]),
        y_test=np.array(labels["test"], np.uint8),
    )


def pixels(rows: np.ndarray) -> np.ndarray:
    """The pixels of rows of a label and the values of one colour after the other: uint8 [N, 3073] to [N, 32, 32, 3]."""
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def missing(found: Mapping[str, list]) -> str:
    """Names of the splits that nothing was found of."""
    return " and ".join(split for split, images in found.items() if not images)


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's files, read one after the other without writing any to disk, wherever their names lead.

    Raises:
        DataRejected: a name leads out of the archive, or is of something else than a file or folder, such as a link.
    """
    with tarfile.open(archive) as opened:
        for member in opened:
            try:
                tarfile.data_filter(member, str(archive.parent))
            except tarfile.FilterError as error:
                raise DataRejected(f"expected an archive of plain files in {archive}, received {error}.") from error
            content = opened.extractfile(member) if member.isfile() else None
            if content:
                yield member.name, content.read()
            elif not member.isdir():
                raise DataRejected(f"expected plain files in {archive}, received {member.name}, which is a link or a device.")


CIFAR10 = DataSet(
    name="cifar10",
    description="sample: 2,000 generated pictures of ten kinds of objects; full: CIFAR-10, 50,000 and an official test set of 10,000",
    formats=(
        "an .npz file (x_train, y_train and perhaps x_test, y_test; or x, y; or images, labels), or a folder of pictures per class "
        "(airplane/*.png to truck/*.png, or train/airplane/*.png and test/airplane/*.png). Pixels are 32x32, 8-bit RGB."
    ),
    write_sample=write_sample,
    releases=(
        Release(
            downloads=(
                Download(
                    file=BINARY,
                    url=f"https://www.cs.toronto.edu/~kriz/{BINARY}",
                    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    size=170052171,
                ),
            ),
            unpack=unpack_binary,
        ),
        Release(
            downloads=(
                Download(file=JPEG, url="", sha256="e07e0e30715fb42d2d644bc9d2516ff610c9f7afb891c5e29e2a428db7951aae", size=18559796),
            ),
            unpack=unpack_jpeg,
            note="a JPEG copy (quality 75, 4:2:0) of CIFAR-10, not the original pixels",
        ),
    ),
)
