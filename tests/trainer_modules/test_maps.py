"""Maps of rows: the distances of neighbours by hand and as MiniSom's, the vectors as scikit-learn's, and what is drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from minisom import MiniSom
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from tests.transform_fixture import analyse
from trainer_modules.common import maps, tabular
from trainer_modules.common import self_organising_map as som

SCHEMA = """
feature { name: "area" type: FLOAT presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "rooms" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "name" type: BYTES presence { min_fraction: 1.0 } shape {} }
"""


def served(units: np.ndarray) -> maps.ServedMap:
    return maps.ServedMap(units.astype(np.float32), {}, "vector")


def test_the_distance_of_a_units_neighbours_is_their_mean():
    units = np.array([[[0.0], [1.0], [3.0]], [[0.0], [5.0], [3.0]]])
    expected = [
        [(1 + 0 + 5) / 3, (1 + 2 + 1 + 4 + 2) / 5, (2 + 2 + 0) / 3],
        [(5 + 0 + 1) / 3, (5 + 2 + 5 + 4 + 2) / 5, (2 + 0 + 2) / 3],
    ]
    np.testing.assert_allclose(som.neighbour_distances(units), expected)
    # Three to four in two dimensions make five.
    assert som.neighbour_distances(np.array([[[0.0, 0.0], [3.0, 4.0]]])).tolist() == [[5.0, 5.0]]


def test_the_distances_are_minisoms_but_for_its_scale():
    reference = MiniSom(5, 7, 3, random_seed=2)
    found = som.neighbour_distances(reference.get_weights())
    np.testing.assert_allclose(found / found.max(), reference.distance_map(scaling="mean"), rtol=1e-6)


def test_numbers_become_scikit_learns_standard_scores_and_a_missing_one_the_mean(tmp_path):
    random = np.random.default_rng(4)
    table = np.stack([random.normal(80, 20, 300), random.integers(1, 9, 300)], axis=1).astype(np.float32)
    table[5, 1] = 900  # over eight deviations away
    table[::7, 0] = np.nan
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={"name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"n"]))}
                | {
                    name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                    for name, value in zip(("area", "rooms"), row, strict=True)
                    if not np.isnan(value)
                }
            )
        ).SerializeToString()
        for row in table
    ]
    transform, _ = analyse(lambda inputs: {"vector": tabular.zscores(inputs, ("area", "rooms"))}, SCHEMA, examples, tmp_path / "transform")
    parsed = tf.io.parse_example(tf.constant(examples), transform.raw_feature_spec())
    found = transform.transform_features_layer()(parsed)["vector"].numpy()
    expected = SimpleImputer(strategy="constant", fill_value=0.0).fit_transform(StandardScaler().fit_transform(table))
    assert expected[5, 1] > tabular.FARTHEST
    np.testing.assert_allclose(found, expected.clip(-tabular.FARTHEST, tabular.FARTHEST), atol=1e-4)


def test_ridges_are_the_distances_and_each_unit_has_its_first_name():
    units = np.random.default_rng(0).normal(size=(3, 4, 2))
    places = [("Rho", (2, 1)), ("Como", (2, 1)), ("$a_", (0, 3)), ("Castelnuovo Garfagnana", (1, 0))]
    figure = maps.ridges(served(units), places)
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), som.neighbour_distances(units), rtol=1e-6)
    found = {text.get_text(): text.get_position() for text in axes.texts}
    assert found == {"Rho": (1, 2), "$a_": (3, 0), "Castelnuovo…": (0, 1)}


@pytest.mark.parametrize(("columns", "drawn"), [(2, 2), (5, 5), (14, 12)])
def test_each_column_has_a_plane_of_its_numbers_on_one_scale(columns, drawn):
    units = np.random.default_rng(0).normal(size=(3, 4, columns)).astype(np.float32)
    figure = maps.component_planes(served(units), [f"c{number}" for number in range(columns)])
    planes = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in planes] == [f"c{number}" for number in range(drawn)]
    most = np.abs(units).max()
    for number, axes in enumerate(planes):
        np.testing.assert_array_equal(axes.images[0].get_array(), units[:, :, number])
        assert axes.images[0].get_clim() == pytest.approx((-most, most))


def test_the_report_has_both_pictures(tmp_path: Path):
    units = np.random.default_rng(0).normal(size=(3, 4, 13))
    maps.report(served(units), [f"c{number} $x_" for number in range(13)], [], tmp_path)
    section = json.loads((tmp_path / "section.json").read_text())
    assert [(picture["file"], "some rows" in picture["caption"]) for picture in section["pictures"]] == [
        ("distances.png", False),
        ("planes.png", False),
    ]
    assert "each column (the first 12), in standard" in section["pictures"][1]["caption"]
    assert all((tmp_path / picture["file"]).read_bytes().startswith(b"\x89PNG") for picture in section["pictures"])
