"""tf.Examples of encoded pictures with known pixels, as ImageExampleGen writes them."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def pixels(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """uint8 of the shape, (height, width) or (height, width, 3): noise."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def example(shape: tuple[int, ...], label: int, seed: int) -> bytes:
    """A serialized tf.Example with a PNG of `pixels(shape, seed)` and every other feature of a schema of encoded pictures."""
    image = pixels(shape, seed)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    height, width, channels = (*shape, 1)[:3]
    numbers = {"image/height": height, "image/width": width, "image/channels": channels, "label": label}
    features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])) for name, value in numbers.items()}
    features["image"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.getvalue()]))
    features["image/brightness"] = tf.train.Feature(float_list=tf.train.FloatList(value=[image.mean() / 255]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
