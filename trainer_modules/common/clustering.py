"""k-means: centroids chosen by k-means++, moved by Lloyd's iterations until they rest, the best of several starts.

S. Lloyd, "Least Squares Quantization in PCM", 1982; D. Arthur and S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding",
2007, in the greedy form that scikit-learn uses too: of several candidates for a centroid the one that lowers the inertia most.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

MOST_ITERATIONS = 300


class Centroids(keras.layers.Layer):
    """Points [N, dimensions] to their distances from centroids, float32 [N, clusters], and the number of the nearest, int64 [N].

    Args:
        clusters: how many centroids.
        **kwargs: of keras.layers.Layer.

    Attributes:
        centroids: the layer's weights, float32 [clusters, dimensions]; no gradient moves them.
    """

    def __init__(self, clusters: int, **kwargs: object):
        super().__init__(**kwargs)
        self.clusters = clusters

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.centroids = self.add_weight(shape=(self.clusters, shape[-1]), initializer="zeros", trainable=False, name="centroids")

    def call(self, points: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """The distances, and the nearest."""
        squared = squared_distances(points, self.centroids)
        # Keras's argmin looks for signs of zero with operations that TFLite lacks.
        return keras.ops.sqrt(squared), tf.argmin(squared, axis=1)


def squared_distances(points: tf.Tensor, centroids: tf.Tensor) -> tf.Tensor:
    """Of points [N, dimensions] from centroids [clusters, dimensions]: [N, clusters], by |x|² - 2xc + |c|²."""
    lengths = keras.ops.sum(points**2, axis=1, keepdims=True) + keras.ops.sum(centroids**2, axis=1)
    return keras.ops.maximum(lengths - 2 * keras.ops.matmul(points, keras.ops.transpose(centroids)), 0.0)


def k_means(points: tf.Tensor, clusters: int, *, seed: int, starts: int = 10, tolerance: float = 1e-4) -> tuple[tf.Tensor, list[float]]:
    """The centroids with the least inertia, which is the sum of the squared distances of points from their nearest centroid.

    Args:
        points: float32 [N, dimensions].
        clusters: how many, at most N.
        seed: of the starts.
        starts: how often to begin anew.
        tolerance: a start ends when its centroids move by less in all, as a share of the points' mean variance (squared).

    Returns:
        Centroids, float32 [clusters, dimensions], and the inertia after each iteration of the start that they are of.

    Raises:
        ValueError: there are fewer points than clusters.
    """
    if points.shape[0] < clusters:
        raise ValueError(f"expected at least {clusters} points for as many clusters, received {points.shape[0]}. Set clusters lower.")
    rest = tolerance * float(tf.reduce_mean(tf.math.reduce_variance(points, axis=0)))
    best: tuple[tf.Tensor, list[float]] = (points[:clusters], [np.inf])
    for start in range(starts):
        centroids, inertias = plus_plus(points, clusters, np.random.default_rng([seed, start])), []
        for _ in range(MOST_ITERATIONS):
            moved, inertia = lloyd(points, centroids)
            inertias.append(float(inertia))
            shift = float(tf.reduce_sum((moved - centroids) ** 2))
            centroids = moved
            if shift <= rest:
                break
        if inertias[-1] < best[1][-1]:
            best = centroids, inertias
    return best


def plus_plus(points: tf.Tensor, clusters: int, random: np.random.Generator) -> tf.Tensor:
    """The first centroids: points far from each other, drawn with a chance that grows with the square of the distance."""
    candidates = 2 + int(np.log(clusters))
    chosen = [int(random.integers(points.shape[0]))]
    nearest = squared_distances(points, points[chosen[0]][tf.newaxis])[:, 0]
    while len(chosen) < clusters:
        total = np.cumsum(nearest.numpy(), dtype=np.float64)
        drawn = np.minimum(np.searchsorted(total, random.random(candidates) * total[-1]), len(total) - 1)
        distances = tf.minimum(nearest[:, tf.newaxis], squared_distances(points, tf.gather(points, drawn)))
        least = int(tf.argmin(tf.reduce_sum(distances, axis=0)))
        chosen.append(int(drawn[least]))
        nearest = distances[:, least]
    return tf.gather(points, chosen)


@tf.function(reduce_retracing=True)
def lloyd(points: tf.Tensor, centroids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One iteration: the mean of the points nearest to each centroid, and the inertia before it; a centroid that has none stays."""
    distances = squared_distances(points, centroids)
    nearest = tf.argmin(distances, axis=1)
    clusters = tf.shape(centroids)[0]
    sums = tf.math.unsorted_segment_sum(points, nearest, clusters)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(points[:, :1]), nearest, clusters)
    return tf.where(counts > 0, sums / tf.maximum(counts, 1), centroids), tf.reduce_sum(tf.reduce_min(distances, axis=1))
