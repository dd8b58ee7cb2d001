"""Principal components of handwritten digits, and clusters of them.

The components are the eigenvectors of the pixels' covariance, which are the right singular vectors of the centred pixels (K. Pearson,
"On Lines and Planes of Closest Fit to Systems of Points in Space", 1901). Transform analyses them in one full pass over the training
split, with Beam, so that they are part of the served graph. k-means (trainer_modules/common/clustering.py) then finds centroids among
the components. The references are scikit-learn's PCA and KMeans on the same split: the share of the variance that the components
explain to within 0.001, the inertia to within 2% (here: 30.25, scikit-learn's is 30.15; docs/models.md).

    darsena run mnist_pca_kmeans               5,000 real digits
    darsena run mnist_pca_kmeans --data full   MNIST, 60,000 + 10,000
    darsena run mnist_pca_kmeans --set components=20 --set clusters=15
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.common import clustering, findings, images, precision, progress, training
from trainer_modules.common.input_data import Rows
from trainer_modules.common.strategies import check_one_device

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

IMAGE = "image"
LABEL = "label"
COMPONENTS = "components"
SHAPE = (28, 28)
PIXELS = 28 * 28


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N].
        custom_config: `hparams` holds `components`, how many to keep.

    Returns:
        `components`, float32 [N, components], the pixels (0..1) less their mean along the principal axes; `label`, int64 [N].
    """
    found = images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)
    pixels = tf.reshape(found[IMAGE], [-1, PIXELS])
    # Analysed in 64 bits, since the covariance is a small difference of large sums; TFLite knows 32 only.
    precise = tf.cast(pixels, tf.float64)
    mean = tf.cast(tft.mean(precise, reduce_instance_dims=False, output_dtype=tf.float64), tf.float32)
    axes = tf.cast(tft.pca(precise, custom_config["hparams"]["components"], tf.float64), tf.float32)
    return {COMPONENTS: tf.matmul(pixels - mean, axes), LABEL: found[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The model, whose centroids are to be set.

    Args:
        hparams: `components`, `clusters`.

    Returns:
        A model from {`components`: float32 [N, components]} to `components` as they are, `distances` from the centroids, float32
        [N, clusters], and `cluster`, the number of the nearest, int64 [N].
    """
    components = keras.Input((hparams["components"],), name=COMPONENTS)
    distances, cluster = clustering.Centroids(hparams["clusters"], name="centroids")(components)
    return keras.Model({COMPONENTS: components}, {COMPONENTS: components, "distances": distances, "cluster": cluster})


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
    """Finds the centroids: a `training.Fit`, whose history is of the iterations.

    Raises:
        ValueError: a strategy of several devices, or another precision, was asked for.
    """
    check_one_device(strategy, "k-means, which takes seconds")
    precision.check_refused("k-means, whose sums need it")
    started = time.perf_counter()
    points = train.features[COMPONENTS]
    centroids, inertias = clustering.k_means(points, hparams["clusters"], seed=seed, starts=hparams["starts"])
    seconds = time.perf_counter() - started
    model = build_model(hparams)
    model.get_layer("centroids").centroids.assign(centroids)
    metrics = {"inertia": [inertia / train.count for inertia in inertias]}
    return model, progress.history(metrics, epochs=len(inertias), seconds=seconds, examples=train.count * len(inertias))


def run_fn(fn_args: FnArgs) -> None:
    """Finds the centroids and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, learn=learn)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the model on the test split (called by the evaluator).

    Returns:
        `explained_variance`, the share of the pixels' variance that is in the components; `inertia`, the mean squared distance of a
        digit's components from the nearest centroid; `normalized_mutual_information` of clusters and digits (scikit-learn's).
    """
    from sklearn.metrics import normalized_mutual_info_score

    served = tf.saved_model.load(str(model)).signatures
    test = findings.answers(served, examples["test"], label=LABEL)
    pixels = test.inputs[IMAGE].reshape(-1, PIXELS) / 255.0
    explained = test.outputs[COMPONENTS].var(axis=0).sum() / pixels.var(axis=0).sum()
    squared = test.outputs["distances"].min(axis=1) ** 2
    pictures = findings.Section(out_dir, "Clusters", "What the clusters and components look like, on digits of the test split.")
    clusters = test.outputs["cluster"]
    order = np.argsort(squared)
    typical = [order[clusters[order] == cluster][:10] for cluster in range(config["hparams"]["clusters"])]
    pictures.grid("typical", "A row for each cluster: its most typical digits", [test.inputs[IMAGE][rows] for rows in typical])
    pictures.grid("axes", "The first principal axes: white pixels raise the component, black ones lower it", [axes(served, 10)])
    pictures.scatter("map", "The first two components, coloured by digit", test.outputs[COMPONENTS][:, :2], test.labels)
    pictures.table("Digits in each cluster", ["cluster", *range(10)], counts(clusters, test.labels, config["hparams"]["clusters"]))
    pictures.write()
    return {
        "explained_variance": float(explained),
        "inertia": findings.mean(squared),
        "normalized_mutual_information": float(normalized_mutual_info_score(test.labels, clusters)),
    }


def axes(signatures: Mapping[str, Any], count: int) -> list[np.ndarray]:
    """The first principal axes as pictures, uint8 [28, 28] each, whose grey is 0.

    The components are linear in the pixels: an axis is what each white pixel adds to its component.
    """
    return list(findings.pixel_effects(lambda images: findings.ask(signatures, {IMAGE: images})[COMPONENTS][:, :count], SHAPE))


def counts(clusters: np.ndarray, labels: np.ndarray, number: int) -> list[list[int]]:
    """A row for each cluster: its number, and how many of each digit are in it."""
    return [[cluster, *np.bincount(labels[clusters == cluster], minlength=10).tolist()] for cluster in range(number)]
