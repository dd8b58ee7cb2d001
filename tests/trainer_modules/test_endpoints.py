"""Signatures of a model's own: parts of its outputs, and inputs that are no features of its examples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.common import endpoints, serving_transform, signatures


def build_model() -> keras.Model:
    noise = keras.Input((3,), name="noise")
    return keras.Model({"noise": noise}, {"double": 2 * noise, "sum": keras.ops.sum(noise, axis=1)})


@pytest.fixture(scope="module")
def inputs():
    spec = {"noise": tf.TensorSpec([None, 3], tf.float32)}
    return serving_transform.OwnInputs(spec, lambda count, random: {"noise": random.normal(size=(count, 3)).astype(np.float32)})


@pytest.fixture(scope="module")
def served(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    signatures.export(build_model(), inputs, folder, endpoints=endpoints.parts({"total": ["sum"], "both": ["sum", "double"]}))
    return tf.saved_model.load(str(folder)).signatures


def test_a_signature_answers_with_its_part_of_the_outputs(served):
    asked = tf.constant([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]])
    total = served["total"](noise=asked)
    assert list(total) == ["sum"] and total["sum"].numpy().tolist() == [6, 4]
    assert set(served["both"](noise=asked)) == set(served["raw"](noise=asked)) == {"sum", "double"}


def test_golden_examples_hold_inputs_that_were_drawn(served, inputs):
    features, examples = inputs.golden(5, seed=3)
    assert np.unique(features["noise"]).size == 15
    np.testing.assert_array_equal(inputs.golden(5, seed=3)[0]["noise"], features["noise"])
    assert np.any(inputs.golden(5, seed=4)[0]["noise"] != features["noise"])
    for signature, name in (("decode", "noise"), ("transform", "noise")):
        np.testing.assert_array_equal(served[signature](examples=tf.constant(examples))[name], features["noise"])
    np.testing.assert_allclose(served["serving_default"](examples=tf.constant(examples))["double"], 2 * features["noise"])
