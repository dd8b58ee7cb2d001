"""Autoencoders of handwritten digits: what of a picture is left when it has to pass through a few numbers.

The default removes noise with convolutions (P. Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders",
2008; A. Gulli, A. Kapoor and S. Pal, "Deep Learning with TensorFlow 2 and Keras", chapter 9): 32, 32 and 16 filters on the way to the
code, and back. Its reference is a binary cross-entropy of 0.0985 for each pixel of MNIST's test set, against the clean digits, when
it is given them with Gaussian noise of 0.5; here: 0.0946 after 20 epochs (docs/models.md). Variants are presets: `vanilla`, one hidden
layer; `sparse`, one whose code is held to few active units; `denoising`, one that is given noisy digits; `stacked`, several layers;
`convolutional`, the default by its name.

    darsena run mnist_autoencoder                               5,000 real digits
    darsena run mnist_autoencoder --data full                   MNIST, 60,000 + 10,000
    darsena run mnist_autoencoder --data full --preset sparse
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import endpoints, findings, images, training, tuning

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

IMAGE = "image"
LABEL = "label"
SHAPE = (28, 28)
SHOWN = 10


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N], which is not learned.

    Returns:
        `image`, float32 [N, 28, 28] in 0..1; `label`, int64 [N].
    """
    return images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled network.

    Args:
        hparams: `network` ("conv" or "dense"); of a dense one `hidden_layers` between pixels and code on either side, `hidden_units` of
            the outermost (each further one has half) and `code_units`; `filters` and `code_filters` of a convolutional one; `noise`
            (standard deviation of what is added to pixels in training), `sparsity` (weight of the code's mean absolute value in the
            loss), `learning_rate`.

    Returns:
        A model from {`image`: float32 [N, 28, 28]} to `reconstruction`, float32 [N, 28, 28] in 0..1, and `error`, float32 [N], the mean
        squared difference of a picture and its reconstruction.

    Raises:
        ValueError: there is no such network.
    """
    image = keras.Input(SHAPE, name=IMAGE)
    x = Noise(hparams["noise"])(image) if hparams["noise"] else image
    if hparams["network"] == "conv":
        reconstruction = convolutional(x, hparams["filters"], hparams["code_filters"])
    elif hparams["network"] == "dense":
        reconstruction = dense(x, hparams)
    else:
        raise ValueError(f"expected network to be conv or dense, received {hparams['network']!r}.")
    reconstruction, error = Compared(dtype="float32")([image, reconstruction])
    model = keras.Model({IMAGE: image}, {"reconstruction": reconstruction, "error": error})
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]))
    return model


def convolutional(x: keras.KerasTensor, filters: int, code_filters: int) -> keras.KerasTensor:
    """Pictures [N, 28, 28] through a code of [N, 7, 7, code_filters] and back, as probabilities."""
    x = keras.layers.Reshape((*SHAPE, 1))(x)
    for _ in range(2):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(code_filters, 3, padding="same", activation="relu")(x)
    for _ in range(2):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.UpSampling2D()(x)
    x = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float32")(x)
    return keras.layers.Reshape(SHAPE, dtype="float32")(x)


def dense(x: keras.KerasTensor, hparams: Mapping[str, Any]) -> keras.KerasTensor:
    """Pictures [N, 28, 28] through a code of so many units and back, as probabilities."""
    sizes = [hparams["hidden_units"] // 2**layer for layer in range(hparams["hidden_layers"])]
    x = keras.layers.Flatten()(x)
    for units in sizes:
        x = keras.layers.Dense(units, activation="relu")(x)
    sparse = keras.regularizers.L1(hparams["sparsity"]) if hparams["sparsity"] else None
    x = keras.layers.Dense(hparams["code_units"], activation="relu", activity_regularizer=sparse)(x)
    for units in reversed(sizes):
        x = keras.layers.Dense(units, activation="relu")(x)
    x = keras.layers.Dense(SHAPE[0] * SHAPE[1], activation="sigmoid", dtype="float32")(x)
    return keras.layers.Reshape(SHAPE, dtype="float32")(x)


class Noise(keras.layers.GaussianNoise):
    """Adds Gaussian noise to pixels in training and cuts off what leaves 0..1."""

    def call(self, pixels: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """The noisy pixels."""
        return keras.ops.clip(super().call(pixels, training=training), 0.0, 1.0) if training else pixels


class Compared(keras.layers.Layer):
    """Pictures and reconstructions, [N, height, width] each, to the reconstructions and their errors; their cross-entropy is the loss."""

    def call(self, pictures: list[keras.KerasTensor]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """The reconstruction as it is, and its mean squared difference from the picture, [N]."""
        clean, reconstruction = pictures
        self.add_loss(keras.ops.mean(keras.losses.binary_crossentropy(clean, reconstruction)))
        return reconstruction, keras.ops.mean((clean - reconstruction) ** 2, axis=(1, 2))


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range."""
    return {
        "filters": hp.Choice("filters", [16, 32, 48]),
        "code_filters": hp.Choice("code_filters", [8, 16, 32]),
        "learning_rate": hp.Float("learning_rate", 5e-4, 5e-3, sampling="log"),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, endpoints=endpoints.parts({"reconstruct": ["reconstruction"], "error": ["error"]}))


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters (called by TFX's Tuner)."""
    return tuning.search(fn_args, build_model, search_space, LABEL, objective="val_loss")


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the model on the test split, with the noise that it learned to remove (called by the evaluator).

    Returns:
        `binary_crossentropy` of the clean pixels and their reconstruction, and `mean_squared_error` of them, as means over pictures.
    """
    served = tf.saved_model.load(str(model)).signatures
    clean = findings.answers(served, examples["test"]).inputs[IMAGE]
    given = noisy(clean, config["hparams"]["noise"], config["seed"])
    found = findings.ask(served, {IMAGE: given})["reconstruction"]
    crossentropy = binary_crossentropy(clean / np.float32(255), found)
    section = findings.Section(out_dir, "Reconstructions", "What the model makes of digits of the test split.")
    order = np.argsort(crossentropy)
    for name, caption, rows in (
        ("first", "The first", np.arange(SHOWN)),
        ("worst", "Those with the highest cross-entropy", order[-SHOWN:]),
    ):
        pictures = [clean[rows], given[rows], findings.pixels(found[rows])]
        section.grid(name, f"{caption}: clean, as given to the model, and reconstructed", pictures)
    section.write()
    return {
        "binary_crossentropy": findings.mean(crossentropy),
        "mean_squared_error": findings.mean(((clean / np.float32(255) - found) ** 2).mean(axis=(1, 2))),
    }


def noisy(pixels: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    """Pixels, uint8, with Gaussian noise of that standard deviation on the scale of 0..1."""
    if not deviation:
        return pixels
    noise = np.random.default_rng(seed).normal(0, 255 * deviation, pixels.shape)
    return np.round(np.clip(pixels + noise, 0, 255)).astype(np.uint8)


def binary_crossentropy(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Of pictures in 0..1, [N, height, width], as Keras has it: the mean over the pixels of each, [N]."""
    found = np.clip(found.astype(np.float64), keras.config.epsilon(), 1 - keras.config.epsilon())
    mean: np.ndarray = -(truth * np.log(found) + (1 - truth) * np.log(1 - found)).mean(axis=(1, 2))
    return mean
