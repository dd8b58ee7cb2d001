"""The map of colours against MiniSom on the same colours, and its parts by hand."""

import csv
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from minisom import MiniSom

from pipelines.color_som import MODEL
from tests.contract import Case, check_saved, prepare
from trainer_modules import color_som
from trainer_modules.common import maps
from trainer_modules.common import self_organising_map as som

HPARAMS = {**MODEL.hparams, "rows": 12, "columns": 12, "sigma": 4.0, "iterations": 60}


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Names and colours of the sample, uint8 [N, 3]."""
    folder = tmp_path_factory.mktemp("colors")
    MODEL.data.write_sample(folder)
    with (folder / "colors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["name"] for row in rows], np.array([[row["R"], row["G"], row["B"]] for row in rows], np.uint8)


def example(name: str, color: np.ndarray) -> bytes:
    features = {
        channel: tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)])) for channel, value in zip("rgb", color, strict=True)
    }
    features["name"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_the_sample_has_known_colours_once(colors):
    names, values = colors
    found = dict(zip(names, values.tolist(), strict=True))
    assert found["mediumseagreen"] == [60, 179, 113] and found["cloudy blue"] == [172, 194, 217]
    assert len(np.unique(values, axis=0)) == len(values) > 1000
    assert not any("poo" in name for name in names)


def test_contract(colors, tmp_path):
    names, values = colors
    case = Case(
        module=color_som,
        schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
        examples=[example(*row) for row in zip(names[:200], values[:200], strict=True)],
        transformed={"color": values[:3] / np.float32(255)},
        hparams=HPARAMS,
        label="name",
        complete=False,
    )
    prepared = prepare(case, tmp_path)
    model, history = maps.learn(color_som.build_model, HPARAMS, prepared.rows, prepared.rows, seed=1)
    errors = history["metrics"]["quantization_error"]
    assert len(errors) == 60
    answers = model(prepared.rows.features)
    assert float(tf.reduce_mean(answers["distance"])) == pytest.approx(errors[-1], rel=0.02)
    check_saved(model, prepared, case.examples, tmp_path, formats=MODEL.export_formats)


def test_it_is_no_worse_than_minisom_in_less_time_for_as_many_passes(colors):
    vectors = (colors[1] / 255).astype(np.float32)
    som.train(tf.constant(vectors), 12, 12, iterations=1, sigma=4.0, last_sigma=1.0, rate=0.5, seed=0)  # traces
    started = time.perf_counter()
    units, _ = som.train(tf.constant(vectors), 12, 12, iterations=20, sigma=4.0, last_sigma=1.0, rate=0.5, seed=1)
    seconds = time.perf_counter() - started
    reference = MiniSom(12, 12, 3, sigma=4.0, learning_rate=0.5, random_seed=1)
    started = time.perf_counter()
    reference.train(vectors, 20 * len(vectors), random_order=True)
    assert seconds < time.perf_counter() - started
    distances = np.linalg.norm(vectors[:, None] - units.numpy(), axis=2).min(axis=1)
    assert distances.mean() <= reference.quantization_error(vectors)
    assert som.topographic_error(vectors, units.numpy(), 12) <= reference.topographic_error(vectors) + 0.02


def test_the_topographic_error_is_minisoms(colors):
    vectors = (colors[1][:300] / 255).astype(np.float32)
    reference = MiniSom(9, 7, 3, sigma=1.0, random_seed=3)
    reference.random_weights_init(vectors)
    units = reference.get_weights().reshape(-1, 3).astype(np.float32)
    assert som.topographic_error(vectors, units, 7) == pytest.approx(reference.topographic_error(vectors), abs=1e-6)


def test_an_iteration_moves_units_to_the_weighted_mean_of_their_neighbourhood():
    vectors, units = tf.constant([[0.0], [1.0], [10.0]]), tf.constant([[0.4], [9.0]])
    moved, errors = som.organised(vectors, units, tf.constant(som.grid(1, 2)), tf.constant([0.5]), tf.constant(0.5))
    near = np.exp(-1 / (2 * 0.25))
    means = [(0 + 1 + near * 10) / (2 + near), (10 + near * (0 + 1)) / (1 + 2 * near)]
    np.testing.assert_allclose(moved[:, 0], [0.4 + 0.5 * (means[0] - 0.4), 9 + 0.5 * (means[1] - 9)], rtol=1e-5)
    assert float(errors[0]) == pytest.approx((0.4 + 0.6 + 1.0) / 3)


def test_the_layer_tells_row_and_column():
    layer = som.Map(2, 3)
    x = keras.Input((2,))
    model = keras.Model(x, layer(x))
    layer.units.assign([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    place, distance = model(np.array([[1.0, 2.3], [0.0, 0.9]], np.float32))
    assert place.numpy().tolist() == [[1, 2], [0, 1]]
    np.testing.assert_allclose(distance, [0.3, 0.1], atol=1e-6)


def test_several_devices_are_refused():
    with pytest.raises(ValueError, match="expected --strategy auto or single for a map"):
        maps.learn(color_som.build_model, HPARAMS, None, None, seed=1, strategy="mirrored")
