"""The digits regression against the shared contract, and its own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.mnist_softmax import MODEL
from tests import digits
from tests.contract import check_model
from tests.search import check_search
from trainer_modules import mnist_softmax

FTRL = MODEL.with_preset("ftrl")


def test_contract(tmp_path):
    check_model(digits.case(mnist_softmax, MODEL, MODEL.hparams), tmp_path)


def test_it_is_one_layer_on_pixels():
    model = mnist_softmax.build_model(MODEL.hparams)
    assert model.count_params() == 784 * 10 + 10
    images = {"image": np.zeros((1, 28, 28), np.float32)}
    assert model(images).numpy().tolist() == [[pytest.approx(0.1)] * 10]


def test_the_preset_is_ten_steps_of_ftrl():
    assert FTRL.hparams == MODEL.hparams | {
        "optimizer": "ftrl",
        "learning_rate": 0.05,
        "batch_size": 100,
        "steps_per_epoch": 10,
        "epochs": 1,
    }
    assert isinstance(mnist_softmax.build_model(FTRL.hparams).optimizer, keras.optimizers.Ftrl)
    assert type(mnist_softmax.build_model(MODEL.hparams).optimizer) is keras.optimizers.SGD


def test_the_first_step_of_sgd_is_the_known_one():
    model = mnist_softmax.build_model({**MODEL.hparams, "learning_rate": 0.5})
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 0, 1] = 1.0
    model.train_on_batch({"image": image}, tf.constant([3]))
    kernel, bias = model.get_weights()
    # Of cross-entropy at equal probabilities, the gradient is 0.1 minus 1 for the right class.
    expected = np.where(np.arange(10) == 3, 0.45, -0.05)
    np.testing.assert_allclose(kernel[1], expected, rtol=1e-6)
    np.testing.assert_allclose(bias, expected, rtol=1e-6)
    assert not np.any(np.delete(kernel, 1, axis=0))


def test_ftrl_steps_as_where_the_loss_is_summed_over_a_batch_of_a_hundred():
    model = mnist_softmax.build_model({**FTRL.hparams, "learning_rate": 0.5})
    images, labels = np.zeros((100, 28, 28), np.float32), np.full(100, 3)
    model.train_on_batch({"image": images}, tf.constant(labels))
    gradient = 100 * (0.1 - (np.arange(10) == 3))
    # The first step of FTRL (McMahan et al., 2013), from sums of squares of 0.1.
    np.testing.assert_allclose(model.get_weights()[1], -0.5 * gradient / np.sqrt(0.1 + gradient**2), rtol=1e-5)


def test_l2_is_in_the_loss():
    model = mnist_softmax.build_model({**MODEL.hparams, "l2": 0.01})
    model.set_weights([np.full((784, 10), 0.5, np.float32), np.zeros(10, np.float32)])
    loss, _ = model.test_on_batch({"image": np.zeros((1, 28, 28), np.float32)}, tf.constant([0]))
    assert loss == pytest.approx(np.log(10) + 0.01 * 7840 * 0.25, rel=1e-5)


def test_an_unknown_optimizer_is_an_error():
    with pytest.raises(ValueError, match="sgd or ftrl, received 'adam'"):
        mnist_softmax.build_model({**MODEL.hparams, "optimizer": "adam"})


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    check_search(mnist_softmax, MODEL)
    check_search(mnist_softmax, FTRL)
