"""Columns of a table to features: what a preprocessing_fn does for rows of numbers, categories and dates.

A model declares its columns and Transform makes every form of each as a feature of its own (a number z-scored, as a logarithm, as
its rank, in buckets …). Hyperparameters choose the forms that the network takes (tabular_model.py), so a search covers the
preparation of the data too, although Transform ran before it, and serving prepares as training did.

    column        features it becomes
    Number x      x__zscore, x__log, x__quantile float32 [N, 1]; x__bucket8, x__bucket32 int64 [N, 1]
                  and where it may be missing x__mean__zscore, x__mean__log, x__mean__quantile, x__missing float32 [N, 1]
    Category c    c__id int64 [N, 1]: 0 missing, 1 unknown, from 2 on the values, the most frequent first
    Date d        d__days, d__year, d__missing float32 [N, 1]; d__month, d__weekday int64 [N, 1]: 0 missing, from 1 on January, Monday
    Cross k       k__id int64 [N, 1]: which combination of two columns' buckets or values
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.common.dates import ORDERS, parse_dates

SCALINGS = ("zscore", "log", "quantile")
IMPUTATIONS = ("median", "mean")
BUCKETS = (8, 32)
QUANTILES = 32
# Of TFT's sketch; below the share of one row in any table that fits in memory.
QUANTILE_ERROR = 1e-4
# What a missing value weighs beside a known one where quantiles are computed: it matters only if there are no others.
MISSING_WEIGHT = 1e-9
MONTHS, WEEKDAYS = 12, 7

Raw: TypeAlias = tf.Tensor | tf.SparseTensor


@dataclasses.dataclass(frozen=True)
class Number:
    """A column of numbers, FLOAT or INT in the schema.

    Attributes:
        name: of the raw feature.
        missing: whether it may be missing, so that its absence is a feature too. A value that is no finite number is missing.
    """

    name: str
    missing: bool = False


@dataclasses.dataclass(frozen=True)
class Category:
    """A column of texts or whole numbers that are names of kinds, BYTES or INT in the schema.

    Attributes:
        name: of the raw feature.
        size: at most how many values are told apart, the most frequent of the training split; all others are one.
    """

    name: str
    size: int


@dataclasses.dataclass(frozen=True)
class Date:
    """A column of dates as texts, BYTES in the schema. A text that is no date is missing.

    Attributes:
        name: of the raw feature.
        order: of day, month and year in it, see dates.py.
    """

    name: str
    order: str = "ymd"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"expected the order of the date {self.name} to be one of {', '.join(ORDERS)}, received {self.order!r}.")


@dataclasses.dataclass(frozen=True)
class Cross:
    """The combinations of two columns, e.g. of latitude and longitude: a map's squares.

    Attributes:
        name: of the cross.
        columns: names of two declared columns, numbers or categories.
        buckets: into how many buckets of equally many rows a number is cut; a divisor of QUANTILES.
    """

    name: str
    columns: tuple[str, str]
    buckets: int = 8

    def __post_init__(self) -> None:
        if QUANTILES % self.buckets:
            raise ValueError(f"expected the buckets of the cross {self.name} to divide {QUANTILES}, received {self.buckets}.")


Column = Number | Category | Date | Cross


def transform(inputs: Mapping[str, Raw], columns: Sequence[Column]) -> dict[str, tf.Tensor]:
    """Every form of every column, as the head of this module lists them; for use in a preprocessing_fn.

    Args:
        inputs: raw features by name: dense [N], or sparse [N, at most 1] where a value may be missing.
        columns: what they are.

    Returns:
        The features by name; not the label.
    """
    numbers = [column for column in columns if isinstance(column, Number)]
    features: dict[str, tf.Tensor] = {}
    values: dict[str, tf.Tensor] = {column.name: dense_number(inputs[column.name]) for column in numbers}
    known = {name: is_known(value) for name, value in values.items()}
    quantiles = {name: analyse_quantiles(value, known[name]) for name, value in values.items()}
    imputed = {name: tf.where(known[name], value, quantiles[name][QUANTILES // 2]) for name, value in values.items()}
    if numbers:
        features |= number_features(numbers, values, known, quantiles)
    for column in columns:
        if isinstance(column, Number):
            for size in BUCKETS:
                features[f"{column.name}__bucket{size}"] = bucket(imputed[column.name], quantiles[column.name], size)[:, tf.newaxis]
            if column.missing:
                features[f"{column.name}__missing"] = tf.cast(~known[column.name], tf.float32)[:, tf.newaxis]
        elif isinstance(column, Category):
            features[f"{column.name}__id"] = category_ids(inputs[column.name], column)[:, tf.newaxis]
        elif isinstance(column, Date):
            features |= date_features(dense_text(inputs[column.name]), column)
    for column in columns:
        if isinstance(column, Cross):
            features[f"{column.name}__id"] = cross_ids(column, columns, imputed, quantiles, features)
    return features


def dense_number(raw: Raw) -> tf.Tensor:
    """float32 [N], NaN where a value is missing."""
    if isinstance(raw, tf.SparseTensor):
        values = tf.SparseTensor(raw.indices, tf.cast(raw.values, tf.float32), raw.dense_shape)
        raw = tft.sparse_tensor_to_dense_with_shape(values, [None, 1], float("nan"))
    return tf.reshape(tf.cast(raw, tf.float32), [-1])


def dense_text(raw: Raw) -> tf.Tensor:
    """string [N] without white space around it, empty where a value is missing; whole numbers become their digits."""
    if isinstance(raw, tf.SparseTensor):
        raw = tf.SparseTensor(raw.indices, as_text(raw.values), raw.dense_shape)
        raw = tft.sparse_tensor_to_dense_with_shape(raw, [None, 1], "")
    return tf.strings.strip(tf.reshape(as_text(raw), [-1]))


def as_text(values: tf.Tensor) -> tf.Tensor:
    """The values as strings."""
    return values if values.dtype == tf.string else tf.strings.as_string(values)


def is_known(values: tf.Tensor) -> tf.Tensor:
    """bool [N]: whether each is a finite number."""
    # Every comparison with NaN is false. tf.math.is_finite has no form in TFLite.
    return tf.abs(values) <= tf.float32.max


def analyse_quantiles(values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """float32 [QUANTILES + 1]: the training split's minimum, QUANTILES - 1 inner quantiles and maximum; 0 if no value is known."""
    filled = tf.where(known, values, 0.0)
    weights = tf.where(known, 1.0, MISSING_WEIGHT)
    inner = tft.quantiles(filled, QUANTILES, QUANTILE_ERROR, weights=weights)
    low = tft.min(tf.where(known, values, tf.float32.max))
    high = tft.max(tf.where(known, values, tf.float32.min))
    some = low <= high
    ends = [tf.reshape(tf.where(some, end, 0.0), [1]) for end in (low, high)]
    return tf.concat([ends[0], tf.reshape(inner, [QUANTILES - 1]), ends[1]], axis=0)


