"""A map of the rows of a table: which columns it goes by, its size, and bounds that a map which learned nothing does not reach."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from sklearn.preprocessing import StandardScaler
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import DataRejected
from pipelines.common.scaffold.inspection import inspect
from pipelines.common.scaffold.maps import MapPlan, disorder, draft_of_map, mean_distance
from pipelines.common.scaffold.table import read_table

HEADER = ["nr", "town", "Area (m²)", "age", "height", "kind", "sold", "rent"]


def rows(count: int = 60) -> list[list[str]]:
    """Numbers of the row, names of the row, three columns of numbers (ages now and then missing), and others that are none."""
    return [
        [
            str(n),
            f"town {n}",
            str(30 + n * 17 % 83 / 2),
            "NA" if n % 6 == 0 else str(n % 11),
            str(n % 4 / 8),
            "ab"[n % 2],
            f"2020-01-{n % 28 + 1:02}",
            f"{n % 9},5",
        ]
        for n in range(count)
    ]


def write(path: Path, cells: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(cells)
    return path


def test_the_review_tells_which_columns_the_map_goes_by_and_why_not_by_others(tmp_path):
    review = draft_of_map("my_towns", write(tmp_path / "t.csv", [HEADER, *rows()])).review
    assert {column["name"]: column["use"] for column in review["columns"]} == {
        "nr": "left out: all values differ: a number of the row",
        "town": "names the row in pictures",
        "Area (m²)": "scaled",
        "age": "scaled, a missing one is the mean",
        "height": "scaled",
        "kind": "left out: a category, no number",
        "sold": "left out: a date, no number",
        "rent": "left out: a category, no number; numbers with a decimal comma: write 1.5",
    }
    assert (review["rows"], review["delimiter"], review["map"]) == (60, "semicolon", [6, 6])
    (error, order) = review["gates"]
    assert error["sample"] == pytest.approx(0.9 * error["baseline"], rel=5e-3) and not error["higher_is_better"]
    assert (order["metric"], order["sample"], order["baseline"]) == ("TopographicError", 0.25, disorder(6, 6))


def test_the_files_say_what_the_data_is(tmp_path):
    draft = draft_of_map("my_towns", write(tmp_path / "t.csv", [HEADER, *rows()]))
    schema = text_format.Parse(draft.files["schemas/my_towns/schema.pbtxt"], schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert {name: feature.type for name, feature in features.items()} == {
        "area_m2": schema_pb2.FLOAT,
        "age": schema_pb2.FLOAT,
        "height": schema_pb2.FLOAT,
        "town": schema_pb2.BYTES,
    }
    assert list(features["town"].not_in_environment) == ["SERVING"]
    assert [name for name, feature in features.items() if feature.HasField("drift_comparator")] == ["area_m2", "age", "height"]
    assert features["age"].presence.min_fraction == pytest.approx(1 - 2 / 6, abs=0.006)
    trainer = draft.files["trainer_modules/my_towns.py"]
    assert 'COLUMNS = {\n    "area_m2": "Area (m²)",\n    "age": "age",\n    "height": "height",\n}\n' in trainer
    assert 'NAME = "town"' in trainer and 'served.places(examples["train"], NAME)' in trainer
    pipeline = draft.files["pipelines/my_towns.py"]
    assert '    label="town",\n' in pipeline and 'own_rows("my_towns", delimiter=";")' in pipeline
    assert '"rows": 6,\n        "columns": 6,\n        "iterations": 100,\n        "sigma": 3.0,\n' in pipeline
    draft.fill(tmp_path)
    assert (tmp_path / "rows.csv").read_text() == "".join(";".join(row) + "\n" for row in [HEADER, *rows()])


def test_rows_without_names_have_none_in_the_pictures(tmp_path):
    cells = [[row[2], row[3], row[5]] for row in rows()]
    draft = draft_of_map("my_towns", write(tmp_path / "t.csv", [["a", "b", "c"], *cells]))
    assert "maps.report(served, tuple(COLUMNS.values()), [], out_dir)" in draft.files["trainer_modules/my_towns.py"]
    assert '    label="",\n' in draft.files["pipelines/my_towns.py"]
    assert "BYTES" not in draft.files["schemas/my_towns/schema.pbtxt"]


def test_the_mean_distance_is_that_of_standard_scores(tmp_path):
    table = read_table(write(tmp_path / "t.csv", [["a", "b"], ["1", "5"], ["3", "NA"], ["", "9"], ["5", "9"]]))
    scores = np.nan_to_num(StandardScaler().fit_transform([[1, 5], [3, np.nan], [np.nan, 9], [5, 9]]))
    assert mean_distance(table, inspect(table.cells, None)) == pytest.approx(np.linalg.norm(scores, axis=1).mean())


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 5), (6, 4)])
def test_disorder_is_the_share_of_pairs_that_are_no_neighbours(rows, columns):
    units = list(itertools.product(range(rows), range(columns)))
    pairs = list(itertools.combinations(units, 2))
    apart = [max(abs(a[0] - b[0]), abs(a[1] - b[1])) > 1 for a, b in pairs]
    assert disorder(rows, columns) == pytest.approx(sum(apart) / len(pairs))


@pytest.mark.parametrize(("count", "size"), [(50, (6, 6)), (1000, (13, 12)), (100_000, (30, 30)), (2_000_000, (10, 10))])
def test_a_map_has_five_units_for_the_root_of_the_rows_as_far_as_memory_goes(count, size):
    assert MapPlan("m", "t.csv", ",", count, [], None, 1.0).size == size


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([HEADER, *rows(49)], "expected at least 50 rows in {} to lay out, received 49. Add rows."),
        (
            [["a", "b", "c"], *([row[2], row[5], "x"] for row in rows())],
            "expected at least 2 columns of numbers in {}, received 1 beside b (a category, no number), c (constant). Add some.",
        ),
        ([["a b", "a-b"], *([row[2], row[4]] for row in rows())], "received 'a b' and 'a-b', which would both be a_b"),
    ],
)
def test_a_table_without_anything_to_lay_out_is_one_line(tmp_path, cells, said):
    path = write(tmp_path / "t.csv", cells)
    with pytest.raises(DataRejected) as raised:
        draft_of_map("my_towns", path)
    assert said.format(path) in str(raised.value) and "\n" not in str(raised.value)
