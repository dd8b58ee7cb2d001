"""Models that the serving tests serve, and what they must answer."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

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


class HalfPlusTwo(tf.Module):
    """The model of TF Serving's own tests, y = x / 2 + 2 of tf.Examples with x, and signatures that are no classifier or regressor."""

    def __init__(self) -> None:
        super().__init__()
        self.half = tf.Variable(0.5)

    def y(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"] * self.half + 2.0

    def signatures(self) -> dict[str, Any]:
        y = self.y
        classes = tf.constant([["low", "high"]])
        answers = {
            "regress_x_to_y": lambda inputs: {"outputs": y(inputs)},
            "regress_flat": lambda inputs: {"outputs": y(inputs)[:, 0]},
            "regress_pairs": lambda inputs: {"outputs": tf.repeat(y(inputs), 2, axis=1)},
            "regress_once": lambda inputs: {"outputs": y(inputs)[:1]},
            "regress_double": lambda inputs: {"outputs": tf.cast(y(inputs), tf.float64)},
            "classify_x_to_y": lambda inputs: {"scores": y(inputs)},
            "classify_names": lambda inputs: {"classes": tf.repeat(classes, tf.size(inputs), axis=0)},
            "classify_both": lambda inputs: {
                "classes": tf.repeat(classes, tf.size(inputs), axis=0),
                "scores": tf.concat([-y(inputs), y(inputs)], axis=1),
            },
            "classify_uneven": lambda inputs: {"classes": tf.repeat(classes, tf.size(inputs), axis=0), "scores": y(inputs)},
            "classify_flat": lambda inputs: {"scores": y(inputs)[:, 0]},
            "classify_numbers": lambda inputs: {"classes": y(inputs)},
            "classify_three": lambda inputs: {"scores": y(inputs), "a": y(inputs), "b": y(inputs)},
            "unnamed": lambda inputs: {"y": y(inputs)},
        }
        texts = [tf.TensorSpec([None], tf.string, name="inputs")]
        found = {name: tf.function(answer, input_signature=texts) for name, answer in answers.items()}
        found["serving_default"] = found["regress_x_to_y"]
        others = {
            "of_examples": [tf.TensorSpec([None], tf.string, name="examples")],
            "of_numbers": [tf.TensorSpec([None], tf.float32, name="inputs")],
            "of_two": [tf.TensorSpec([None], tf.string, name=name) for name in ("inputs", "more")],
        }
        for name, specs in others.items():
            found[name] = tf.function(lambda *given: {"outputs": tf.zeros(tf.shape(given[0])) * self.half}, input_signature=specs)
        return found


def export_documented(base: Path) -> None:
    """Writes half_plus_three (version 00000123, as TF Serving keeps it), half_plus_two and sensors (version 1) under `base`."""
    for name, version, module in (("half_plus_three", "00000123", HalfPlusThree()), ("sensors", "1", Sensors())):
        tf.saved_model.save(module, str(base / name / version), signatures={"serving_default": module.serve})
    half_plus_two = HalfPlusTwo()
    tf.saved_model.save(half_plus_two, str(base / "half_plus_two/1"), signatures=half_plus_two.signatures())
