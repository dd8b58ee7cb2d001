"""What every format of raw images is read into, and the checks that they share."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from components.errors import DataRejected

# At most so many bytes of pixels are taken from one file, since they are held in memory. Folders of pictures have no limit.
MOST_BYTES = 2 << 30


class Arrays(NamedTuple):
    """Images and labels: uint8 [N, H, W] or [N, H, W, C] with C > 1, and int64 [N]."""

    images: np.ndarray
    labels: np.ndarray


class Source(Protocol):
    """Images that are read in one go; hashable, small and picklable. Its text says where they are from."""

    @property
    def split(self) -> str:
        """TRAIN or TEST."""

    def read(self) -> Arrays:
        """Reads the images.

        Raises:
            DataRejected: they are not as they should be.
        """

    def __hash__(self) -> int: ...


def check_arrays(images: np.ndarray, labels: np.ndarray, origin: str) -> Arrays:
    """Brings images and labels as read from a file into the form of `Arrays`.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C].
        labels: any integers, [N] or [N, 1].
        origin: where they are from, for messages.

    Raises:
        DataRejected: type or shape differ from that, or the counts differ.
    """
    if len(images) != len(labels):
        raise DataRejected(
            f"expected as many labels as images in {origin}, received {len(images)} images and {len(labels)} labels. "
            "Remove what has no partner."
        )
    if not images.size:
        raise DataRejected(f"expected images in {origin}, received an empty array of shape {list(images.shape)}. Write the images into it.")
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    return Arrays(images, labels.reshape(-1).astype(np.int64, copy=False))


def check_image_type(dtype: np.dtype, shape: Sequence[int], origin: str) -> None:
    """Raises DataRejected unless these are uint8 [N, H, W] or [N, H, W, C] with at most 4 channels, of a size that fits in memory."""
    if dtype != np.uint8:
        advice = "If they are in 0..1, multiply by 255 and cast" if dtype.kind == "f" else "Cast pixels that are in 0..255"
        raise DataRejected(f"expected pixels of type uint8 in 0..255 in {origin}, received {dtype}. {advice} with .astype('uint8').")
    if len(shape) not in (3, 4) or (len(shape) == 4 and not 1 <= shape[3] <= 4):
        raise DataRejected(
            f"expected images of shape [N, height, width] or [N, height, width, channels] in {origin}, received {list(shape)}. "
            "Reshape them."
        )
    check_size(shape, origin)


def check_label_type(dtype: np.dtype, shape: Sequence[int], origin: str) -> None:
    """Raises DataRejected unless these are integers [N] or [N, 1]."""
    if len(shape) == 2 and shape[1] > 1:
        raise DataRejected(
            f"expected one class number per image in {origin}, received one-hot labels {list(shape)}. Take their .argmax(axis=1)."
        )
    if dtype.kind not in "iu" or not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise DataRejected(
            f"expected one integer class number per image in {origin}, received {dtype} of shape {list(shape)}. Cast with .astype('int64')."
        )


def check_size(shape: Sequence[int], origin: str) -> int:
    """The number of pixels of uint8 images, with no overflow.

    Raises:
        DataRejected: they are more than fit in memory.
    """
    size = 1
    for length in shape:
        size *= int(length)
    if size > MOST_BYTES:
        raise DataRejected(
            f"expected at most {MOST_BYTES} bytes of pixels in {origin}, its header says {size}. "
            "Get it again if that can't be, else convert it to a folder of pictures."
        )
    return size
