"""The digits multilayer perceptron against the shared contract, and its own promises."""

import keras
import keras_tuner
import numpy as np
import pytest

from pipelines.mnist_mlp import MODEL
from tests import digits
from tests.contract import Case, check_model
from trainer_modules import mnist_mlp

HPARAMS = {**MODEL.hparams, "hidden_units": 16, "dropout": 0.0}


def test_contract(tmp_path):
    images = digits.images(48)
    check_model(
        Case(
            module=mnist_mlp,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[digits.example(image, i % 10) for i, image in enumerate(images)],
            transformed={"image": images[:2].astype(np.float32) / np.float32(255), "label": [0, 1]},
            hparams=HPARAMS,
            label=mnist_mlp.LABEL,
        ),
        tmp_path,
    )


def test_the_default_network_is_the_published_one():
    model = mnist_mlp.build_model(MODEL.hparams)
    assert model.count_params() == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.3, 0.3]


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    hp = keras_tuner.HyperParameters()
    assert set(mnist_mlp.search_space(hp)) <= set(MODEL.hparams)
    for name in ("hidden_layers", "hidden_units"):
        default = MODEL.hparams[name]
        searched = next(parameter for parameter in hp.space if parameter.name == name)
        assert default in searched.values
    rate = next(parameter for parameter in hp.space if parameter.name == "learning_rate")
    assert rate.min_value <= MODEL.hparams["learning_rate"] <= rate.max_value


@pytest.mark.parametrize("layers", [1, 3])
def test_depth_is_a_hyperparameter(layers):
    model = mnist_mlp.build_model({**HPARAMS, "hidden_layers": layers})
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == layers + 1
