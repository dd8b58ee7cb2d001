"""Networks over the features that tabular.py makes, and which of these features a network takes.

Hyperparameters of every such model, all searched by `search_space`:

    features       "all", or the names of columns, separated by commas
    scaling        how numbers are scaled: "zscore", "log" (z-score of a logarithm) or "quantile" (rank, -1 … 1)
    impute         what stands for a missing number: "median" or "mean"
    buckets        0, or into how many buckets of equally many rows numbers are cut as well (8 or 32)
    crosses        "none", "all", or names of crosses, separated by commas
    embedding      0: one input per value of a category, bucket or cross; else such with more values become so many learned numbers.
                   Words always do, 16 of them at least
    network        "linear", "dnn" (ReLU layers) or "residual" (blocks of two layers that are added to what enters them)
    depth, width   number of layers or blocks, units of each
    dropout        share of units dropped after each
    learning_rate  of Adam

and for regression label_scale and label_offset: the network learns (label - label_offset) / label_scale and answers in the label's
unit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from trainer_modules.common.tabular import (
    BUCKETS,
    IMPUTATIONS,
    MONTHS,
    SCALINGS,
    WEEKDAYS,
    Category,
    Column,
    Cross,
    Date,
    Number,
    Text,
    cell_count,
    scaled_name,
)
from trainer_modules.common.text import present

if TYPE_CHECKING:
    import keras_tuner

Hparams = Mapping[str, Any]

ALL, NONE = "all", "none"
NETWORKS = ("linear", "dnn", "residual")
LEAST_WORD_UNITS = 16
REGRESSION, BINARY, MULTICLASS = "regression", "binary", "multiclass"


@dataclasses.dataclass(frozen=True)
class Feature:
    """A transformed feature that a network takes.

    Attributes:
        name: of the transformed feature.
        size: 0 for a number, float32 [N, 1]; else an id, int64 [N, 1], below `size`.
        length: of a text, int64 [N, length]: so many ids, of words.
    """

    name: str
    size: int = 0
    length: int = 0


def chosen_features(columns: Sequence[Column], hparams: Hparams) -> list[Feature]:
    """The transformed features that hyperparameters choose, in the order of the columns.

    Raises:
        ValueError: a name is of no column, or none is left.
    """
    plain = [column for column in columns if not isinstance(column, Cross)]
    wanted = named(hparams["features"], [column.name for column in plain], "features")
    crossed = named(hparams["crosses"], [column.name for column in columns if isinstance(column, Cross)], "crosses")
    found = [feature for column in plain if column.name in wanted for feature in forms(column, hparams)]
    for column in columns:
        if isinstance(column, Cross) and column.name in crossed:
            sizes = [cell_count(column, name, columns) for name in column.columns]
            found.append(Feature(f"{column.name}__id", sizes[0] * sizes[1]))
    if not found:
        raise ValueError(f"expected features to leave at least one column, received features={hparams['features']!r}.")
    return found


def named(value: str, known: Sequence[str], hparam: str) -> list[str]:
    """The names that a hyperparameter lists: all, none, or some separated by commas.

    Raises:
        ValueError: one is not known.
    """
    if value in (ALL, NONE):
        return list(known) if value == ALL else []
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"expected {hparam} to be {ALL}, {NONE} or some of {', '.join(known)}, received {', '.join(unknown)}.")
    return names


def forms(column: Number | Category | Date | Text, hparams: Hparams) -> list[Feature]:
    """The features of one column.

    Raises:
        ValueError: there is no such scaling, imputation or number of buckets.
    """
    name = column.name
    if isinstance(column, Category):
        return [Feature(f"{name}__id", column.size + 2)]
    if isinstance(column, Date):
        numbers = [Feature(f"{name}__{part}") for part in ("days", "year", "missing")]
        return [*numbers, Feature(f"{name}__month", MONTHS + 1), Feature(f"{name}__weekday", WEEKDAYS + 1)]
    if isinstance(column, Text):
        return [Feature(f"{name}__words", column.size, column.length)]
    for hparam, known in (("scaling", SCALINGS), ("impute", IMPUTATIONS), ("buckets", (0, *BUCKETS))):
        if hparams[hparam] not in known:
            raise ValueError(f"expected {hparam} to be one of {', '.join(map(str, known))}, received {hparams[hparam]!r}.")
    found = [Feature(scaled_name(column, hparams["scaling"], hparams["impute"]))]
    if column.missing:
        found.append(Feature(f"{name}__missing"))
    if hparams["buckets"]:
        found.append(Feature(f"{name}__bucket{hparams['buckets']}", hparams["buckets"]))
    return found


def build_model(columns: Sequence[Column], hparams: Hparams, task: str, classes: int = 0) -> keras.Model:
    """The compiled network.

    Args:
        columns: of the table.
        hparams: as the head of this module lists them.
        task: "regression", "binary" or "multiclass".
        classes: of a multiclass model.

    Returns:
        A model from a dict of the chosen features to `prediction`, float32 [N, 1], in the label's unit; `probability`, float32
        [N, 1], of the second of two classes; or `probabilities`, float32 [N, classes].

    Raises:
        ValueError: a hyperparameter has a value there is not, or the task is unknown.
    """
    inputs, x = encoded(chosen_features(columns, hparams), hparams)
    x = hidden_layers(x, hparams)
    optimizer = keras.optimizers.Adam(hparams["learning_rate"])
    if task == REGRESSION:
        output = in_unit(
            keras.layers.Dense(1, dtype="float32", name="scaled_prediction")(x), hparams["label_scale"], hparams["label_offset"]
        )
        loss, metrics = scaled_squared_error(hparams["label_scale"]), [rmse(), keras.metrics.MeanAbsoluteError(name="mae")]
    elif task == BINARY:
        output = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="probability")(x)
        loss, metrics = "binary_crossentropy", ["accuracy", keras.metrics.AUC(name="auc")]
    elif task == MULTICLASS:
        output = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
        loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
    else:
        raise ValueError(f"expected the task to be {REGRESSION}, {BINARY} or {MULTICLASS}, received {task!r}.")
    model = keras.Model(inputs, output)
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    return model


def encoded(features: Sequence[Feature], hparams: Hparams) -> tuple[dict[str, keras.KerasTensor], keras.KerasTensor]:
    """Inputs by name, and all of them side by side, float32 [N, total width]."""
    inputs, parts = {}, []
    for feature in features:
        tensor = keras.Input((feature.length or 1,), name=feature.name, dtype="int64" if feature.size else "float32")
        inputs[feature.name] = tensor
        if feature.length:
            parts.append(mean_of_words(tensor, feature.size, max(LEAST_WORD_UNITS, hparams["embedding"])))
        elif not feature.size:
            parts.append(tensor)
        elif hparams["network"] != "linear" and 0 < hparams["embedding"] < feature.size:
            parts.append(keras.layers.Flatten()(keras.layers.Embedding(feature.size, hparams["embedding"])(tensor)))
        else:
            # keras.ops.one_hot would do, but TFLite's int8 form of it gives its ones and zeros the scale of something else.
            parts.append(keras.ops.where(keras.ops.equal(tensor, keras.ops.arange(feature.size, dtype="int64")), 1.0, 0.0))
    return inputs, parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)


def mean_of_words(words: keras.KerasTensor, size: int, units: int) -> keras.KerasTensor:
    """Ids of words, int64 [N, length], to the mean of their learned vectors, float32 [N, units]; 0 for a text without words."""
    vectors, there = keras.layers.Embedding(size, units)(words), present(words)
    # Divided before it is summed: TFLite's int8 form gives a quotient that is concatenated the scale of something else.
    share = there / keras.ops.maximum(keras.ops.sum(there, axis=1, keepdims=True), 1.0)
    return keras.ops.sum(vectors * share, axis=1)


def hidden_layers(x: keras.KerasTensor, hparams: Hparams) -> keras.KerasTensor:
    """The layers between the inputs and the last one; none in a linear model.

    Residual blocks: K. He et al., "Deep Residual Learning for Image Recognition"; Y. Gorishniy et al., "Revisiting Deep Learning
    Models for Tabular Data" (here without normalisation, so that replicas of a distribution strategy need not agree on it).

    Raises:
        ValueError: there is no such network.
    """
    network, width = hparams["network"], hparams["width"]
    if network not in NETWORKS:
        raise ValueError(f"expected network to be one of {', '.join(NETWORKS)}, received {network!r}.")
    if network == "residual":
        x = keras.layers.Dense(width)(x)
    for _ in range(0 if network == "linear" else hparams["depth"]):
        inner = keras.layers.Dense(width, activation="relu")(x)
        inner = keras.layers.Dropout(hparams["dropout"])(inner)
        x = keras.layers.Add()([x, keras.layers.Dense(width)(inner)]) if network == "residual" else inner
    return x


def in_unit(x: keras.KerasTensor, scale: float, offset: float) -> keras.KerasTensor:
    """x * scale + offset, as the layer "prediction", in two steps that half precision (at most 65,504) can hold."""
    unit = math.sqrt(max(abs(scale), abs(offset), 1.0))
    x = keras.layers.Rescaling(scale / unit, offset / unit, dtype="float32")(x)
    # The bound is never met. It keeps TFLite from folding the unit into the weights of the layer before, which would not fit.
    x = keras.ops.maximum(x, -6e4)
    return keras.layers.Rescaling(unit, dtype="float32", name="prediction")(x)


def rmse() -> keras.metrics.Metric:
    """Root mean squared error, in the label's unit."""
    return keras.metrics.RootMeanSquaredError(name="rmse")


