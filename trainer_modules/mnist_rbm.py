"""A restricted Boltzmann machine of handwritten digits.

Visible and hidden units that are on or off, with an energy for each joint state; pixels in 0..1 are taken for probabilities. It learns
by contrastive divergence with k steps of Gibbs sampling (G. Hinton, "Training Products of Experts by Minimizing Contrastive Divergence",
2002, and "A Practical Guide to Training Restricted Boltzmann Machines", 2010): the gradient is that of the free energy of the data less
the free energy of where the chain has come. The reference is scikit-learn's BernoulliRBM with as many hidden units on the same split:
its error of reconstruction, and by how much the free energy of unseen digits is above that of those it learned from. Here: an error of
0.0039 on MNIST's test split, where scikit-learn's, with its defaults, is 0.0201 (docs/models.md).

    darsena run mnist_rbm               5,000 real digits
    darsena run mnist_rbm --data full   MNIST, 60,000 + 10,000
    darsena run mnist_rbm --set k=10    a longer chain
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import endpoints, findings, images, precision, training, tuning
from trainer_modules.common.input_data import Rows

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

IMAGE = "image"
LABEL = "label"
SHAPE = (28, 28)
SHOWN, CHAIN = 10, (1, 10, 100)


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N], which is not learned.

    Returns:
        `image`, float32 [N, 28, 28] in 0..1; `label`, int64 [N].
    """
    return images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled model.

    Args:
        hparams: `hidden_units`, `k` (steps of the chain), `learning_rate`.

    Returns:
        A model from {`image`: float32 [N, 28, 28]} to `hidden`, the probabilities of the hidden units, float32 [N, hidden_units],
        `reconstruction`, those of the pixels given these, float32 [N, 28, 28], and `free_energy`, float32 [N].
    """
    image = keras.Input(SHAPE, name=IMAGE)
    hidden, visible, energy = Boltzmann(hparams["hidden_units"], hparams["k"], name="boltzmann")(keras.layers.Flatten()(image))
    outputs = {"hidden": hidden, "reconstruction": keras.layers.Reshape(SHAPE)(visible), "free_energy": energy}
    model = keras.Model({IMAGE: image}, outputs)
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]))
    return model


class Boltzmann(keras.layers.Layer):
    """Visible units [N, visible] to the probabilities of hidden ones, those of visible ones given these, and the free energy [N].

    In training its loss is that of contrastive divergence, whose gradient says where to go, but whose value does not say how far it is;
    otherwise it is the error of reconstruction.

    Args:
        units: hidden ones.
        k: steps of Gibbs sampling.
        **kwargs: of keras.layers.Layer.
    """

    def __init__(self, units: int, k: int, **kwargs: object):
        super().__init__(**kwargs)
        self.units, self.k = units, k
        self.random = keras.random.SeedGenerator()

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.weights_between = self.add_weight(shape=(shape[-1], self.units), initializer=small, name="weights")
        self.visible_bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="visible_bias")
        self.hidden_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="hidden_bias")

    def hidden(self, visible: tf.Tensor) -> tf.Tensor:
        """Probabilities of the hidden units."""
        return keras.ops.sigmoid(keras.ops.matmul(visible, self.weights_between) + self.hidden_bias)

    def visible(self, hidden: tf.Tensor) -> tf.Tensor:
        """Probabilities of the visible units."""
        return keras.ops.sigmoid(keras.ops.matmul(hidden, keras.ops.transpose(self.weights_between)) + self.visible_bias)

    def free_energy(self, visible: tf.Tensor) -> tf.Tensor:
        """Minus the logarithm of the probability of visible units, but for a constant, [N]."""
        drive = keras.ops.matmul(visible, self.weights_between) + self.hidden_bias
        # log(1 + exp(drive)), in operations that TFLite has.
        softplus = keras.ops.maximum(drive, 0.0) + keras.ops.log(1.0 + keras.ops.exp(-keras.ops.abs(drive)))
        return -keras.ops.matmul(visible, self.visible_bias) - keras.ops.sum(softplus, axis=1)

    def call(self, visible: keras.KerasTensor, training: bool = False) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
        """See the class."""
        hidden, energy = self.hidden(visible), self.free_energy(visible)
        reconstruction = self.visible(hidden)
        if training:
            dreamt = keras.ops.stop_gradient(self.dream(visible))
            self.add_loss(keras.ops.mean(energy - self.free_energy(dreamt)))
        else:
            self.add_loss(keras.ops.mean((visible - reconstruction) ** 2))
        return hidden, reconstruction, energy

    def dream(self, visible: tf.Tensor) -> tf.Tensor:
        """Where a chain of Gibbs sampling comes from visible units in k steps: samples, but for the last, which are probabilities."""
        for step in range(self.k):
            probabilities = self.visible(self.sample(self.hidden(visible)))
            visible = probabilities if step == self.k - 1 else self.sample(probabilities)
        return visible

    def sample(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Units that are on (1) with these probabilities, or off (0)."""
        drawn = keras.random.uniform(keras.ops.shape(probabilities), seed=self.random)
        return keras.ops.cast(drawn < probabilities, probabilities.dtype)


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range."""
    return {
        "hidden_units": hp.Choice("hidden_units", [64, 128, 256]),
        "k": hp.Int("k", 1, 5),
        "learning_rate": hp.Float("learning_rate", 3e-4, 1e-2, sampling="log"),
    }


def learn(
    build_model: training.BuildModel,
    hparams: training.Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "single",
    initialise: training.Initialise | None = None,
    folders: training.Folders = training.NOWHERE,
) -> tuple[keras.Model, training.History]:
    """`training.fit`, with the losses by the names of what they are.

    Raises:
        ValueError: another precision was asked for.
    """
    precision.check_refused("a Boltzmann machine, whose losses are small differences of large numbers")
    fitted = training.fit(build_model, hparams, train, validation, seed=seed, strategy=strategy, initialise=initialise, folders=folders)
    model, history = fitted
    names = {"loss": "free_energy_difference", "val_loss": "val_reconstruction_error"}
    return model, history | {"metrics": {names.get(name, name): values for name, values in history["metrics"].items()}}


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(
        fn_args, build_model, LABEL, learn=learn, endpoints=endpoints.parts({"reconstruct": ["reconstruction"], "encode": ["hidden"]})
    )


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters (called by TFX's Tuner)."""
    return tuning.search(fn_args, build_model, search_space, LABEL, objective="val_reconstruction_error", learn=learn)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the model on the test split (called by the evaluator).

    Returns:
        `reconstruction_error`, the mean squared difference of pixels and their probabilities given the hidden units', and
        `free_energy_gap`, by how much the mean free energy of the test split is above that of as many digits of the training split.
    """
    served = tf.saved_model.load(str(model)).signatures
    test = findings.answers(served, examples["test"])
    seen = findings.answers(served, examples["train"], limit=len(test.inputs[IMAGE]))
    pixels = test.inputs[IMAGE] / np.float32(255)
    errors = ((pixels - test.outputs["reconstruction"]) ** 2).mean(axis=(1, 2))
    section = findings.Section(out_dir, "What the machine has learned", "Its weights, and what it makes of digits of the test split.")
    section.grid("filters", "Weights of the first hidden units: white pixels turn one on, black ones off", filters(served, 4, SHOWN))
    section.grid(
        "chain",
        f"Digits, and after {CHAIN[0]}, {CHAIN[1]} and {CHAIN[2]} steps of mean-field updates",
        chain(served, test.inputs[IMAGE][:SHOWN]),
    )
    section.write()
    return {
        "reconstruction_error": findings.mean(errors),
        "free_energy_gap": float(test.outputs["free_energy"].mean() - seen.outputs["free_energy"].mean()),
    }


def filters(signatures: Mapping[str, Any], rows: int, columns: int) -> list[list[np.ndarray]]:
    """The weights of hidden units as pictures, uint8 [28, 28] each, whose grey is 0: what each white pixel adds to a unit's log-odds."""

    def log_odds(images: np.ndarray) -> np.ndarray:
        hidden = findings.ask(signatures, {IMAGE: images})["hidden"].astype(np.float64)[:, : rows * columns]
        return np.asarray(np.log(hidden / (1 - hidden)))

    pictures = findings.pixel_effects(log_odds, SHAPE)
    return [list(pictures[row * columns : (row + 1) * columns]) for row in range(rows)]


def chain(signatures: Mapping[str, Any], digits: np.ndarray) -> list[np.ndarray]:
    """Digits, uint8 [N, 28, 28], and what repeated reconstruction makes of them, for each number of steps in CHAIN."""
    found, pictures = [digits], digits
    for step in range(1, CHAIN[-1] + 1):
        pictures = findings.pixels(findings.ask(signatures, {IMAGE: pictures})["reconstruction"])
        if step in CHAIN:
            found.append(pictures)
    return found
