"""tf.Examples of digit-sized images with known pixels, as ImageExampleGen writes them."""

import numpy as np
import tensorflow as tf


def images(count: int, seed: int = 0) -> np.ndarray:
    """uint8 [count, 28, 28]: noise, but for the first, whose pixels count up from 0 (modulo 256)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    pixels[0] = np.arange(28 * 28).reshape(28, 28) % 256
    return pixels


def example(image: np.ndarray, label: int) -> bytes:
    """A serialized tf.Example with every feature of a digits schema."""
    height, width = image.shape
    numbers = {"image/height": height, "image/width": width, "image/channels": 1, "label": label}
    features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])) for name, value in numbers.items()}
    features["image"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))
    features["image/brightness"] = tf.train.Feature(float_list=tf.train.FloatList(value=[image.mean() / 255]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
