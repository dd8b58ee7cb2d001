"""What `make bench-models` measures: every model on its full data, and what it is held to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from benchmarks import pictures, references

Reference = Callable[[dict], float]  # from the record of a run


@dataclasses.dataclass(frozen=True)
class Row:
    """A model on its full data, and what it is held to.

    Attributes:
        name: of the model, with its preset after a colon.
        metric: of the test split, by TFMA's name; "accepted" for the share of photographs that are answered with an accepted label.
        about: what the reference is.
        reference: the figure to reach, or what computes it on the run's own split.
        at_most: whether a smaller value is better.
        prepare: makes the data of a model without full data of its own, in a folder; returns its path, for `--data`.
        reason: of a shortfall that is known.
    """

    name: str
    metric: str
    about: str
    reference: float | Reference
    at_most: bool = False
    prepare: Callable[[Path], Path] | None = None
    reason: str = ""


def least_squares(times: float) -> Reference:
    """The error of ordinary least squares on the run's split, times a factor."""
    return lambda record: times * references.least_squares(record)


def bag_of_words(classifier: str, metric: str, less: float) -> Reference:
    """What TF-IDF with a linear classifier reaches on the run's split, less a margin."""
    return lambda record: references.bag_of_words(record, classifier)[metric] - less


def explained_variance(record: dict) -> float:
    """The share of variance in scikit-learn's principal components of the run's split, less 0.001."""
    return references.explained_variance(record) - 0.001


def inertia(times: float) -> Reference:
    """The inertia of scikit-learn's clusters on the run's split, times a factor."""
    return lambda record: times * references.inertia(record)


def map_error(name: str, times: float) -> Reference:
    """An error of MiniSom's map on the run's split, times a factor."""
    return lambda record: times * references.color_map(record)[name]


def boltzmann(record: dict) -> float:
    """The error of reconstruction of scikit-learn's machine on the run's split."""
    return references.boltzmann(record)["reconstruction_error"]


def word_vectors(metric: str) -> Reference:
    """A figure of gensim's word vectors on the run's split, less 0.02."""
    return lambda record: references.word_vectors(record)[metric] - 0.02


def mixture_of_normals(record: dict) -> float:
    """The distance of samples of scikit-learn's mixture on the run's split."""
    return references.mixture_of_normals(record)["frechet_distance"]


ACCURACY, ERROR = "sparse_categorical_accuracy", "root_mean_squared_error"
ROWS = (
    Row("mnist_softmax:ftrl", ACCURACY, "published, 10 steps of FTRL", 0.811),
    Row("mnist_softmax", ACCURACY, "published, SGD", 0.9215),
    Row("mnist_mlp", ACCURACY, "published", 0.978),
    Row("mnist_lenet", ACCURACY, "published", 0.992),
    Row("mnist_pca_kmeans", "explained_variance", "scikit-learn's PCA on the same split, less 0.001", explained_variance),
    Row("mnist_pca_kmeans", "inertia", "1.02 × scikit-learn's PCA and KMeans on the same split", inertia(1.02), at_most=True),
    Row("mnist_autoencoder", "binary_crossentropy", "published, on the noisy test set", 0.0985, at_most=True),
    Row("mnist_rbm", "reconstruction_error", "scikit-learn's BernoulliRBM on the same split", boltzmann, at_most=True),
    *(
        Row(f"word2vec:{preset}", metric, f"gensim's {name} on the same split, less 0.02", word_vectors(metric))
        for preset, name in (("large", "Word2Vec"), ("cbow", "Word2Vec (CBOW)"))
        for metric in ("similarity", "analogy_accuracy")
    ),
    *(
        Row(
            "color_som",
            metric,
            "1.05 × MiniSom's on the same split, after as many passes, the neighbourhood as wide at first and last",
            map_error(metric, 1.05),
            at_most=True,
        )
        for metric in ("quantization_error", "topographic_error")
    ),
    Row(
        "mnist_dcgan",
        "frechet_distance",
        "scikit-learn's PCA and GaussianMixture on the same split",
        mixture_of_normals,
        at_most=True,
    ),
    Row("cyclegan:large", "cycle_error_ratio", "half of the first epoch's", 0.5, at_most=True),
    Row("house_prices:linear", ERROR, "1.02 × ordinary least squares on the same split", least_squares(1.02), at_most=True),
    Row("house_prices", ERROR, "0.9 × ordinary least squares on the same split", least_squares(0.9), at_most=True),
    Row("breakout_dqn:cartpole", "mean_return", "over 100 fresh episodes", 475.0),
    Row("breakout_dqn:ram", "return_over_random", "times the return of an agent that acts at random", 8.0),
    Row("pendulum_ddpg", "mean_return", "over 100 fresh episodes", -200.0),
    Row("imdb_cnn", "binary_accuracy", "published", 0.884),
    Row(
        "sentiment_bilstm",
        "binary_accuracy",
        "TF-IDF + logistic regression on the same split, less 0.02",
        bag_of_words("LogisticRegression", "accuracy", 0.02),
    ),
    Row("sms_spam", "f1_score", "F1 of TF-IDF + linear SVM on the same split, less 0.01", bag_of_words("LinearSVC", "f1", 0.01)),
    Row("image_transfer:classifier", "accepted", "an accepted label for 15 of 15 photographs", 1.0, prepare=pictures.photographs),
    Row(
        "image_transfer:transfer",
        ACCURACY,
        "5,000 pictures of CIFAR-10 (JPEG copy) at 96×96, frozen features",
        0.70,
        prepare=pictures.some_of_cifar10,
    ),
    Row(
        "cifar10_cnn",
        ACCURACY,
        "on the original pixels",
        0.90,
        reason="20 epochs of a narrow network, on a JPEG copy that has lost detail",
    ),
)
