"""What a phone has is the .tflite file alone: with its metadata raw inputs are answered as the SavedModel answers them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.tflite_exporter.interpreter import answer
from tests.tflite_metadata import read_metadata

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def pushed(root: Path, model: str, *options: str) -> tuple[dict, dict[str, Path]]:
    """The record of a sample run, and the folders of its outputs."""
    command = [sys.executable, "-m", "pipelines", "run", model, *options, "--root", str(root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=480)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads(done.stdout)
    return record, {name: Path(uris[0]) for node in record["nodes"] for name, uris in node["outputs"].items()}


def raw_examples(outputs: dict[str, Path], count: int) -> list[bytes]:
    files = sorted(str(path) for path in (outputs["examples"] / "Split-test").iterdir())
    return list(tf.data.TFRecordDataset(files, "").take(count).as_numpy_iterator())


def answers(outputs: dict[str, Path], examples: list[bytes]) -> dict[str, np.ndarray]:
    signatures = tf.saved_model.load(str(outputs["model"] / "Format-Serving")).signatures
    return {name: value.numpy() for name, value in signatures["serving_default"](examples=tf.constant(examples)).items()}


def features(example: bytes) -> dict[str, tf.train.Feature]:
    return tf.train.Example.FromString(example).features.feature


def test_a_classifiers_columns_have_the_names_of_its_classes(tmp_path):
    record, outputs = pushed(tmp_path, "mnist_mlp")
    for name in ("float32", "float16", "dynamic", "int8"):
        found = read_metadata(outputs["exports"] / f"{name}.tflite")
        assert found["outputs"]["probabilities"]["files"]["labels.txt"] == (2, record["class_names"])
        assert (found["name"], found["version"][:2]) == ("mnist_mlp", "1+")
        image = found["inputs"]["image"]
        assert (image["low"], image["high"], image["mean"], image["std"]) == ([0.0], [255.0], [0.0], [1.0])
        assert image["picture"] == (28, 28, 2)


def test_a_regressor_is_asked_by_its_means_and_deviations(tmp_path):
    _, outputs = pushed(tmp_path, "house_prices", "--preset", "linear")
    file = outputs["exports"] / "float32.tflite"
    metadata = read_metadata(file)["inputs"]
    examples = [each for each in raw_examples(outputs, 60) if features(each)["total_bedrooms"].float_list.value]
    expected = answers(outputs, examples)["prediction"]
    given = {}
    for name, tensor in metadata.items():
        raw = name.rpartition("__")[0]
        if name.endswith("__zscore"):
            assert tensor["description"] == f"(x - mean) / std of {raw}"
            numbers = np.array([features(each)[raw].float_list.value[0] for each in examples])
            values = np.clip((numbers - tensor["mean"]) / tensor["std"], -8, 8)
            given[name] = values.astype(np.float32)[:, np.newaxis]
        elif name == "ocean_proximity__id":
            _, words = tensor["files"]["ocean_proximity__id.txt"]
            given[name] = np.array([[words.index(features(each)[raw].bytes_list.value[0].decode())] for each in examples])
        else:
            assert name == "total_bedrooms__missing"
            given[name] = np.zeros((len(examples), 1), np.float32)
    found, _ = answer(file, given)
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-4)


def test_a_text_is_asked_by_the_numbers_of_its_words(tmp_path):
    _, outputs = pushed(tmp_path, "sms_spam")
    file = outputs["exports"] / "float32.tflite"
    metadata = read_metadata(file)
    assert metadata["outputs"]["probability"]["files"]["labels.txt"] == (2, ["spam"])
    kind, words = metadata["inputs"]["tokens"]["files"]["tokens.txt"]
    assert kind == 5 and words[:2] == ["[PAD]", "[UNK]"]
    # Words of letters only: how a text is split into words is for a client to know.
    texts = [re.sub("[^a-z]+", " ", text(each).lower()) for each in raw_examples(outputs, 40)]
    numbers = [[words.index(word) if word in words else 1 for word in each.split()][:64] for each in texts]
    given = {"tokens": np.array([row + [0] * (64 - len(row)) for row in numbers])}
    plain = [with_text(each) for each in texts]
    found, _ = answer(file, given)
    np.testing.assert_allclose(found["probability"], answers(outputs, plain)["probability"], atol=1e-5)


def with_text(value: str) -> bytes:
    return tf.train.Example(features={"feature": {"text": {"bytes_list": {"value": [value.encode()]}}}}).SerializeToString()


def text(example: bytes) -> str:
    return features(example)["text"].bytes_list.value[0].decode()
