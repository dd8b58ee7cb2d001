"""A small convolutional network in the style of LeNet-5 that reads handwritten digits.

Two stages of 5x5 convolutions and pooling, then a hidden layer (Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning
Applied to Document Recognition", 1998; with ReLU, max pooling and Adam as in A. Gulli, A. Kapoor and S. Pal, "Deep Learning with
TensorFlow 2 and Keras", chapter 4: 99.2% on MNIST's test set). A search may replace the convolutions by separable ones or by residual
blocks (K. He et al., "Deep Residual Learning for Image Recognition", 2016), and may learn from digits that are moved, a simple form of
the distortions of the paper; where there are few digits, it removes two errors in five (docs/tuning.md).

    darsena run mnist_lenet               5,000 real digits
    darsena run mnist_lenet --data full   MNIST, 60,000 + 10,000
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


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes and what it learns.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N].

    Returns:
        `image`, float32 [N, 28, 28] in 0..1; `label`, int64 [N].
    """
    return images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled network.

    Args:
        hparams: `block` ("conv", "separable" or "residual"), `stages`, each of which halves height and width, `width` (channels of
            the first stage; each other has twice as many as the one before), `kernel` (side of the convolutions), `hidden_units`,
            `dropout` (share of units dropped), `augmentation` (largest move of a digit in training, as a share of its side),
            `learning_rate`.

    Returns:
        A model from {`image`: float32 [N, 28, 28]} to `probabilities`, float32 [N, 10].

    Raises:
        ValueError: there is no such kind of block.
    """
    image = keras.Input(SHAPE, name=IMAGE)
    x = keras.layers.Reshape((*SHAPE, 1))(image)
    if hparams["augmentation"]:
        x = keras.layers.RandomTranslation(hparams["augmentation"], hparams["augmentation"], fill_mode="constant")(x)
    for stage in range(hparams["stages"]):
        x = block(hparams["block"], x, hparams["width"] * 2**stage, hparams["kernel"])
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(hparams["dropout"])(x)
    x = keras.layers.Dense(hparams["hidden_units"], activation="relu")(x)
    x = keras.layers.Dropout(hparams["dropout"])(x)
    probabilities = keras.layers.Dense(CLASSES, activation="softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model({IMAGE: image}, probabilities)
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def block(kind: str, x: keras.KerasTensor, channels: int, kernel: int) -> keras.KerasTensor:
    """What a stage does before it pools.

    Args:
        kind: "conv", a convolution; "separable", one by channel and then across channels; "residual", two convolutions whose output
            is added to their input.
        x: [N, height, width, channels of the stage before].
        channels: of the output.
        kernel: side of the convolutions.

    Returns:
        [N, height, width, channels], not negative.

    Raises:
        ValueError: there is no such kind of block.
    """
    if kind == "conv":
        return keras.layers.Conv2D(channels, kernel, padding="same", activation="relu")(x)
    if kind == "separable":
        return keras.layers.SeparableConv2D(channels, kernel, padding="same", activation="relu")(x)
    if kind == "residual":
        y = keras.layers.Conv2D(channels, kernel, padding="same", activation="relu")(x)
        y = keras.layers.Conv2D(channels, kernel, padding="same")(y)
        # The input, brought to as many channels.
        return keras.layers.ReLU()(keras.layers.Add()([keras.layers.Conv2D(channels, 1)(x), y]))
    raise ValueError(f"expected block to be conv, separable or residual, received {kind!r}.")


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range: the architecture and how it is trained."""
    return {
        "block": hp.Choice("block", ["conv", "separable", "residual"]),
        "stages": hp.Int("stages", 1, 3),
        "width": hp.Choice("width", [8, 16, 24, 32]),
        "kernel": hp.Choice("kernel", [3, 5]),
        "hidden_units": hp.Choice("hidden_units", [64, 128, 256]),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "augmentation": hp.Choice("augmentation", [0.0, 0.05, 0.1]),
        "learning_rate": hp.Float("learning_rate", 5e-4, 5e-3, sampling="log"),
        "batch_size": hp.Choice("batch_size", [32, 64, 128]),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters (called by TFX's Tuner)."""
    # By the loss: of a few hundred validation digits so few are misread that accuracies differ by chance.
    return tuning.search(fn_args, build_model, search_space, LABEL, objective="val_loss")
