"""House prices against the shared contract, and the model's own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.house_prices import MODEL
from tests.contract import Case, check_model
from tests.search import check_search
from trainer_modules import house_prices

HPARAMS = {**MODEL.hparams, "dropout": 0.0, "width": 16, "crosses": "region", "buckets": 8}
# Each column counts in steps from a start, so that quantile k of the rows 0 … 32 is row k.
START_AND_STEP = {
    "longitude": (-124.0, 0.25),
    "latitude": (32.5, 0.25),
    "housing_median_age": (1.0, 1.0),
    "total_rooms": (100.0, 50.0),
    "total_bedrooms": (20.0, 10.0),
    "population": (90.0, 45.0),
    "households": (18.0, 9.0),
    "median_income": (0.5, 0.25),
}
# The most frequent first; NEAR OCEAN comes in the last row of the 33 only.
PLACES = ("<1H OCEAN",) * 20 + ("INLAND",) * 8 + ("NEAR BAY",) * 3 + ("ISLAND",) + ("NEAR OCEAN",)
COUNT = 33


def example(row: int, bedrooms: bool) -> bytes:
    floats = {name: start + step * row for name, (start, step) in START_AND_STEP.items()}
    floats["median_house_value"] = 100000.0 + 5000.0 * row
    if not bedrooms:
        del floats["total_bedrooms"]
    features = {name: tf.train.Feature(float_list=tf.train.FloatList(value=[value])) for name, value in floats.items()}
    features["ocean_proximity"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[PLACES[row].encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def column(values):
    return np.asarray(values)[:, np.newaxis]


def known_features() -> dict[str, np.ndarray]:
    """What becomes of the 33 rows."""
    row = np.arange(COUNT)
    logs = np.log1p(row / 16)
    scaled = {"zscore": (row - 16) / row.std(), "log": (logs - logs.mean()) / logs.std(), "quantile": row / 16 - 1}
    buckets = {8: np.minimum(row // 4, 7), 32: np.minimum(row, 31)}
    found = {f"{name}__{scaling}": column(values) for name in START_AND_STEP for scaling, values in scaled.items()}
    found |= {f"{name}__bucket{size}": column(values) for name in START_AND_STEP for size, values in buckets.items()}
    found |= {f"total_bedrooms__mean__{scaling}": column(values) for scaling, values in scaled.items()}
    found["total_bedrooms__missing"] = column(np.zeros(COUNT))
    order = {"<1H OCEAN": 2, "INLAND": 3, "NEAR BAY": 4, "NEAR OCEAN": 5, "ISLAND": 6}  # ties: the last in the alphabet first
    found["ocean_proximity__id"] = column([order[place] for place in PLACES])
    found |= {"region__id": column(buckets[8] * 9), "place__id": column(buckets[32] * 33)}
    return found | {"median_house_value": 100000.0 + 5000.0 * row}


def test_contract(tmp_path):
    check_model(
        Case(
            module=house_prices,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[example(row, True) for row in range(COUNT)] + [example(row, False) for row in range(COUNT)],
            transformed=known_features(),
            hparams=HPARAMS,
            label=house_prices.LABEL,
        ),
        tmp_path,
    )


def test_the_default_network_is_small():
    model = house_prices.build_model(MODEL.hparams)
    inputs = 8 + 1 + 7  # numbers, missing bedrooms, places with unknown and missing ones
    assert model.count_params() == (inputs + 1) * 64 + 65 * 64 + 65


def test_the_linear_preset_is_a_regression_on_the_plain_columns():
    model = house_prices.build_model(MODEL.with_preset("linear").hparams)
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [1]
    assert {tensor.name.split("__")[1] for tensor in model.inputs} == {"zscore", "missing", "id"}


def test_the_search():
    check_search(house_prices, MODEL)


@pytest.mark.parametrize("network", ["dnn", "residual"])
@pytest.mark.parametrize("depth", [1, 4])
def test_a_search_changes_the_architecture(network, depth):
    model = house_prices.build_model({**HPARAMS, "network": network, "depth": depth})
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert len(dense) == 1 + (depth if network == "dnn" else 1 + 2 * depth)
