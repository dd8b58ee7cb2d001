"""Training in half precision: weights stay float32, small gradients are not lost, and what can't be is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import mnist_dcgan as dcgan_pipeline
from pipelines import mnist_softmax as softmax_pipeline
from tests import digits
from tests.trainer_modules import given
from trainer_modules import color_som, mnist_dcgan, mnist_pca_kmeans, mnist_rbm, mnist_softmax, word2vec
from trainer_modules.common import maps, precision, training
from trainer_modules.common.input_data import Rows


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    precision.use("float32")


def build_model(hparams):
    x = keras.Input((2,), name="x")
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    output = keras.layers.Dense(2, activation="softmax", dtype=hparams.get("output", "float32"), name="probabilities")(hidden)
    model = keras.Model({"x": x}, output)
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


HPARAMS = {"epochs": 20, "batch_size": 16, "learning_rate": 0.05, "schedule": "constant"}


@pytest.fixture
def rows():
    points = np.random.default_rng(0).normal(size=(96, 2)).astype(np.float32)
    return Rows({"x": tf.constant(points)}, tf.constant((points.sum(axis=1) > 0).astype(np.int64)), 96)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_it_learns_with_float32_weights_and_scaled_losses(rows, name):
    precision.use(name)
    model, history = training.fit(build_model, HPARAMS, rows, rows, seed=1)
    assert history["metrics"]["val_accuracy"][-1] > 0.95
    assert model.layers[1].compute_dtype == name and {weight.dtype for weight in model.weights} == {"float32"}
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (name == "float16")


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_loop_of_our_own_learns_in_it_as_in_float32(name):
    hparams = {**dcgan_pipeline.MODEL.hparams, "latent": 6, "filters": 16, "batch_size": 8, "epochs": 2}
    pictures = Rows({"image": tf.constant(digits.images(16) / np.float32(255))}, tf.range(16) % 10, 16)

    def learned() -> tuple[keras.Model, dict]:
        return mnist_dcgan.learn(mnist_dcgan.build_model, hparams, pictures, pictures, seed=3)

    expected, history = learned()
    precision.use(name)
    model, found = learned()
    moved = [np.abs(weights - other).max() for weights, other in zip(model.get_weights(), expected.get_weights(), strict=True)]
    # As far apart as a few steps of Adam: those of float16 that find how far losses can be scaled are left out where it was too far.
    assert 0 < max(moved) < 20 * hparams["learning_rate"]
    if name == "bfloat16":
        for loss, values in history["metrics"].items():
            np.testing.assert_allclose(found["metrics"][loss], values, rtol=0.05, err_msg=loss)


def test_coarse_answers_are_refused(rows):
    precision.use("bfloat16")
    with pytest.raises(ValueError, match=r"expected float32 outputs, received others of .*probabilities.*dtype='float32'"):
        training.fit(build_model, HPARAMS | {"output": "mixed_bfloat16"}, rows, rows, seed=1)


def test_what_needs_float32_says_so():
    precision.use("bfloat16")
    for learn, module in (
        (mnist_pca_kmeans.learn, mnist_pca_kmeans),
        (word2vec.learn, word2vec),
        (maps.learn, color_som),
        (mnist_rbm.learn, mnist_rbm),
    ):
        with pytest.raises(ValueError, match=r"expected --precision float32 for .*, received bfloat16"):
            learn(module.build_model, {}, None, None, seed=1)


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"there is no precision 'half'. Known: float32, bfloat16, float16"):
        precision.use("half")


def test_a_run_exports_float32_and_its_golden_answers_are_the_exports(tmp_path):
    case = digits.case(mnist_softmax, softmax_pipeline.MODEL, softmax_pipeline.MODEL.hparams)
    config = {"hparams": {**softmax_pipeline.MODEL.hparams, "epochs": 1}, "seed": 3, "strategy": "single", "precision": "bfloat16"}
    arguments = given.fn_args(given.prepared(case, tmp_path), tmp_path / "out", config)
    mnist_softmax.run_fn(arguments)
    served = tf.saved_model.load(arguments.serving_model_dir).signatures["serving_default"](examples=tf.constant(case.examples))
    with np.load(tmp_path / "out/run/golden/outputs.npz") as golden:
        np.testing.assert_allclose(served["probabilities"], golden["probabilities"], atol=1e-6)
    assert keras.config.dtype_policy().name == "float32"
