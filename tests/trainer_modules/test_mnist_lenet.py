"""The digits convolutional network against the shared contract, and its own promises."""

import keras
import numpy as np
import pytest

from pipelines.mnist_lenet import MODEL
from tests import digits
from tests.contract import check_model
from tests.search import check_search
from trainer_modules import mnist_lenet

HPARAMS = {**MODEL.hparams, "width": 4, "hidden_units": 16, "dropout": 0.0}
# Weights of one 3x3 stage from 1 channel to 4: of the convolutions and their biases.
STAGE = {
    "conv": 9 * 1 * 4 + 4,
    "separable": 9 * 1 + 1 * 4 + 4,
    "residual": (9 * 1 * 4 + 4) + (9 * 4 * 4 + 4) + (1 * 4 + 4),
}


def test_contract(tmp_path):
    check_model(digits.case(mnist_lenet, MODEL, HPARAMS), tmp_path)


def test_the_default_is_two_stages_of_5x5_convolutions():
    model = mnist_lenet.build_model(MODEL.hparams)
    assert model.count_params() == (25 * 16 + 16) + (25 * 16 * 32 + 32) + (7 * 7 * 32 * 128 + 128) + (128 * 10 + 10)
    assert [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)] == [(14, 14, 16), (7, 7, 32)]


@pytest.mark.parametrize("kind", STAGE)
def test_every_kind_of_block_has_its_weights(kind):
    model = mnist_lenet.build_model({**HPARAMS, "block": kind, "stages": 1, "kernel": 3})
    assert model.count_params() == STAGE[kind] + (14 * 14 * 4 * 16 + 16) + (16 * 10 + 10)


def test_a_residual_block_passes_its_input_on():
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, mnist_lenet.block("residual", x, 1, 3))
    model.set_weights([np.ones_like(weight) if weight.shape[:2] == (1, 1) else np.zeros_like(weight) for weight in model.get_weights()])
    image = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype(np.float32)
    np.testing.assert_allclose(model(image), np.maximum(image, 0), rtol=1e-6)


def test_augmentation_moves_digits_in_training_alone():
    digit = np.zeros((1, 28, 28), np.float32)
    digit[0, 10:18, 10:18] = 1
    keras.utils.set_random_seed(1)
    model = mnist_lenet.build_model({**HPARAMS, "augmentation": 0.1})
    still = mnist_lenet.build_model({**HPARAMS, "augmentation": 0.0})
    still.set_weights(model.get_weights())
    np.testing.assert_allclose(model({"image": digit}, training=False), still({"image": digit}), atol=1e-6)
    move = next(layer for layer in model.layers if isinstance(layer, keras.layers.RandomTranslation))
    moved = np.stack([np.asarray(move(digit[..., np.newaxis], training=True))[0, :, :, 0] for _ in range(20)])
    rows = [np.average(np.arange(28), weights=image.sum(axis=1)) for image in moved]
    assert 0.5 < max(abs(row - 13.5) for row in rows) <= 2.8 + 1e-3
    np.testing.assert_allclose(moved.sum(axis=(1, 2)), 64, rtol=1e-4)


def test_an_unknown_block_is_an_error():
    with pytest.raises(ValueError, match="conv, separable or residual, received 'dense'"):
        mnist_lenet.build_model({**HPARAMS, "block": "dense"})


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    check_search(mnist_lenet, MODEL)
