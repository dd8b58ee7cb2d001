"""Preprocessing that models of grey pictures share."""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules.common.decoding import decode_pixels


def grey_pixels(inputs: Mapping[str, tf.Tensor], image: str, label: str, shape: tuple[int, int]) -> dict[str, tf.Tensor]:
    """Raw grey pictures and their labels to what a model takes and what it learns.

    Args:
        inputs: raw features, of which `image`, string [N], holds height x width pixels each, and `label` is int64 [N].
        image: name of the feature with the pixels.
        label: name of the feature with the label.
        shape: height and width.

    Returns:
        `image`, float32 [N, height, width] in 0..1; `label` as it is.
    """
    pixels = decode_pixels(image, inputs[image], shape)
    return {image: tf.cast(pixels, tf.float32) / 255.0, label: inputs[label]}
