"""Numbers of the training split measured by Transform, and the scales that its graph brings numbers to.

Tables are float32 [N, columns] with NaN where a value is missing. Everything here has a form in TFLite.
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_transform as tft

QUANTILES = 32
# Of TFT's sketch; below the share of one row in most tables that fit in memory.
QUANTILE_ERROR = 1e-4
# What a missing value weighs beside a known one where quantiles are computed: it matters only if there are no others.
MISSING_WEIGHT = 1e-9


def is_known(values: tf.Tensor) -> tf.Tensor:
    """bool [N]: whether each is a finite number."""
    # Every comparison with NaN is false. tf.math.is_finite has no form in TFLite.
    return tf.abs(values) <= tf.float32.max


def analyse_quantiles(table: tf.Tensor) -> tf.Tensor:
    """Where the training split's known values lie.

    Args:
        table: float32 [N, columns], NaN where a value is missing.

    Returns:
        float32 [columns, QUANTILES + 1]: minimum, QUANTILES - 1 inner quantiles, maximum; 0 for a column without a known value.
    """
    known = is_known(table)
    weights = tf.where(known, 1.0, MISSING_WEIGHT)
    filled = tf.where(known, table, 0.0)
    inner = [
        tf.reshape(tft.quantiles(filled[:, index], QUANTILES, QUANTILE_ERROR, weights=weights[:, index]), [1, QUANTILES - 1])
        for index in range(table.shape[1])
    ]
    # One analysis for all minima and maxima, since each has its price.
    ends = tf.concat([tf.where(known, table, tf.float32.max), tf.where(known, -table, tf.float32.max)], axis=1)
    low, high = tf.split(tft.min(ends, reduce_instance_dims=False), 2)
    some = low < tf.float32.max
    low, high = tf.where(some, low, 0.0), tf.where(some, -high, 0.0)
    return tf.concat([low[:, tf.newaxis], tf.concat(inner, axis=0), high[:, tf.newaxis]], axis=1)


def mean_and_spread(table: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation [columns] of the training split's known values [N, columns]; 1 for a constant column's deviation."""
    mean = tft.mean(table, reduce_instance_dims=False)
    deviation = tf.sqrt(tft.var(table, reduce_instance_dims=False))
    usable = is_known(deviation) & (deviation > 0)
    return tf.where(is_known(mean), mean, 0.0), tf.where(usable, deviation, 1.0)


def logarithm(table: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """log(1 + (x - minimum) / (median - minimum)): brings skewed columns to a scale, whatever their unit.

    Args:
        table: values; those under the training split's minimum count as the minimum.
        grid: [columns, QUANTILES + 1], quantiles.

    Returns:
        float32 [N, columns]; arbitrary where a value is missing.
    """
    low, unit = grid[:, 0], grid[:, QUANTILES // 2] - grid[:, 0]
    return tf.math.log(1.0 + tf.maximum(table - low, 0.0) / tf.where(unit > 0, unit, 1.0))


def rank(table: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """-1 … 1: where values [N, columns] stand in the training split's distribution, linear between quantiles [columns, QUANTILES + 1]."""
    low, high = grid[:, :-1], grid[:, 1:]
    passed = (table[:, :, tf.newaxis] - low) / tf.maximum(high - low, 1e-30)
    return 2.0 * tf.reduce_mean(tf.clip_by_value(passed, 0.0, 1.0), axis=2) - 1.0


def bucket(values: tf.Tensor, quantiles: tf.Tensor, size: int) -> tf.Tensor:
    """Which of `size` buckets of equally many training rows each value is in; a boundary belongs to the bucket above it.

    Args:
        values: float32 [N, 1]; a missing one counts as the median.
        quantiles: float32 [QUANTILES + 1].
        size: a divisor of QUANTILES.

    Returns:
        int64 [N, 1], from 0 on.
    """
    step = QUANTILES // size
    filled = tf.where(is_known(values), values, quantiles[QUANTILES // 2])
    return tf.reduce_sum(tf.cast(filled >= quantiles[step:-1:step], tf.int64), axis=1, keepdims=True)
