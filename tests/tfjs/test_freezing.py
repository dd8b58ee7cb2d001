"""What the converter of TensorFlow.js is given: a plain SavedModel, and recorded requests as its inputs."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.common.tfjs.freezing import example, feature_names, freeze, requests

SPEC = {
    "size.log": tf.io.FixedLenFeature([2], tf.float32),
    "rooms": tf.io.VarLenFeature(tf.float32),
    "name": tf.io.VarLenFeature(tf.string),
    "count": tf.io.FixedLenFeature([], tf.int64),
}


class Prepared(tf.Module):
    """Signatures that parse tf.Examples, of which some features may be missing."""

    def __init__(self):
        self.scale = tf.Variable(10.0)

    def dense(self, examples):
        found = tf.io.parse_example(examples, SPEC)
        rooms = tf.sparse.to_dense(tf.sparse.reset_shape(found["rooms"], [tf.size(examples), 1]), float("nan"))
        name = tf.sparse.to_dense(tf.sparse.reset_shape(found["name"], [tf.size(examples), 1]), "")
        return {"size_log": found["size.log"], "rooms": rooms[:, 0], "name": name[:, 0], "count": found["count"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(self, examples):
        return self.dense(examples)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def transform(self, examples):
        raw = self.dense(examples)
        known = tf.where(tf.math.is_nan(raw["rooms"]), -1.0, raw["rooms"])
        return {"known": known, "letters": tf.strings.length(raw["name"]), "sum": self.scale * tf.reduce_sum(raw["size_log"], 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="b"), tf.TensorSpec([None], tf.float32, name="a")])
    def model(self, b, a):
        return {"z": self.scale * a, "difference": a - b}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    module = Prepared()
    tf.saved_model.save(module, str(folder), signatures={name: getattr(module, name) for name in ("decode", "transform", "model")})
    return tf.saved_model.load(str(folder))


def row(size, rooms, name, count):
    values = {"size_log": np.float32([size]), "rooms": np.float32([rooms]), "count": np.int64([count])}
    return values | {"name": np.array([name], object)}


def test_names_of_features_are_those_of_examples_not_of_arguments(loaded):
    assert set(feature_names(loaded.signatures["transform"])) == set(SPEC)


def test_recorded_requests_become_inputs_of_the_model_missing_values_too(loaded):
    rows = [row([0.1, 2], 3.5, b"abc", 7), row([4, 5], np.nan, b"", 2**40)]
    inputs = requests(loaded, "transform", rows)
    np.testing.assert_array_equal(inputs["known"], np.float32([3.5, -1]))
    np.testing.assert_array_equal(inputs["letters"], [3, 0])
    np.testing.assert_allclose(inputs["sum"], [21, 90], rtol=1e-6)


def test_requests_that_examples_cannot_hold_are_refused(loaded):
    rows = [row([1, 2], 3, b"a", 1) | {"count": np.array([2**40], np.uint64), "rooms": np.array([1 / 3], np.float64)}]
    with pytest.raises(ValueError, match=r"expected recorded requests that tf.Examples can hold, the input 'rooms' .float64. is another"):
        requests(loaded, "transform", rows)


def test_requests_of_raw_are_batched_as_they_are(loaded):
    rows = [{"image": np.full((1, 2, 2), value, np.uint8)} for value in (3, 250)]
    (batch,) = requests(loaded, "decode", rows).values()
    assert batch.dtype == np.uint8 and batch[:, 0, 0].tolist() == [3, 250]


def test_an_example_leaves_out_what_is_missing():
    found = tf.train.Example.FromString(example({"a": np.float32("nan"), "b": b"", "c": np.float32([1, 2]), "d": np.int64(5)}))
    assert set(found.features.feature) == {"c", "d"}
    assert found.features.feature["d"].int64_list.value == [5]


def test_a_frozen_signature_keeps_its_names_and_has_no_variables(loaded, tmp_path):
    freeze(loaded.signatures["model"], tmp_path / "plain")
    plain = tf.saved_model.load(str(tmp_path / "plain"))
    assert list(plain.signatures) == ["serving_default"] and not plain.signatures["serving_default"].variables
    answer = plain.signatures["serving_default"](a=tf.constant([3.0]), b=tf.constant([1.0]))
    assert {name: tensor.numpy().tolist() for name, tensor in answer.items()} == {"z": [30.0], "difference": [2.0]}
