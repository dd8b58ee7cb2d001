"""One softmax layer that reads handwritten digits: a multinomial logistic regression on pixels.

SGD on cross-entropy, 200 epochs of batch 128 (A. Gulli, A. Kapoor and S. Pal, "Deep Learning with TensorFlow 2 and Keras",
chapter 1: 92.15% on MNIST's test set). The preset `ftrl` is the same regression as TensorFlow's LinearClassifier trains it, with the
FTRL-proximal optimizer (H. B. McMahan et al., "Ad Click Prediction: a View from the Trenches", 2013), and only for 10 steps of 100
images: 81.1%. What ten steps reach depends on which thousand images they see: 82.4% on average of 24 draws, from 78.3% to 85.0%.

    darsena run mnist_softmax                            5,000 real digits
    darsena run mnist_softmax --data full                MNIST, 60,000 + 10,000
    darsena run mnist_softmax --data full --preset ftrl  what ten steps make
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from trainer_modules.common import images, training, tuning

if TYPE_CHECKING:
    import keras_tuner
    import tensorflow as tf
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

IMAGE = "image"
LABEL = "label"
SHAPE = (28, 28)
CLASSES = 10
# LinearClassifier sums the loss over a batch, where Keras takes its mean. With gradients a hundredth as large, FTRL takes the same
# steps if its sums of squared gradients start at a ten-thousandth of the usual 0.1; from 0.1, ten steps reach 78% at best on average.
FTRL_START = 1e-5
OPTIMIZERS = ("sgd", "ftrl")


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes and what it learns.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N].

    Returns:
        `image`, float32 [N, 28, 28] in 0..1; `label`, int64 [N].
    """
    return images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled regression.

    Args:
        hparams: `optimizer` ("sgd" or "ftrl"), `learning_rate`, `l2` (weight of the squared coefficients in the loss).

    Returns:
        A model from {`image`: float32 [N, 28, 28]} to `probabilities`, float32 [N, 10].

    Raises:
        ValueError: there is no such optimizer.
    """
    if hparams["optimizer"] not in OPTIMIZERS:
        raise ValueError(f"expected optimizer to be {' or '.join(OPTIMIZERS)}, received {hparams['optimizer']!r}.")
    image = keras.Input(SHAPE, name=IMAGE)
    # From zeros, since the loss has one minimum, and ten steps would not overcome what is random in other starts.
    output = keras.layers.Dense(
        CLASSES,
        activation="softmax",
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(hparams["l2"]),
        dtype="float32",
        name="probabilities",
    )
    model = keras.Model({IMAGE: image}, output(keras.layers.Flatten()(image)))
    if hparams["optimizer"] == "sgd":
        optimizer = keras.optimizers.SGD(hparams["learning_rate"])
    else:
        optimizer = keras.optimizers.Ftrl(hparams["learning_rate"], initial_accumulator_value=FTRL_START)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range."""
    return {
        "optimizer": hp.Choice("optimizer", ["sgd", "ftrl"]),
        "learning_rate": hp.Float("learning_rate", 3e-3, 0.3, sampling="log"),
        "l2": hp.Choice("l2", [0.0, 1e-5, 1e-4, 1e-3]),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters (called by TFX's Tuner)."""
    return tuning.search(fn_args, build_model, search_space, LABEL, objective="val_accuracy")
