"""Kohonen's self-organising map, in its batch form (T. Kohonen, "Self-Organizing Maps", 3rd edition, 2001, chapter 3.6).

In each iteration every vector finds its best matching unit, and every unit moves towards the mean of the vectors, each weighted by
how near its own unit is on the map. A unit's neighbourhood shrinks from iteration to iteration. Nothing loops over vectors or units.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common.clustering import squared_distances

# Units further from each other than diagonal neighbours are no neighbours.
NEIGHBOURS = 1.42


class Map(keras.layers.Layer):
    """Vectors [N, dimensions] to row and column of their best matching units, int64 [N, 2], and the distances from these, float32 [N].

    Args:
        rows, columns: of the map.
        **kwargs: of keras.layers.Layer.

    Attributes:
        units: the layer's weights, float32 [rows * columns, dimensions], row by row; no gradient moves them.
    """

    def __init__(self, rows: int, columns: int, **kwargs: object):
        super().__init__(**kwargs)
        self.rows, self.columns = rows, columns

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        size = (self.rows * self.columns, shape[-1])
        self.units = self.add_weight(shape=size, initializer="zeros", trainable=False, name="units")

    def call(self, vectors: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """See the class."""
        best = tf.argmin(squared_distances(vectors, self.units), axis=1)
        place = tf.gather(tf.constant(grid(self.rows, self.columns), tf.int64), best)
        # Anew from the difference: that of two nearly equal squares would be mostly rounding.
        return place, keras.ops.sqrt(keras.ops.sum((vectors - tf.gather(tf.convert_to_tensor(self.units), best)) ** 2, axis=1))


def grid(rows: int, columns: int) -> np.ndarray:
    """Row and column of each unit, float32 [rows * columns, 2]."""
    return np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def train(
    vectors: tf.Tensor, rows: int, columns: int, *, iterations: int, sigma: float, last_sigma: float, rate: float, seed: int
) -> tuple[tf.Tensor, list[float]]:
    """Units that begin as vectors drawn at random.

    Args:
        vectors: float32 [N, dimensions].
        rows, columns: of the map.
        iterations: how often all vectors are shown.
        sigma: standard deviation of a neighbourhood at first, in units.
        last_sigma: the same at last; it shrinks by the same share each time.
        rate: share of the way that a unit moves each time.
        seed: of the first units.

    Returns:
        The units, float32 [rows * columns, dimensions], and the quantisation error before each iteration.
    """
    drawn = np.random.default_rng(seed).integers(0, vectors.shape[0], rows * columns)
    sigmas = np.geomspace(sigma, last_sigma, iterations).astype(np.float32)
    units, errors = organised(vectors, tf.gather(vectors, drawn), tf.constant(grid(rows, columns)), tf.constant(sigmas), tf.constant(rate))
    return units, [float(error) for error in errors.numpy()]


@tf.function(reduce_retracing=True)
def organised(vectors: tf.Tensor, units: tf.Tensor, places: tf.Tensor, sigmas: tf.Tensor, rate: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The iterations of `train`, one for each of the sigmas."""
    apart = squared_distances(places, places)
    errors = tf.TensorArray(tf.float32, tf.shape(sigmas)[0])
    count = tf.shape(units)[0]
    for step in tf.range(tf.shape(sigmas)[0]):
        squared = squared_distances(vectors, units)
        errors = errors.write(step, tf.reduce_mean(tf.sqrt(tf.reduce_min(squared, axis=1))))
        best = tf.argmin(squared, axis=1)
        # Vectors of one unit have one neighbourhood: their sum and number are all that counts of them.
        sums = tf.math.unsorted_segment_sum(vectors, best, count)
        numbers = tf.math.unsorted_segment_sum(tf.ones_like(vectors[:, :1]), best, count)
        near = tf.exp(-apart / (2 * sigmas[step] ** 2))
        weight = tf.matmul(near, numbers)
        means = tf.math.divide_no_nan(tf.matmul(near, sums), weight)
        units = tf.where(weight > 0, units + rate * (means - units), units)
    return units, errors.stack()


def topographic_error(vectors: np.ndarray, units: np.ndarray, columns: int) -> float:
    """The share of vectors whose two best matching units are no neighbours on the map (as MiniSom has it)."""
    squared = ((vectors**2).sum(axis=1, keepdims=True) + (units**2).sum(axis=1)) - 2 * vectors @ units.T
    two = np.argsort(squared, axis=1)[:, :2]
    first, second = (np.stack([two[:, rank] // columns, two[:, rank] % columns], axis=1) for rank in (0, 1))
    return float((np.linalg.norm(first - second, axis=1) > NEIGHBOURS).mean())


def neighbour_distances(units: np.ndarray) -> np.ndarray:
    """The U-matrix: how far each unit is from its neighbours, of which it has up to eight, on average.

    Args:
        units: float32 [rows, columns, dimensions].

    Returns:
        float32 [rows, columns].
    """
    rows, columns, _ = units.shape
    framed = np.pad(units, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    moves = [(down, across) for down in range(3) for across in range(3) if (down, across) != (1, 1)]
    apart = [np.linalg.norm(framed[down : down + rows, across : across + columns] - units, axis=2) for down, across in moves]
    found: np.ndarray = np.nanmean(apart, axis=0)
    return found
