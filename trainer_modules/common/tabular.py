"""Columns of a table to features: what a preprocessing_fn does for rows of numbers, categories, dates and texts.

A model declares its columns and Transform makes every form of each as a feature of its own (a number z-scored, as a logarithm, as
its rank, in buckets …). Hyperparameters choose the forms that the network takes (tabular_model.py), so a search covers the
preparation of the data too, although Transform ran before it, and serving prepares as training did.

    column        features it becomes
    Number x      x__zscore, x__log, x__quantile float32 [N, 1]; x__bucket8, x__bucket32 int64 [N, 1]
                  and where it may be missing x__mean__zscore, x__mean__log, x__mean__quantile, x__missing float32 [N, 1]
    Category c    c__id int64 [N, 1]: 0 missing, 1 unknown, from 2 on the values, the most frequent first
    Date d        d__days, d__year, d__missing float32 [N, 1]; d__month, d__weekday int64 [N, 1]: 0 missing, from 1 on January, Monday
    Text t        t__words int64 [N, length]: numbers of the words, see text.py
    Cross k       k__id int64 [N, 1]: which combination of two columns' buckets or values
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.common.dates import ORDERS, parse_dates
from trainer_modules.common.scaling import QUANTILES, analyse_quantiles, bucket, is_known, logarithm, mean_and_spread, rank
from trainer_modules.common.text import split_words, word_numbers

SCALINGS = ("zscore", "log", "quantile")
IMPUTATIONS = ("median", "mean")
BUCKETS = (8, 32)
# Outliers count as so many standard deviations, which a model in 8 bits can still tell from the rest.
FARTHEST = 8.0
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
class Text:
    """A column of free text, BYTES in the schema.

    Attributes:
        name: of the raw feature.
        size: how many words are told apart, the most frequent of the training split; all others are one.
        length: how many words of a text are looked at, its first.
    """

    name: str
    size: int = 5000
    length: int = 100


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


Column = Number | Category | Date | Text | Cross


def transform(inputs: Mapping[str, Raw], columns: Sequence[Column]) -> dict[str, tf.Tensor]:
    """Every form of every column, as the head of this module lists them; for use in a preprocessing_fn.

    Args:
        inputs: raw features by name: dense [N], or sparse [N, at most 1] where a value may be missing.
        columns: what they are.

    Returns:
        The features by name; not the label.
    """
    features: dict[str, tf.Tensor] = {}
    numbers = [column for column in columns if isinstance(column, Number)]
    values: dict[str, tuple[tf.Tensor, tf.Tensor]] = {}  # of numbers, with their quantiles
    if numbers:
        table = tf.stack([dense_number(inputs[number.name]) for number in numbers], axis=1)
        grid = analyse_quantiles(table)
        features |= scaled_numbers(numbers, table, grid)
        for index, number in enumerate(numbers):
            values[number.name] = column_of(table, index), grid[index]
            features |= {f"{number.name}__bucket{size}": bucket(*values[number.name], size) for size in BUCKETS}
    for column in columns:
        if isinstance(column, Category):
            features[f"{column.name}__id"] = category_ids(inputs[column.name], column)
        elif isinstance(column, Date):
            features |= date_parts(dense_text(inputs[column.name]), column)
        elif isinstance(column, Text):
            words = split_words(dense_text(inputs[column.name]))
            features[f"{column.name}__words"] = word_numbers(
                words, vocabulary_size=column.size, length=column.length, vocabulary=f"{column.name}_words"
            )
    for column in columns:
        if isinstance(column, Cross):
            first, second = (
                bucket(*values[name], column.buckets) if name in values else features[f"{name}__id"] for name in column.columns
            )
            features[f"{column.name}__id"] = first * cell_count(column, column.columns[1], columns) + second
    return features


def zscores(inputs: Mapping[str, Raw], names: Sequence[str]) -> tf.Tensor:
    """Numbers of a row as one vector, for methods that go by distances; for use in a preprocessing_fn.

    Args:
        inputs: raw features by name: dense [N], or sparse [N, at most 1] where a value may be missing.
        names: of the numbers.

    Returns:
        float32 [N, names]: in standard deviations from the mean of the training split, at most FARTHEST; a missing value is the mean.
    """
    table = tf.stack([dense_number(inputs[name]) for name in names], axis=1)
    known = is_known(table)
    mean, spread = mean_and_spread(tf.where(known, table, float("nan")))
    return tf.where(known, tf.clip_by_value((table - mean) / spread, -FARTHEST, FARTHEST), 0.0)


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


def scaled_numbers(numbers: Sequence[Number], table: tf.Tensor, grid: tf.Tensor) -> dict[str, tf.Tensor]:
    """The scaled forms of numbers, their missing values replaced by the median or the mean of the training split.

    Args:
        numbers: the columns.
        table: their values, float32 [N, columns], NaN where one is missing.
        grid: their quantiles, float32 [columns, QUANTILES + 1].

    Returns:
        float32 [N, 1] by feature.
    """
    known = is_known(table)
    # One analysis for both scales, since each has its price.
    both = tf.concat([table, logarithm(table, grid)], axis=1)
    mean, spread = mean_and_spread(tf.where(tf.concat([known, known], axis=1), both, float("nan")))
    (mean, log_mean), (spread, log_spread) = tf.split(mean, 2), tf.split(spread, 2)
    features = {f"{column.name}__missing": column_of(tf.cast(~known, tf.float32), i) for i, column in enumerate(numbers) if column.missing}
    for imputation, fill in zip(IMPUTATIONS, (grid[:, QUANTILES // 2], mean), strict=True):
        filled = tf.where(known, table, fill)
        scaled = (
            tf.clip_by_value((filled - mean) / spread, -FARTHEST, FARTHEST),
            tf.clip_by_value((logarithm(filled, grid) - log_mean) / log_spread, -FARTHEST, FARTHEST),
            rank(filled, grid),
        )
        for index, column in enumerate(numbers):
            if column.missing or imputation == IMPUTATIONS[0]:
                for scaling, values in zip(SCALINGS, scaled, strict=True):
                    features[scaled_name(column, scaling, imputation)] = column_of(values, index)
    return features


def column_of(table: tf.Tensor, index: int) -> tf.Tensor:
    """One column of a table, [N, 1]."""
    return table[:, index : index + 1]


def scaled_name(column: Number, scaling: str, imputation: str) -> str:
    """Name of the feature that is a number scaled, its missing values replaced by the median or the mean."""
    return f"{column.name}__mean__{scaling}" if column.missing and imputation == "mean" else f"{column.name}__{scaling}"


def category_ids(raw: Raw, column: Category) -> tf.Tensor:
    """int64 [N, 1]: 0 for missing, 1 for unknown, from 2 on the training split's values, the most frequent first."""
    texts = dense_text(raw)
    there = tf.strings.length(texts) > 0
    vocabulary = tft.vocabulary(tf.boolean_mask(texts, there), top_k=column.size, vocab_filename=f"{column.name}_values")
    index = tft.apply_vocabulary(texts, vocabulary, default_value=-1)
    return tf.where(there, index + 2, tf.zeros_like(index))[:, tf.newaxis]


