"""What a Trainer leaves behind, made once with the tiny model: its SavedModel, golden examples and Examples of two splits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny_model


@dataclasses.dataclass(frozen=True)
class Trained:
    """Folders of artifacts: `model/Format-Serving`, `model_run/golden`, `examples/Split-train` and `examples/Split-test`."""

    root: Path

    @property
    def saved_model(self) -> Path:
        return self.root / "model" / "Format-Serving"

    @property
    def model_run(self) -> Path:
        return self.root / "model_run"

    @property
    def examples(self) -> Path:
        return self.root / "examples"


def write_records(file: Path, records: list[bytes]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), "GZIP" if file.suffix == ".gz" else "") as writer:
        for record in records:
            writer.write(record)


def write_golden(model_run: Path, examples: list[bytes], **outputs: np.ndarray) -> Path:
    write_records(model_run / "golden" / "examples.tfrecord", examples)
    np.savez(model_run / "golden" / "outputs.npz", **outputs)
    return model_run


def answers(model, images: np.ndarray) -> np.ndarray:
    """What the tiny model answers in memory, before it is saved."""
    return model(images.astype(np.float32) / 255).numpy()


GOLDEN_IMAGES = tiny_model.images(32, seed=1)
TEST_IMAGES = tiny_model.images(100, seed=3)
TEST_LABELS = np.arange(100) % tiny_model.CLASSES


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    made = Trained(tmp_path_factory.mktemp("trained"))
    model = tiny_model.export(made.saved_model)
    write_golden(made.model_run, [tiny_model.example(image) for image in GOLDEN_IMAGES], probabilities=answers(model, GOLDEN_IMAGES))
    train = [tiny_model.example(image, 0) for image in tiny_model.images(300, seed=2)]
    write_records(made.examples / "Split-train" / "data_tfrecord-00000-of-00001.gz", train)
    test = [tiny_model.example(image, int(label)) for image, label in zip(TEST_IMAGES, TEST_LABELS, strict=True)]
    write_records(made.examples / "Split-test" / "data_tfrecord-00000-of-00001.gz", test)
    return made


@pytest.fixture(scope="session")
def other_model_run(trained, tmp_path_factory) -> Path:
    """Golden answers of another model, of seed 1, to the same examples."""
    folder = tmp_path_factory.mktemp("other")
    other = tiny_model.export(folder / "saved_model", seed=1)
    examples = [tiny_model.example(image) for image in GOLDEN_IMAGES]
    return write_golden(folder / "model_run", examples, probabilities=answers(other, GOLDEN_IMAGES))


class Holder(tf.Module):
    """Merely holds a Keras model (or another function of pixels), whose variables tf.Module does not find."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def decode(self, examples):
        raw = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})["image"]
        return {"image": tf.reshape(tf.io.decode_raw(raw, tf.uint8), [-1, tiny_model.SIZE, tiny_model.SIZE])}

    @tf.function(input_signature=[tf.TensorSpec([None, tiny_model.SIZE, tiny_model.SIZE], tf.uint8, name="image")])
    def serve(self, image):
        return {"probabilities": self.model(tf.cast(image, tf.float32) / 255.0)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples):
        return self.serve(self.decode(examples)["image"])


def save_holder(holder: Holder, folder: Path) -> Path:
    signatures = {"raw": holder.serve, "serving_default": holder.examples, "decode": holder.decode}
    tf.saved_model.save(holder, str(folder), signatures=signatures)
    return folder


@pytest.fixture(scope="session")
def unservable(trained, tmp_path_factory) -> Path:
    """A SavedModel that Python loads with the right answers, and the C++ loader can't run."""
    folder = tmp_path_factory.mktemp("unservable")
    return save_holder(Holder(tiny_model.export(folder / "good")), folder / "saved_model")


def artifact(kind, uri: Path, **properties):
    """A TFX artifact in a folder of its own, with custom properties."""
    made = kind()
    uri.mkdir(parents=True, exist_ok=True)
    made.uri = str(uri)
    for name, value in properties.items():
        (made.set_int_custom_property if isinstance(value, int) else made.set_string_custom_property)(name, value)
    return made
