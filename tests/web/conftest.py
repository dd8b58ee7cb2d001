"""A version of a small model of digits' size to make pages of."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.tflite_exporter.converters import float32
from tests.signed import sign

CLASSES = ("round", "straight", "other")
SIDE = 28


def samples(count: int, seed: int = 3) -> np.ndarray:
    """uint8 [count, 28, 28]: noise in the middle, black at the edges."""
    pixels = np.zeros((count, SIDE, SIDE), np.uint8)
    pixels[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 256, (count, 20, 20))
    return pixels


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pushed version, <root>/serving/mnist_mlp/1, of a random classifier of three classes."""
    folder = tmp_path_factory.mktemp("root") / "serving/mnist_mlp/1"
    keras.utils.set_random_seed(4)
    layers = [keras.layers.Flatten(), keras.layers.Dense(16, "relu"), keras.layers.Dense(len(CLASSES), "softmax")]
    model = keras.Sequential([keras.Input((SIDE, SIDE)), *layers])
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = [tf.TensorSpec([None, SIDE, SIDE], tf.uint8, name="image")]
    archive.add_endpoint("raw", lambda image: {"probabilities": model(tf.cast(image, tf.float32) / 255.0)}, input_signature=spec)
    archive.write_out(str(folder), verbose=False)
    extras = folder / "assets.extra"
    (extras / "tflite").mkdir(parents=True)
    float32(folder, extras / "tflite", {})
    with tf.io.TFRecordWriter(str(extras / "tf_serving_warmup_requests")) as writer:
        for image in samples(4):
            request = predict_pb2.PredictRequest(inputs={"image": tf.make_tensor_proto(image[np.newaxis])})
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
    record = {"version": 1, "pushed": "2026-11-25T20:00:00+00:00", "lineage": {"class_names": list(CLASSES)}}
    (extras / "darsena.json").write_text(json.dumps(record))
    return sign(folder)