def date_parts(texts: tf.Tensor, column: Date) -> dict[str, tf.Tensor]:
    """The parts of dates, string [N]; days and years as z-scores, and 0 for whatever is missing."""
    date = parse_dates(texts, column.order)
    known = date.known[:, tf.newaxis]
    table = tf.cast(tf.stack([date.days, date.year], axis=1), tf.float32)
    mean, spread = mean_and_spread(tf.where(known, table, float("nan")))
    scaled = tf.where(known, (table - mean) / spread, 0.0)
    ids = tf.where(known, tf.stack([date.month, date.weekday], axis=1), tf.constant(0, tf.int64))
    return {
        f"{column.name}__days": column_of(scaled, 0),
        f"{column.name}__year": column_of(scaled, 1),
        f"{column.name}__missing": tf.cast(~known, tf.float32),
        f"{column.name}__month": column_of(ids, 0),
        f"{column.name}__weekday": column_of(ids, 1),
    }


def cell_count(cross: Cross, name: str, columns: Sequence[Column]) -> int:
    """How many buckets or values one column of a cross has."""
    column = next((column for column in columns if column.name == name), None)
    if isinstance(column, Number):
        return cross.buckets
    if isinstance(column, Category):
        return column.size + 2
    raise ValueError(f"expected the cross {cross.name} to be of declared numbers or categories, received {name!r}.")
