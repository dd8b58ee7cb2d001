"""The digits' autoencoders against the shared contract, and their own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.mnist_autoencoder import MODEL
from tests import digits
from tests.contract import check_replicas, check_saved, prepare
from tests.search import check_search
from trainer_modules import mnist_autoencoder as module

HPARAMS = {**MODEL.hparams, "filters": 4, "code_filters": 2, "noise": 0.0}


def hparams(preset: str, **others) -> dict:
    return {**MODEL.with_preset(preset).hparams, **others}


def test_contract(tmp_path):
    case = digits.case(module, MODEL, HPARAMS)
    prepared = prepare(case, tmp_path)
    model = module.build_model(HPARAMS)
    before = model.get_weights()
    truth = prepared.rows.features["image"]
    expected = keras.losses.binary_crossentropy(truth, model({"image": truth})["reconstruction"])
    assert float(model.train_on_batch({"image": truth}, prepared.rows.labels)) == pytest.approx(float(tf.reduce_mean(expected)), rel=1e-5)
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))
    check_saved(model, prepared, case.examples, tmp_path)
    check_replicas(case, prepared.rows)


def test_the_error_is_the_mean_squared_difference():
    pixels = np.random.default_rng(0).random((3, 28, 28)).astype(np.float32)
    found = module.build_model(HPARAMS)({"image": pixels})
    np.testing.assert_allclose(found["error"], ((found["reconstruction"] - pixels) ** 2).numpy().mean(axis=(1, 2)), rtol=1e-5)


def test_noise_is_added_in_training_alone_and_cut_off():
    pixels = np.full((2, 28, 28), 0.5, np.float32)
    layer = module.Noise(0.5, seed=1)
    np.testing.assert_array_equal(layer(pixels), pixels)
    noisy = np.asarray(layer(pixels, training=True))
    assert noisy.min() == 0 and noisy.max() == 1
    # Of a normal distribution cut off at one standard deviation on either side.
    assert noisy.std() == pytest.approx(0.5 * np.sqrt(0.516), abs=0.02)


@pytest.mark.parametrize(
    ("preset", "units"),
    [("vanilla", [64, 784]), ("sparse", [256, 784]), ("denoising", [128, 784]), ("stacked", [512, 256, 64, 256, 512, 784])],
)
def test_the_layers_of_dense_variants(preset, units):
    model = module.build_model(hparams(preset))
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == units
    assert any(isinstance(layer, module.Noise) for layer in model.layers) is (preset == "denoising")


def test_the_code_of_the_default_is_7_by_7_by_16():
    model = module.build_model(hparams("convolutional"))
    shapes = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert shapes == [(28, 28, 32), (14, 14, 32), (7, 7, 16), (7, 7, 32), (14, 14, 32), (28, 28, 1)]


def test_sparsity_is_in_the_loss():
    digit = np.random.default_rng(0).random((4, 28, 28)).astype(np.float32)
    sparse, plain = (module.build_model(hparams("sparse", sparsity=weight)) for weight in (1e-3, 0.0))
    plain.set_weights(sparse.get_weights())
    code = keras.Model(sparse.inputs, next(layer for layer in sparse.layers if layer.name.startswith("dense")).output)({"image": digit})
    found = [model.evaluate({"image": digit}, np.zeros(4), verbose=0) for model in (sparse, plain)]
    assert found[0] - found[1] == pytest.approx(1e-3 * float(tf.reduce_sum(tf.abs(code))) / 4, rel=1e-3)


def test_noise_of_an_evaluation_follows_from_the_seed():
    pixels = np.full((4, 28, 28), 128, np.uint8)
    assert module.noisy(pixels, 0.0, seed=1) is pixels
    first, again, other = (module.noisy(pixels, 0.1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert (first / 255).std() == pytest.approx(0.1, rel=0.05)


def test_the_crossentropy_is_keras():
    random = np.random.default_rng(0)
    truth, found = random.random((3, 28, 28)).astype(np.float32), random.random((3, 28, 28)).astype(np.float32)
    expected = np.asarray(keras.losses.binary_crossentropy(truth, found)).mean(axis=1)
    np.testing.assert_allclose(module.binary_crossentropy(truth, found), expected, rtol=1e-5)
    assert np.isfinite(module.binary_crossentropy(np.ones((1, 2, 2)), np.zeros((1, 2, 2)))).all()


def test_an_unknown_network_is_an_error():
    with pytest.raises(ValueError, match="expected network to be conv or dense, received 'round'"):
        module.build_model({**HPARAMS, "network": "round"})


def test_search():
    check_search(module, MODEL)
