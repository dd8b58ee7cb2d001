"""A self-organising map of colours: like colours come to lie side by side on a plane.

A map of 30 by 30 units (T. Kohonen, "Self-Organized Formation of Topologically Correct Feature Maps", 1982; A. Gulli, A. Kapoor and
S. Pal, "Deep Learning with TensorFlow 2 and Keras", chapter on unsupervised learning, which shows 16 colours one after the other, 400
in all, with a neighbourhood of 10 and a rate of 0.5), trained here in batches (trainer_modules/common/self_organising_map.py). The
reference is MiniSom on the same colours: its quantisation error, the mean distance of colours from their units, and its topographic
error, the share of colours whose two best units are no neighbours (docs/models.md).

    darsena run color_som               the colours that matplotlib has names for
    darsena run color_som --data PATH   your own
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import findings, maps, training

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
    return maps.build_model(COLOR, len(CHANNELS), hparams)


def run_fn(fn_args: FnArgs) -> None:
    """Trains the map and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, learn=maps.learn, endpoints=maps.ENDPOINTS)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the map on the test split (called by the evaluator).

    Returns:
        `quantization_error` and `topographic_error`.
    """
    served = maps.ServedMap.load(model, config["hparams"])
    section = findings.Section(out_dir, "The map", "Each square is a unit in the colour that it stands for.")
    places = dict(served.places(examples["train"], LABEL)[:NAMED])
    section.figure("map", "The map, with the places of some named colours", drawing(served.units, places))
    section.write()
    return served.figures(examples["test"])


def drawing(units: np.ndarray, places: Mapping[str, tuple[int, int]]) -> Any:
    """The map's units, [rows, columns, 3], as a figure of matplotlib; each name is where its colour is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8))
    axes = figure.subplots()
    axes.imshow(units.clip(0, 1))
    for name, (row, column) in places.items():
        dark = units[row, column] @ (0.299, 0.587, 0.114) < 0.5
        axes.text(column, row, name, color="white" if dark else "black", fontsize=7, ha="center", va="center")
    axes.set_axis_off()
    return figure