def number_features(
    numbers: Sequence[Number], values: Mapping[str, tf.Tensor], known: Mapping[str, tf.Tensor], quantiles: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """The scaled forms of numbers, each float32 [N, 1].

    Missing values become the median or the mean of the training split before they are scaled. Means and variances of all columns
    are computed side by side, since each analysis of Transform has its price.
    """
    names = [column.name for column in numbers]
    nan = tf.constant(float("nan"))
    table = tf.stack([tf.where(known[name], values[name], nan) for name in names], axis=1)
    grid = tf.stack([quantiles[name] for name in names])
    mean, spread = mean_and_spread(table)
    log_mean, log_spread = mean_and_spread(logarithm(table, grid))
    fills = {"median": grid[:, QUANTILES // 2], "mean": mean}
    features = {}
    for imputation, fill in fills.items():
        filled = tf.where(is_known(table), table, fill)
        scaled = {
            "zscore": (filled - mean) / spread,
            "log": (logarithm(filled, grid) - log_mean) / log_spread,
            "quantile": rank(filled, grid),
        }
        for index, column in enumerate(numbers):
            if imputation == IMPUTATIONS[0] or column.missing:
                features |= {scaled_name(column, form, imputation): table[:, index : index + 1] for form, table in scaled.items()}
    return features


def scaled_name(column: Number, scaling: str, imputation: str) -> str:
    """Name of the feature that is a number scaled, its missing values replaced by the median or the mean."""
    return f"{column.name}__mean__{scaling}" if column.missing and imputation == "mean" else f"{column.name}__{scaling}"


def mean_and_spread(table: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation [columns] of the training split's known values [N, columns]; 1 for a constant column's deviation."""
    mean = tft.mean(table, reduce_instance_dims=False)
    deviation = tf.sqrt(tft.var(table, reduce_instance_dims=False))
    usable = is_known(deviation) & (deviation > 0)
    return tf.where(is_known(mean), mean, 0.0), tf.where(usable, deviation, 1.0)


def logarithm(table: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """log(1 + (x - minimum) / (median - minimum)): brings skewed columns to a scale, whatever their unit.

    Args:
        table: [N, columns]; values under the training split's minimum count as the minimum.
        grid: [columns, QUANTILES + 1], quantiles.
    """
    low, unit = grid[:, 0], grid[:, QUANTILES // 2] - grid[:, 0]
    return tf.math.log(1.0 + tf.maximum(table - low, 0.0) / tf.where(unit > 0, unit, 1.0))


def rank(table: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """-1 … 1: where values [N, columns] stand in the training split's distribution, linear between quantiles [columns, QUANTILES + 1]."""
    low, high = grid[:, :-1], grid[:, 1:]
    width = tf.maximum(high - low, 1e-30)
    passed = tf.clip_by_value((table[:, :, tf.newaxis] - low) / width, 0.0, 1.0)
    return 2.0 * tf.reduce_mean(passed, axis=2) - 1.0


def bucket(values: tf.Tensor, quantiles: tf.Tensor, size: int) -> tf.Tensor:
    """int64 [N]: which of `size` buckets of equally many training rows each value is in; a boundary belongs to the bucket above."""
    step = QUANTILES // size
    return tf.reduce_sum(tf.cast(values[:, tf.newaxis] >= quantiles[step:-1:step], tf.int64), axis=1)


def category_ids(raw: Raw, column: Category) -> tf.Tensor:
    """int64 [N]: 0 for missing, 1 for unknown, from 2 on the training split's values, the most frequent first."""
    texts = dense_text(raw)
    there = tf.strings.length(texts) > 0
    vocabulary = tft.vocabulary(tf.boolean_mask(texts, there), top_k=column.size, vocab_filename=f"{column.name}_values")
    index = tft.apply_vocabulary(texts, vocabulary, default_value=-1)
    return tf.where(there, index + 2, tf.zeros_like(index))


def date_features(texts: tf.Tensor, column: Date) -> dict[str, tf.Tensor]:
    """The parts of dates; days and years as z-scores, those of a missing date 0."""
    date = parse_dates(texts, column.order)
    nan = tf.constant(float("nan"))
    table = tf.stack([tf.where(date.known, tf.cast(part, tf.float32), nan) for part in (date.days, date.year)], axis=1)
    mean, spread = mean_and_spread(table)
    scaled = tf.where(date.known[:, tf.newaxis], (table - mean) / spread, 0.0)
    zero = tf.zeros_like(date.month)
    return {
        f"{column.name}__days": scaled[:, :1],
        f"{column.name}__year": scaled[:, 1:],
        f"{column.name}__missing": tf.cast(~date.known, tf.float32)[:, tf.newaxis],
        f"{column.name}__month": tf.where(date.known, date.month, zero)[:, tf.newaxis],
        f"{column.name}__weekday": tf.where(date.known, date.weekday, zero)[:, tf.newaxis],
    }


def cross_ids(
    cross: Cross,
    columns: Sequence[Column],
    imputed: Mapping[str, tf.Tensor],
    quantiles: Mapping[str, tf.Tensor],
    features: Mapping[str, tf.Tensor],
) -> tf.Tensor:
    """int64 [N, 1]: the number of the combination."""
    ids = []
    for name in cross.columns:
        if name in imputed:
            ids.append(bucket(imputed[name], quantiles[name], cross.buckets)[:, tf.newaxis])
        else:
            ids.append(features[f"{name}__id"])
    return ids[0] * cell_count(cross, cross.columns[1], columns) + ids[1]


def cell_count(cross: Cross, name: str, columns: Sequence[Column]) -> int:
    """How many buckets or values one column of a cross has."""
    column = next((column for column in columns if column.name == name), None)
    if isinstance(column, Number):
        return cross.buckets
    if isinstance(column, Category):
        return column.size + 2
    raise ValueError(f"expected the cross {cross.name} to be of declared numbers or categories, received {name!r}.")
