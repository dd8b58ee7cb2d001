"""The Boltzmann machine: its energy by brute force, its gradient by hand, and scikit-learn's machine as the reference."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, logsumexp
from sklearn.neural_network import BernoulliRBM

from components.image_example_gen.readers import find_sources, load
from pipelines.mnist_rbm import MODEL
from tests import digits
from tests.contract import check_saved, prepare
from tests.search import check_search
from trainer_modules import mnist_rbm as module
from trainer_modules.common.input_data import Rows


def machine(visible: int, hidden: int, k: int = 1) -> module.Boltzmann:
    layer = module.Boltzmann(hidden, k)
    layer.build((None, visible))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.get_weights()[:3]] + layer.get_weights()[3:])
    return layer


def test_contract(tmp_path):
    hparams = {**MODEL.hparams, "hidden_units": 8}
    case = digits.case(module, MODEL, hparams)
    prepared = prepare(case, tmp_path)
    keras.utils.set_random_seed(1)
    model = module.build_model(hparams)
    before = model.get_weights()[:3]
    assert np.isfinite(model.train_on_batch(dict(prepared.rows.features), prepared.rows.labels))
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=False))
    check_saved(model, prepared, case.examples, tmp_path, formats=MODEL.export_formats)


def test_the_free_energy_is_the_sum_over_all_hidden_states():
    layer = machine(5, 4)
    weights, visible_bias, hidden_bias = (np.asarray(weight, np.float64) for weight in layer.get_weights()[:3])
    visible = np.random.default_rng(1).integers(0, 2, (6, 5)).astype(np.float32)
    states = np.array(list(itertools.product([0, 1], repeat=4)))
    energies = visible @ weights @ states.T + states @ hidden_bias
    expected = -visible @ visible_bias - logsumexp(energies, axis=1)
    np.testing.assert_allclose(layer.free_energy(visible), expected, rtol=1e-5)


def test_the_gradient_is_that_of_contrastive_divergence():
    layer = machine(5, 4, k=3)
    visible = tf.constant(np.random.default_rng(1).random((6, 5)), tf.float32)
    state = layer.random.state.numpy()
    dreamt = layer.dream(visible).numpy()
    layer.random.state.assign(state)
    with tf.GradientTape() as tape:
        layer(visible, training=True)
        (loss,) = layer.losses
    found = tape.gradient(loss, [layer.weights_between.value, layer.visible_bias.value, layer.hidden_bias.value])
    data, dream = (layer.hidden(values).numpy() for values in (visible, dreamt))
    expected = [-(visible.numpy().T @ data - dreamt.T @ dream) / 6, -(visible.numpy() - dreamt).mean(axis=0), -(data - dream).mean(axis=0)]
    for gradient, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, reference, atol=1e-5)


def test_samples_are_on_as_often_as_they_should_be():
    layer = machine(2, 2)
    drawn = np.asarray(layer.sample(tf.constant(np.tile([[0.1, 0.8]], (4000, 1)), tf.float32)))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(axis=0), [0.1, 0.8], atol=0.03)


def test_it_learns_no_worse_than_scikit_learns(tmp_path):
    MODEL.data.write_sample(tmp_path)
    (source,) = find_sources(tmp_path, "**/*")
    pixels = np.asarray(load(source).images)[::4].astype(np.float32) / 255
    train, test = pixels[::2], pixels[1::2]

    def rows(images):
        return Rows({"image": tf.constant(images)}, tf.zeros(len(images), tf.int64), len(images))

    hparams = {**MODEL.hparams, "hidden_units": 64, "epochs": 15, "batch_size": 10}
    model, history = module.learn(module.build_model, hparams, rows(train), rows(test), seed=1)
    flat = test.reshape(len(test), -1)
    reference = BernoulliRBM(64, random_state=1).fit(train.reshape(len(train), -1))
    expected = expit(reference.transform(flat) @ reference.components_ + reference.intercept_visible_)
    found = history["metrics"]["val_reconstruction_error"][-1]
    assert found <= ((flat - expected) ** 2).mean()
    assert found == pytest.approx(((model({"image": test})["reconstruction"] - test) ** 2).numpy().mean(), rel=1e-4)
    assert set(history["metrics"]) == {"free_energy_difference", "val_reconstruction_error", "learning_rate"}


def test_pictures_of_weights_and_chains():
    weights = np.random.default_rng(0).normal(size=(784, 4)).astype(np.float32) / 10

    def served(image):
        flat = tf.reshape(tf.cast(image, tf.float32), [-1, 784]) / 255
        return {"hidden": tf.sigmoid(flat @ weights - 1.0), "reconstruction": tf.cast(image, tf.float32) / 255 / 2}

    rows = module.filters({"raw": served}, 2, 2)
    expected = np.round(127.5 + 127.5 * weights.T / np.abs(weights.T).max(axis=1, keepdims=True))
    np.testing.assert_allclose(np.reshape(rows, (4, 784)), expected, atol=2)
    pictures = module.chain({"raw": served}, np.full((1, 28, 28), 200, np.uint8))
    assert [int(picture.max()) for picture in pictures[:2]] == [200, 100] and pictures[3].max() <= 1


def test_search():
    check_search(module, MODEL)
