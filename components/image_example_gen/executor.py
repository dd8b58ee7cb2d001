"""Work of ImageExampleGen: finds raw images, and turns them into tf.Examples."""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_beam_executor

from components.content_splits import Settings, raw_files, write_examples
from components.image_example_gen.arrays import Source
from components.image_example_gen.encoded import EncodedSource, find_encoded, load_encoded
from components.image_example_gen.readers import find_sources, load
from components.splits import DIGEST_BYTES


@dataclasses.dataclass(frozen=True)
class ImageBlock:
    """Images of one size, uint8 [N, H, W] or [N, H, W, C], and their labels, int64 [N]: a content_splits.Block."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, offset: int, step: int) -> "ImageBlock":
        """See `Block.part`."""
        return ImageBlock(self.images[offset::step], self.labels[offset::step])

    def digests(self) -> list[bytes]:
        """See `Block.digests`."""
        return digests(self.images)

    def serialize(self, rows: np.ndarray) -> Iterator[bytes]:
        """See `Block.serialize`."""
        return serialize(self.images[rows], self.labels[rows])


def read_images(source: Source) -> ImageBlock:
    """The images of a source."""
    return ImageBlock(*load(source))


class Executor(base_beam_executor.BaseBeamExecutor):
    """See ImageExampleGen."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Reads the images of `input_base`, and writes the splits of the Examples artifact.

        Raises:
            DataRejected: the raw data isn't what it should be, or too little to make three splits of.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = Settings.of(exec_properties)
        folder, pattern = raw_files(exec_properties)
        names = tuple(settings.reader["class_names"])
        caches = (load, load_encoded)
        for cache in caches:
            cache.cache_clear()
        try:
            if settings.reader["encoded"]:
                sources: list[EncodedSource] = find_encoded(folder, pattern, names)
                write_examples(self._make_beam_pipeline, sources, load_encoded, settings, output_dict, "images")
            else:
                write_examples(self._make_beam_pipeline, find_sources(folder, pattern, names), read_images, settings, output_dict, "images")
        finally:
            for cache in caches:
                cache.cache_clear()


def digests(images: np.ndarray) -> list[bytes]:
    """A hash of each image's pixels and shape: equal images have equal ones, in whatever file and format they are.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C].

    Returns:
        N digests of DIGEST_BYTES bytes.
    """
    salt = hashlib.blake2b(repr(images.shape[1:]).encode(), digest_size=16).digest()
    return [hashlib.blake2b(image, digest_size=DIGEST_BYTES, salt=salt).digest() for image in np.ascontiguousarray(images)]


def serialize(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
    """tf.Examples of images, with the features that ImageExampleGen documents.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C].
        labels: int64 [N].
    """
    height, width, channels = (*images.shape[1:], 1)[:3]
    brightness = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64) / 255 if len(images) else np.empty(0)
    # One message is filled again and again: twice as fast as one for each example.
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/height"].int64_list.value.append(height)
    feature["image/width"].int64_list.value.append(width)
    feature["image/channels"].int64_list.value.append(channels)
    pixels, label, mean = feature["image"].bytes_list.value, feature["label"].int64_list.value, feature["image/brightness"].float_list.value
    pixels.append(b"")
    label.append(0)
    mean.append(0.0)
    for image, label[0], mean[0] in zip(images, labels.tolist(), brightness.tolist(), strict=True):
        pixels[0] = image.tobytes()
        yield example.SerializeToString(deterministic=True)
