"""Models that are a self-organising map (self_organising_map.py): how they are built, trained, measured and drawn."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import endpoints, findings, precision, progress, training
from trainer_modules.common import self_organising_map as som
from trainer_modules.common.input_data import Rows, read_examples
from trainer_modules.common.strategies import check_one_device

Place = tuple[int, int]
# How many units are named in a picture, and letters of a unit's and a column's name.
MOST_NAMED, LONGEST_NAME, LONGEST_TITLE = 40, 12, 20
MOST_PLANES, ACROSS = 12, 4
ENDPOINTS = endpoints.parts({"best_matching_unit": ["best_matching_unit"]})


def build_model(feature: str, dimensions: int, hparams: Mapping[str, Any]) -> keras.Model:
    """The model, whose units are to be set.

    Args:
        feature: name of the vectors.
        dimensions: of a vector.
        hparams: `rows`, `columns`.

    Returns:
        A model from {feature: float32 [N, dimensions]} to `best_matching_unit`, row and column, int64 [N, 2], and `distance` from it,
        float32 [N].
    """
    vector = keras.Input((dimensions,), name=feature)
    place, distance = som.Map(hparams["rows"], hparams["columns"], name="map")(vector)
    return keras.Model({feature: vector}, {"best_matching_unit": place, "distance": distance})


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
    """Trains the map: a `training.Fit`, whose history is of the iterations.

    Raises:
        ValueError: a strategy of several devices, or another precision, was asked for.
    """
    check_one_device(strategy, "a map, which takes a second")
    precision.check_refused("a map")
    model = build_model(hparams)
    (vector,) = model.inputs
    started = time.perf_counter()
    names = ("iterations", "sigma", "last_sigma", "rate")
    size = hparams["rows"], hparams["columns"]
    units, errors = som.train(train.features[vector.name], *size, **{name: hparams[name] for name in names}, seed=seed)
    seconds = time.perf_counter() - started
    model.get_layer("map").units.assign(units)
    metrics = {"quantization_error": errors}
    return model, progress.history(metrics, epochs=len(errors), seconds=seconds, examples=train.count * len(errors))


@dataclasses.dataclass(frozen=True)
class ServedMap:
    """A map as it is served.

    Attributes:
        units: float32 [rows, columns, dimensions].
        signatures: of the SavedModel.
        feature: name of the vectors.
    """

    units: np.ndarray
    signatures: Mapping[str, Any]
    feature: str

    @classmethod
    def load(cls, folder: Path, hparams: Mapping[str, Any]) -> ServedMap:
        """Reads a SavedModel.

        Args:
            folder: of the SavedModel.
            hparams: `rows`, `columns`.
        """
        loaded = tf.saved_model.load(str(folder))
        ((feature, spec),) = loaded.signatures["model"].structured_input_signature[1].items()
        shape = hparams["rows"], hparams["columns"], spec.shape[1]
        (units,) = (variable.numpy() for variable in loaded.variables if variable.shape == (shape[0] * shape[1], shape[2]))
        return cls(units.reshape(shape), loaded.signatures, feature)

    def figures(self, split: Path) -> findings.Figures:
        """Measures the map.

        Args:
            split: folder of its TFRecord files.

        Returns:
            `quantization_error`, the mean distance of vectors from their units, and `topographic_error`, the share of vectors whose two
            best units are no neighbours.
        """
        vectors = findings.transformed(self.signatures, split)[self.feature]
        _, columns, dimensions = self.units.shape
        return {
            "quantization_error": findings.mean(findings.answers(self.signatures, split).outputs["distance"]),
            "topographic_error": som.topographic_error(vectors, self.units.reshape(-1, dimensions), columns),
        }

    def places(self, split: Path, name: str) -> list[tuple[str, Place]]:
        """Names of examples, the shortest first, each with row and column of its unit.

        Args:
            split: folder of its TFRecord files.
            name: the raw feature, of one text, that holds the names.
        """
        records = read_examples([str(split / "*")]).as_numpy_iterator()
        texts = [tf.train.Example.FromString(record).features.feature[name].bytes_list.value[0].decode() for record in records]
        places = findings.answers(self.signatures, split).outputs["best_matching_unit"]
        order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), texts[row]))
        return [(texts[row], (int(places[row][0]), int(places[row][1]))) for row in order]


def report(served: ServedMap, columns: Sequence[str], places: Sequence[tuple[str, Place]], folder: Path) -> None:
    """Writes the section of the report on a map of rows.

    Args:
        served: the map; its vectors are z-scores.
        columns: names of the vectors' dimensions.
        places: names of rows with row and column of their units; empty for none.
        folder: to write into.
    """
    section = findings.Section(folder, "The map", "Each square is a unit, at the same place in every picture.")
    named = ", with the places of some rows" if places else ""
    section.figure("distances", f"How far each unit is from its neighbours: dark ridges part groups of rows{named}", ridges(served, places))
    some = f" (the first {MOST_PLANES})" if len(columns) > MOST_PLANES else ""
    caption = f"What each unit stands for in each column{some}, in standard deviations from the mean"
    section.figure("planes", caption, component_planes(served, columns))
    section.write()


def ridges(served: ServedMap, places: Sequence[tuple[str, Place]]) -> Any:
    """The U-matrix as a figure of matplotlib, each unit with the first of its names.

    A. Ultsch and H. Siemon, "Kohonen's Self Organizing Feature Maps for Exploratory Data Analysis", 1990.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6))
    axes = figure.subplots()
    distances = som.neighbour_distances(served.units)
    image = axes.imshow(distances, cmap="Blues")
    middle = (distances.min() + distances.max()) / 2
    first: dict[Place, str] = {}
    for name, place in places:
        first.setdefault(place, name)
    for place, name in itertools.islice(first.items(), MOST_NAMED):
        colour = "white" if distances[place] > middle else "black"
        text = cut(name, LONGEST_NAME)
        axes.text(place[1], place[0], text, color=colour, fontsize=7, ha="center", va="center", parse_math=False)
    axes.set_axis_off()
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def component_planes(served: ServedMap, columns: Sequence[str]) -> Any:
    """The units' numbers, a small map for each column, as a figure of matplotlib; all have one scale."""
    from matplotlib.figure import Figure

    shown = columns[:MOST_PLANES]
    across = min(ACROSS, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(2.4 * across + 1, 2.6 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    most = float(np.abs(served.units).max())
    for axes in grid.flat:
        axes.set_axis_off()
    for index, (name, axes) in enumerate(zip(shown, grid.flat, strict=False)):
        image = axes.imshow(served.units[:, :, index], cmap="RdBu_r", vmin=-most, vmax=most)
        axes.set_title(cut(name, LONGEST_TITLE), fontsize=9, parse_math=False)
    figure.colorbar(image, ax=grid, shrink=0.6)
    return figure


def cut(name: str, longest: int) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= longest else name[: longest - 1] + "…"
