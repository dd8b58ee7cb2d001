"""The digits multilayer perceptron against the shared contract, and its own promises."""

import keras
import pytest

from pipelines.mnist_mlp import MODEL
from tests import digits
from tests.contract import check_model
from tests.search import check_search
from trainer_modules import mnist_mlp

HPARAMS = {**MODEL.hparams, "hidden_units": 16, "dropout": 0.0}


def test_contract(tmp_path):
    check_model(digits.case(mnist_mlp, MODEL, HPARAMS), tmp_path)


def test_the_default_network_is_the_published_one():
    model = mnist_mlp.build_model(MODEL.hparams)
    assert model.count_params() == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.3, 0.3]


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    check_search(mnist_mlp, MODEL)


@pytest.mark.parametrize("layers", [1, 3])
def test_depth_is_a_hyperparameter(layers):
    model = mnist_mlp.build_model({**HPARAMS, "hidden_layers": layers})
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == layers + 1
