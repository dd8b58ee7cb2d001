"""A self-organising map of colours: like colours come to lie side by side on a plane.

A map of 30 by 30 units (T. Kohonen, "Self-Organized Formation of Topologically Correct Feature Maps", 1982; A. Gulli, A. Kapoor and
S. Pal, "Deep Learning with TensorFlow 2 and Keras", chapter on unsupervised learning, which shows 16 colours one after the other, 400
in all, with a neighbourhood of 10 and a rate of 0.5), trained here in batches (trainer_modules/common/self_organising_map.py). The
reference is MiniSom on the same colours: its quantisation error, the mean distance of colours from their units, and its topographic
error, the share of colours whose two best units are no neighbours.

    darsena run color_som               the colours that matplotlib has names for
    darsena run color_som --data PATH   your own
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import endpoints, findings, progress, training
from trainer_modules.common import self_organising_map as som
from trainer_modules.common.input_data import Rows, read_examples
from trainer_modules.common.strategies import check_one_device

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

CHANNELS = ("r", "g", "b")
COLOR = "color"
LABEL = "name"
NAMED = 40


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `r`, `g` and `b`, int64 [N], 0..255; `name`, string [N].

    Returns:
        `color`, float32 [N, 3] in 0..1; `name`, string [N].
    """
    channels = [tf.cast(tf.reshape(inputs[channel], [-1]), tf.float32) / 255.0 for channel in CHANNELS]
    return {COLOR: tf.stack(channels, axis=1), LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The model, whose units are to be set.

    Args:
        hparams: `rows`, `columns`.

    Returns:
        A model from {`color`: float32 [N, 3]} to `best_matching_unit`, row and column, int64 [N, 2], and `distance` from it, float32 [N].
    """
    color = keras.Input((len(CHANNELS),), name=COLOR)
    place, distance = som.Map(hparams["rows"], hparams["columns"], name="map")(color)
    return keras.Model({COLOR: color}, {"best_matching_unit": place, "distance": distance})


def learn(
    build_model: training.BuildModel,
    hparams: training.Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "default",
    initialise: training.Initialise | None = None,
    folders: training.Folders = training.NOWHERE,
) -> tuple[keras.Model, training.History]:
    """Trains the map: a `training.Fit`, whose history is of the iterations.

    Raises:
        ValueError: a strategy of several devices was asked for.
    """
    check_one_device(strategy, "a map, which takes a second")
    started = time.perf_counter()
    names = ("iterations", "sigma", "last_sigma", "rate")
    size = hparams["rows"], hparams["columns"]
    units, errors = som.train(train.features[COLOR], *size, **{name: hparams[name] for name in names}, seed=seed)
    seconds = time.perf_counter() - started
    model = build_model(hparams)
    model.get_layer("map").units.assign(units)
    metrics = {"quantization_error": errors}
    return model, progress.history(metrics, epochs=len(errors), seconds=seconds, examples=train.count * len(errors))


def run_fn(fn_args: FnArgs) -> None:
    """Trains the map and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, learn=learn, endpoints=endpoints.parts({"best_matching_unit": ["best_matching_unit"]}))


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the map on the test split (called by the evaluator).

    Returns:
        `quantization_error` and `topographic_error`.
    """
    loaded = tf.saved_model.load(str(model))
    test = findings.answers(loaded.signatures, examples["test"])
    rows, columns = config["hparams"]["rows"], config["hparams"]["columns"]
    (units,) = (variable.numpy() for variable in loaded.variables if variable.shape == (rows * columns, len(CHANNELS)))
    colors = np.stack([test.inputs[channel] for channel in CHANNELS], axis=1) / np.float32(255)
    section = findings.Section(out_dir, "The map", "Each square is a unit in the colour that it stands for.")
    section.figure(
        "map", "The map, with the places of some named colours", drawing(units, columns, names(loaded.signatures, examples["train"]))
    )
    section.write()
    return {
        "quantization_error": findings.mean(test.outputs["distance"]),
        "topographic_error": som.topographic_error(colors, units, columns),
    }


def names(signatures: Mapping[str, Any], split: Path) -> dict[str, tuple[int, int]]:
    """Row and column of colours of a split by name: those with the shortest names."""
    records = list(read_examples([str(split / "*")]).as_numpy_iterator())
    texts = [tf.train.Example.FromString(record).features.feature[LABEL].bytes_list.value[0].decode() for record in records]
    places = findings.answers(signatures, split).outputs["best_matching_unit"]
    chosen = sorted(range(len(texts)), key=lambda row: (len(texts[row]), texts[row]))[:NAMED]
    return {texts[row]: (int(places[row][0]), int(places[row][1])) for row in chosen}


def drawing(units: np.ndarray, columns: int, places: Mapping[str, tuple[int, int]]) -> Any:
    """The map as a figure of matplotlib; each name is where its colour is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8))
    axes = figure.subplots()
    axes.imshow(units.reshape(-1, columns, len(CHANNELS)).clip(0, 1))
    for name, (row, column) in places.items():
        dark = units[row * columns + column] @ (0.299, 0.587, 0.114) < 0.5
        axes.text(column, row, name, color="white" if dark else "black", fontsize=7, ha="center", va="center")
    axes.set_axis_off()
    return figure
