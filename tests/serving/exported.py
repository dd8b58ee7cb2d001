"""Models that the serving tests serve, and what they must answer."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests import tiny_model

NAME = "tiny"
SIGNAL = [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]]  # of TF Serving's documentation, as are the tags and sensors
SENSOR = [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]


@dataclasses.dataclass(frozen=True)
class Exported:
    """Two versions of the tiny model, in folders named by their number, and their Keras models."""

    folder: Path
    models: dict[int, keras.Model]

    def publish(self, version: int, base: Path, number: int | None = None, name: str = NAME) -> Path:
        """Copies a version to `<base>/<model>/<number>` as the Pusher does: under another name, then in one rename."""
        target = base / name / str(number or version)
        staged = target.with_name(f".staged-{target.name}")
        shutil.copytree(self.folder / str(version), staged)
        return staged.rename(target)

    def answer(self, version: int, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [N, CLASSES], by the Keras model in this process."""
        return np.asarray(self.models[version](images.astype(np.float32) / 255.0))


def export_tiny(folder: Path) -> Exported:
    """Writes both versions under `folder`."""
    return Exported(
        folder, {version: tiny_model.export(folder / str(version), version, "examples", "serving_default") for version in (1, 2)}
    )


class HalfPlusThree(tf.Module):
    """The model of TF Serving's REST documentation: y = x / 2 + 3."""

    def __init__(self) -> None:
        super().__init__()
        self.half = tf.Variable(0.5)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * self.half + 3.0}


class Sensors(tf.Module):
    """Several inputs and outputs of several dtypes, named as in TF Serving's REST documentation."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = tf.Variable(0.0)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="tag"),
            tf.TensorSpec([None, 5], tf.int32, name="signal"),
            tf.TensorSpec([None, 2, 2], tf.float32, name="sensor"),
        ]
    )
    def serve(self, tag: tf.Tensor, signal: tf.Tensor, sensor: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "name": tf.strings.upper(tag),
            "name_bytes": tag,
            "total": tf.reduce_sum(tf.cast(signal, tf.int64), axis=1),
            "scaled": sensor / 10.0 + self.zero,
            "odd": tf.math.log(sensor[:, 0, 0] - 1.0) * 0.0,  # log(0)·0 is NaN
            "high": sensor[:, 0, 0] > 2.0,
        }


def export_documented(base: Path) -> None:
    """Writes half_plus_three (version 00000123, as TF Serving keeps it) and sensors (version 1) under `base`."""
    for name, version, module in (("half_plus_three", "00000123", HalfPlusThree()), ("sensors", "1", Sensors())):
        tf.saved_model.save(module, str(base / name / version), signatures={"serving_default": module.serve})