def scaled_squared_error(scale: float) -> Any:
    """The mean of ((label - prediction) / scale)², so that the loss and its gradients are near 1 whatever the label's unit."""

    def loss(label: Any, prediction: Any) -> Any:
        error = (keras.ops.cast(label, prediction.dtype) - prediction) / scale
        return keras.ops.mean(keras.ops.square(error), axis=-1)

    return loss


def search_space(hp: keras_tuner.HyperParameters, columns: Sequence[Column]) -> dict[str, Any]:
    """Preparation of the data, architecture and training, each with its range."""
    crosses = [column.name for column in columns if isinstance(column, Cross)]
    numbers = any(isinstance(column, Number) for column in columns)
    space: dict[str, Any] = {}
    if numbers:
        space |= {"scaling": hp.Choice("scaling", list(SCALINGS)), "buckets": hp.Choice("buckets", [0, *BUCKETS])}
    if any(isinstance(column, Number) and column.missing for column in columns):
        space["impute"] = hp.Choice("impute", list(IMPUTATIONS))
    if crosses:
        space["crosses"] = hp.Choice("crosses", [NONE, ALL, *(crosses if len(crosses) > 1 else [])])
    return space | {
        "embedding": hp.Choice("embedding", [0, 4, 8, 16]),
        "network": hp.Choice("network", list(NETWORKS)),
        "depth": hp.Int("depth", 1, 4),
        "width": hp.Choice("width", [32, 64, 128, 256]),
        "dropout": hp.Float("dropout", 0.0, 0.4, step=0.1),
        "learning_rate": hp.Float("learning_rate", 3e-4, 1e-2, sampling="log"),
    }
