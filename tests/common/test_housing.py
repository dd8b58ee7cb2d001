"""Housing: the generated sample, and the published file."""

import csv
import hashlib
import lzma
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from tensorflow_metadata.proto.v0 import schema_pb2

from pipelines.common.datasets import housing
from pipelines.common.datasets.housing import COLUMNS, HOUSING

NUMBERS = COLUMNS[:-2]
SCHEMA = Path(__file__).parents[2] / "schemas/house_prices/schema.pbtxt"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in housing.generated_rows(1000, housing.SEED)]


def test_the_sample_is_these_rows(rows: list[dict[str, str]], tmp_path: Path) -> None:
    HOUSING.write_sample(tmp_path)
    with (tmp_path / "california_housing.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["california_housing.csv"]


def test_the_seed_decides(rows: list[dict[str, str]]) -> None:
    again = housing.generated_rows(1000, housing.SEED)
    assert [list(row.values()) for row in rows] == again
    assert housing.generated_rows(1000, housing.SEED + 1) != again


def test_values_are_within_the_curated_schema(rows: list[dict[str, str]]) -> None:
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    assert {feature.name for feature in schema.feature} == set(COLUMNS)
    for feature in schema.feature:
        values = {row[feature.name] for row in rows} - {""}
        if feature.type == schema_pb2.BYTES:
            assert values == set(feature.string_domain.value)
        else:
            assert feature.float_domain.min <= min(map(float, values)) <= max(map(float, values)) <= feature.float_domain.max


def test_one_number_of_bedrooms_in_a_hundred_is_missing_and_nothing_else(rows: list[dict[str, str]]) -> None:
    missing = {column: sum(not row[column] for row in rows) for column in COLUMNS}
    assert missing == dict.fromkeys(COLUMNS, 0) | {"total_bedrooms": 10}


def test_districts_make_sense(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert float(row["households"]) <= float(row["population"])
        assert float(row["households"]) < float(row["total_rooms"])
        assert not row["total_bedrooms"] or float(row["total_bedrooms"]) < float(row["total_rooms"])
    kinds = [row["ocean_proximity"] for row in rows]
    assert kinds.count("ISLAND") == housing.ISLAND_ROWS
    assert min(kinds.count(kind) for kind in set(kinds) - {"ISLAND"}) > 80
    values = np.array([float(row["median_house_value"]) for row in rows])
    assert 180_000 < values.mean() < 260_000 and 0.02 < (values == housing.HIGHEST_VALUE).mean() < 0.1


def test_boosted_trees_beat_a_line_by_more_than_a_tenth() -> None:
    """Over three samples, since a fifth of 1,000 rows tells little."""
    ratios = []
    for seed in range(3):
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in housing.generated_rows(1000, seed)]
        kinds = sorted({row["ocean_proximity"] for row in rows})
        numbers = np.array([[float(row[column] or "nan") for column in NUMBERS] for row in rows])
        numbers = np.where(np.isnan(numbers), np.nanmedian(numbers, axis=0), numbers)
        table = np.column_stack([numbers, [[row["ocean_proximity"] == kind for kind in kinds] for row in rows]])
        values = np.array([float(row["median_house_value"]) for row in rows])
        errors = []
        for model in (GradientBoostingRegressor(random_state=0), LinearRegression()):
            model.fit(table[100:800], values[100:800])
            errors.append(np.sqrt(np.mean((model.predict(table[800:]) - values[800:]) ** 2)))
        ratios.append(errors[0] / errors[1])
    assert np.mean(ratios) < 0.9


def test_the_checksum_is_of_the_published_file(real_data: Path) -> None:
    content = lzma.decompress((real_data / "housing/california_housing.csv.xz").read_bytes())
    (download,) = HOUSING.releases[0].downloads
    assert hashlib.sha256(content).hexdigest() == download.sha256
    assert content.decode().splitlines()[0].split(",") == list(COLUMNS)
