"""What generated pictures are like, next to real ones: a Fréchet distance of features, and whether they are of any class.

The features are those of a small classifier that learns from real pictures, always alike, so that candidate and baseline are judged
by the same one. The distance is that of M. Heusel et al. ("GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium", arXiv:1706.08500, 2017), with this classifier in the place of a network of ImageNet's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import training
from trainer_modules.common.input_data import Rows

SEED = 5
# About so many pictures are learned from in all, in 1 to so many epochs.
LEARNED, EPOCHS = 60_000, 20
SURE = 0.9


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Fréchet distance of the normal distributions with the means and covariances of two sets of features.

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), where the trace of the root is that of the root of C1^½ C2 C1^½, which is symmetric.

    Args:
        first: [N, features].
        second: [M, features].

    Returns:
        0 for the same means and covariances, more the further they are apart.

    Raises:
        ValueError: a set has fewer than two rows, or they differ in features.
    """
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"expected at least two rows each of the same features, received {list(first.shape)} and {list(second.shape)}. "
            "Give a larger test split."
        )
    first, second = first.astype(np.float64), second.astype(np.float64)
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (first, second))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    return float(shift @ shift + np.trace(one) + np.trace(two) - 2 * overlap)


@dataclasses.dataclass(frozen=True)
class Opinion:
    """What the classifier makes of pictures.

    Attributes:
        features: of its last hidden layer, float64 [N, features].
        probabilities: of the classes, float64 [N, classes].
    """

    features: np.ndarray
    probabilities: np.ndarray

    @property
    def sure_share(self) -> float:
        """The share of pictures that it is sure of."""
        return float((self.probabilities.max(axis=1) >= SURE).mean())

    @property
    def classes(self) -> float:
        """How many classes the pictures are of, if they were evenly spread: the exponential of the entropy of the classes' shares."""
        shares = np.bincount(self.probabilities.argmax(axis=1), minlength=self.probabilities.shape[1]) / len(self.probabilities)
        return float(np.exp(-sum(share * np.log(share) for share in shares if share)))


Judge = Callable[[np.ndarray], Opinion]


def learned(pictures: np.ndarray, labels: np.ndarray) -> Judge:
    """A judge that has learned from real pictures.

    Args:
        pictures: float32 [N, height, width] in 0..1, of sides that are multiples of 4.
        labels: int64 [N].

    Returns:
        From pictures to an opinion. Its features are scaled to a mean variance of 1 over the pictures that it learned from, so that
        distances tell something by themselves: 0 is the same distribution, and as many as there are features is very far.
    """
    classes = int(labels.max()) + 1
    rows = Rows({"image": tf.constant(pictures)}, tf.constant(labels), len(pictures))
    epochs = min(EPOCHS, max(1, round(LEARNED / len(pictures))))
    hparams = {"epochs": epochs, "batch_size": 128, "learning_rate": 2e-3, "schedule": "cosine"}
    few = Rows({"image": rows.features["image"][:2]}, rows.labels[:2], 2)

    def build(_: Mapping[str, object]) -> keras.Model:
        return classifier(pictures.shape[1:], classes)

    model, _ = training.fit(build, hparams, rows, few, seed=SEED)
    answer = tf.function(keras.Model(model.inputs, [model.get_layer("features").output, model.outputs[0]]), reduce_retracing=True)

    def judge(asked: np.ndarray, scale: float = 1.0) -> Opinion:
        parts = [answer(tf.constant(asked[at : at + 1000])) for at in range(0, len(asked), 1000)]
        features, probabilities = (np.concatenate([part[place] for part in parts]).astype(np.float64) for place in (0, 1))
        return Opinion(features / scale, probabilities)

    scale = float(np.sqrt(judge(pictures[:10_000]).features.var(axis=0).mean()))
    return lambda asked: judge(asked, scale)


def classifier(shape: tuple[int, ...], classes: int) -> keras.Model:
    """A small compiled convolutional network from pictures [N, height, width] to probabilities [N, classes]."""
    image = keras.Input(shape, name="image")
    x = keras.layers.Reshape((*shape, 1))(image)
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dense(64, activation="relu", name="features")(keras.layers.Flatten()(x))
    model = keras.Model({"image": image}, keras.layers.Dense(classes, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", jit_compile=False)
    return model
