"""tf.Examples of images with known pixels, by default of a digit's size, as ImageExampleGen writes them."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.common.config import ModelConfig
from tests.contract import Case


def images(count: int, seed: int = 0, shape: tuple[int, ...] = (28, 28)) -> np.ndarray:
    """uint8 [count, *shape]: noise, but for the first, whose pixels count up from 0 (modulo 256)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    pixels[0] = np.arange(pixels[0].size).reshape(shape) % 256
    return pixels


def example(image: np.ndarray, label: int) -> bytes:
    """A serialized tf.Example with every feature of a schema of raw pixels; the image is [H, W] or [H, W, C]."""
    height, width, channels = (*image.shape, 1)[:3]
    numbers = {"image/height": height, "image/width": width, "image/channels": channels, "label": label}
    features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])) for name, value in numbers.items()}
    features["image"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))
    features["image/brightness"] = tf.train.Feature(float_list=tf.train.FloatList(value=[image.mean() / 255]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def case(module: ModuleType, model: ModelConfig, hparams: Mapping[str, Any]) -> Case:
    """The contract's case of a model of digits whose pixels are scaled to 0..1."""
    digits = images(48)
    return Case(
        module=module,
        schema=(model.schema_dir / "schema.pbtxt").read_text(),
        examples=[example(image, i % 10) for i, image in enumerate(digits)],
        transformed={"image": digits[:2].astype(np.float32) / np.float32(255), "label": [0, 1]},
        hparams=hparams,
        label="label",
    )
