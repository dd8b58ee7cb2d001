"""A small real SavedModel with the three signatures of docs/architecture.md, for tests of what is downstream of training."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

SIZE = 4
CLASSES = 3


def example(image: np.ndarray, label: int | None = None) -> bytes:
    """A serialized tf.Example of one uint8 [SIZE, SIZE] image, as ImageExampleGen writes it."""
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.astype(np.uint8).tobytes()])),
        "image/height": tf.train.Feature(int64_list=tf.train.Int64List(value=[image.shape[0]])),
        "image/width": tf.train.Feature(int64_list=tf.train.Int64List(value=[image.shape[1]])),
    }
    if label is not None:
        features["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def images(count: int, seed: int = 0) -> np.ndarray:
    """Random uint8 [count, SIZE, SIZE] images."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8)


def export(folder: Path, seed: int = 0, of_examples: str = "serving_default", of_images: str = "raw") -> keras.Model:
    """Writes a randomly initialised classifier into `folder` and returns it (it takes float32 pixels in 0..1).

    Args:
        folder: to write the SavedModel into.
        seed: of the weights.
        of_examples, of_images: names of the signatures.
    """
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE)), keras.layers.Flatten(), keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES, "softmax")]
    )

    def decode(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})["image"]
        return {"image": tf.reshape(tf.io.decode_raw(raw, tf.uint8), [-1, SIZE, SIZE])}

    def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(tf.cast(image, tf.float32) / 255.0)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    texts = [tf.TensorSpec([None], tf.string, name="examples")]
    archive.add_endpoint(of_images, answer, input_signature=[tf.TensorSpec([None, SIZE, SIZE], tf.uint8, name="image")])
    archive.add_endpoint(of_examples, lambda examples: answer(decode(examples)["image"]), input_signature=texts)
    archive.add_endpoint("decode", decode, input_signature=texts)
    archive.write_out(str(folder), verbose=False)
    return model
