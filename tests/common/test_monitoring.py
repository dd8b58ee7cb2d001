"""What is compared of rows, how far two sides are apart, and what chance explains of that."""

import io

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from scipy.spatial.distance import jensenshannon
from tensorflow_metadata.proto.v0 import schema_pb2

from pipelines.common.errors import DarsenaError
from pipelines.common.layout import load_model, model_names
from pipelines.common.monitoring import distances as measuring
from pipelines.common.monitoring.columns import Column, columns, common_words
from pipelines.common.monitoring.distances import DIVERGENCE, DRIFT, LARGEST, SKEW, anomalies, distances
from pipelines.common.monitoring.monitor import read_schema
from pipelines.common.monitoring.sampling import Sampler
from pipelines.common.monitoring.spans import other_span, run_of
from tests.cli.conftest import record, write_run

SCHEMA = """
feature { name: "size" type: FLOAT float_domain { min: 0 max: 50 } value_count { min: 1 max: 1 }
          skew_comparator { jensen_shannon_divergence { threshold: 0.05 } }
          drift_comparator { jensen_shannon_divergence { threshold: 0.2 } } }
feature { name: "kind" type: BYTES string_domain { value: "a" value: "b" value: "c" } skew_comparator { infinity_norm { threshold: 0.1 } }
          drift_comparator { infinity_norm { threshold: 0.5 } jensen_shannon_divergence { threshold: 0.5 } } }
feature { name: "place" type: BYTES skew_comparator { infinity_norm { threshold: 0.1 } } }
feature { name: "stars" type: INT int_domain { min: 1 max: 5 is_categorical: true } }
feature { name: "text" type: BYTES skew_comparator { jensen_shannon_divergence { threshold: 0.05 } } }
feature { name: "image" type: BYTES image_domain {} }
feature { name: "image/height" type: INT presence { min_fraction: 1 } int_domain { min: 4 max: 9 } }
feature { name: "seen" type: FLOAT shape { dim { size: 2 } } }
"""


def schema() -> schema_pb2.Schema:
    return text_format.Parse(SCHEMA, schema_pb2.Schema())


def values(rows: dict, common: dict | None = None) -> dict[str, list]:
    """Columns by name as lists."""
    return {column.name: column.values.tolist() for column in columns(rows, schema(), common or {})}


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_columns_of_numbers_categories_texts_and_pictures():
    nan = float("nan")
    rows = {"size": [np.float32(1.5), nan], "kind": [b"a", b""], "stars": [np.int64(3), np.int64(5)], "seen": [np.zeros(2), np.ones(2)]}
    found = values(rows)
    assert set(found) == {"size", "kind", "stars"}  # of a vector there is nothing
    assert found["size"][0] == 1.5 and np.isnan(found["size"][1])
    assert (found["kind"], found["stars"]) == (["a", None], ["3", "5"])
    assert values({"place": [b"La Spezia", b""]}) == {"place": ["La Spezia", None]}  # has a threshold for single values: no text
    found = values({"text": [b"The ship, the sea", b"", b"\xff ship"]}, {"text": {"ship", "the"}})
    assert found["text/words"] == [4, 0, 1]
    assert found["text/common"][0] == 0.75 and np.isnan(found["text/common"][1]) and found["text/common"][2] == 1.0
    grey = np.array([[0, 255], [51, 0]], np.uint8)
    assert values({"image": [grey, np.zeros((2, 2, 3), np.uint8)]}) == {"image/brightness": [0.3, 0.0]}
    found = values({"image": [encoded(np.full((4, 6, 3), 51, np.uint8)), b"no picture"]})
    assert {name: column[0] for name, column in found.items()} == {
        "image/height": 4,
        "image/width": 6,
        "image/channels": 3,
        "image/brightness": 0.2,
    }
    assert np.isnan([column[1] for column in found.values()]).all()


def test_common_words_are_in_five_texts():
    rows = {"text": [b"Ship ship"] * 4 + [b"a ship", b"a"], "kind": [b"a"] * 6}
    assert common_words(rows, schema())["text"] == {"ship"}


def two_sides(before: dict, now: dict, kind: str) -> dict:
    """Distances by column and measure."""
    columns_of = [
        [Column(name, name, np.array(each, object if isinstance(each[0], str) else float)) for name, each in side.items()]
        for side in (before, now)
    ]
    return {(each.column, each.measure): each for each in distances(*columns_of, schema(), kind)}


def test_distances_of_categories_are_the_known_ones():
    before, now = ["a"] * 500 + ["b"] * 300 + ["c"] * 200, ["a"] * 40 + ["b"] * 30 + ["c"] * 29 + [None]
    skew = two_sides({"kind": before}, {"kind": now}, SKEW)
    assert set(skew) == {("kind", LARGEST)}
    assert skew["kind", LARGEST].distance == pytest.approx(0.1)
    drift = two_sides({"kind": before}, {"kind": now}, DRIFT)
    expected = jensenshannon([0.5, 0.3, 0.2, 0], [0.4, 0.3, 0.29, 0.01], 2) ** 2
    assert drift["kind", DIVERGENCE].distance == pytest.approx(expected)
    assert drift["kind", LARGEST].distance == pytest.approx(0.1)
    assert (drift["kind", LARGEST].threshold, drift["kind", DIVERGENCE].threshold) == (0.5, 0.5)
    assert skew["kind", LARGEST].before == "a 50%" and skew["kind", LARGEST].now == "a 40%, 1.0% missing"


def test_a_shift_of_numbers_is_found_by_skew_and_by_drift_and_nothing_else_is():
    random = np.random.default_rng(1)
    before, same = random.lognormal(size=2000), random.lognormal(size=300)
    for kind, shift in ((SKEW, 1.5), (DRIFT, 4.0)):  # drift's threshold is 0.2
        assert not two_sides({"size": before}, {"size": same}, kind)["size", DIVERGENCE].exceeded
        assert two_sides({"size": before}, {"size": same * 2 * shift}, kind)["size", DIVERGENCE].exceeded
    assert not two_sides({"size": before}, {"size": same * 1.05}, SKEW)["size", DIVERGENCE].exceeded  # less than the schema allows
    # Skew is of the requests against what was learned from, drift of the newer against the older.
    asked = two_sides({"size": before}, {"size": same * 3}, DRIFT)["size", DIVERGENCE]
    assert (asked.before, asked.now) == (f"mean {before.mean():.4g}", f"mean {same.mean() * 3:.4g}")


def test_one_large_number_does_not_make_a_shift():
    random = np.random.default_rng(2)
    before, now = random.uniform(0, 10, 1000), random.uniform(0, 10, 500)
    now[0] = 1e6
    assert two_sides({"size": before}, {"size": now}, SKEW)["size", DIVERGENCE].distance < 0.02


def test_missing_and_constant_numbers_that_change_are_found():
    before = np.full(1000, 5.0)
    assert two_sides({"size": before}, {"size": np.full(200, 5.0)}, SKEW)["size", DIVERGENCE].distance == 0
    assert two_sides({"size": before}, {"size": np.full(200, 6.0)}, SKEW)["size", DIVERGENCE].distance == pytest.approx(1)
    half_missing = np.where(np.arange(200) % 2, 5.0, np.nan)
    found = two_sides({"size": before}, {"size": half_missing}, SKEW)["size", DIVERGENCE]
    assert found.exceeded and found.distance == pytest.approx(jensenshannon([1, 0], [0.5, 0.5], 2) ** 2)
    assert found.now == "mean 5, 50.0% missing"


@pytest.mark.parametrize("measure", [DIVERGENCE, LARGEST])
def test_chance_explains_what_it_should(measure):
    """At a level of 5%, samples of one distribution are farther apart in 5% of the cases by the divergence, and at most so by shares."""
    random = np.random.default_rng(3)
    shares = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
    before_rows, now_rows, draws, beyond = 1000, 200, 2000, 0
    for _ in range(draws):
        before, now = random.multinomial(before_rows, shares), random.multinomial(now_rows, shares)
        names = np.array(list("abcdefg"))
        noise = measuring._noise(measure, np.repeat(names, before), np.repeat(names, now), 0.05)
        p, q = before / before_rows, now / now_rows
        beyond += (jensenshannon(p, q, 2) ** 2 if measure == DIVERGENCE else np.abs(p - q).max()) > noise
    low, high = (0.035, 0.065) if measure == DIVERGENCE else (0.0, 0.05)
    assert low <= beyond / draws <= high


def test_anomalies_are_those_of_the_schema():
    rows = {"size": [1.0] * 99 + [-7.0], "kind": [b"a"] * 98 + [b"x", b""], "stars": [3] * 99 + [9], "text": [b"a"] * 100}
    found = anomalies(columns(rows, schema(), {}), schema())
    assert [line.partition(":")[0] for line in found] == ["kind", "size", "stars"]
    assert "missing from the schema: x" in found[0] and "-7<0" in found[1] and "9" in found[2]
    pictures = {"image": [encoded(np.zeros((height, 6), np.uint8)) for height in (4, 9, 12)] + [b"no picture"]}
    (line,) = anomalies(columns(pictures, schema(), {}), schema())
    assert line.startswith("image/height: ") and "value: 12" in line and "actual = 0.75" in line
    assert anomalies(columns({"size": [1.0, float("nan")], "kind": [b"a", b"b"]}, schema(), {}), schema()) == []


def test_a_sample_is_drawn_from_all_alike():
    counts = np.zeros(20)
    for seed in range(500):
        sampler = Sampler(5, seed)
        for start in range(0, 20, 4):
            sampler.add({"n": list(range(start, start + 4))})
        assert sampler.seen == 20
        kept = sampler.columns()["n"]
        assert len(set(kept)) == 5
        counts[kept] += 1
    assert (np.abs(counts - 125) < 45).all()  # four and a half standard deviations


def run_on(root, run_id: str, data: str, preset: str = "", version: int | None = None) -> dict:
    """A run whose examples are there."""
    folder = root / "examples" / run_id
    (folder / "Split-train").mkdir(parents=True)
    node = {"id": "ImageExampleGen", "state": "complete", "outputs": {"examples": [str(folder)]}}
    found = record(run_id, version=version, nodes=[node], config={"data_fingerprint": data, "preset": preset})
    write_run(root, found)
    return found


def test_the_other_span_is_the_latest_on_other_data(tmp_path):
    model = load_model("mnist_mlp")
    served = run_on(tmp_path, "20260101-000000", "a", version=1)
    assert other_span(tmp_path, model, served) is None
    run_on(tmp_path, "20251201-000000", "older")
    run_on(tmp_path, "20260102-000000", "a")
    found, is_newer = other_span(tmp_path, model, served)
    assert (found["run_id"], is_newer) == ("20251201-000000", False)
    run_on(tmp_path, "20260103-000000", "b")
    run_on(tmp_path, "20260104-000000", "c")
    run_on(tmp_path, "20260105-000000", "d", preset="gone")
    gone = run_on(tmp_path, "20260106-000000", "e")
    (tmp_path / "examples" / gone["run_id"] / "Split-train").rmdir()
    found, is_newer = other_span(tmp_path, model, served)
    assert (found["run_id"], is_newer) == ("20260104-000000", True)


def test_the_run_of_a_version_is_the_last_that_has_its_number(tmp_path):
    run_on(tmp_path, "20260101-000000", "a", version=1)
    run_on(tmp_path, "20260102-000000", "b", version=1)  # version 1 was deleted before
    run_on(tmp_path, "20260103-000000", "c", version=2)
    run_on(tmp_path, "20260104-000000", "d")
    assert run_of(tmp_path, "mnist_mlp", 1)["run_id"] == "20260102-000000"
    with pytest.raises(DarsenaError, match=r"^expected the record of the run that pushed version 3 of mnist_mlp .*--root where"):
        run_of(tmp_path, "mnist_mlp", 3)


# Why these have none is in docs/monitoring.md.
UNCOMPARED = {"breakout_dqn", "mnist_dcgan", "pendulum_ddpg", "word2vec"}


@pytest.mark.parametrize("name", sorted(set(model_names()) - UNCOMPARED))
def test_every_model_that_can_be_compared_has_thresholds_for_all_that_clients_send(name):
    for feature in read_schema(load_model(name).schema_path).feature:
        served = "SERVING" not in feature.not_in_environment
        assert feature.HasField("drift_comparator") == served, feature.name
        assert feature.HasField("skew_comparator") == (served and name != "cyclegan"), feature.name


@pytest.mark.parametrize("name", sorted(UNCOMPARED))
def test_a_model_that_cannot_be_compared_says_so(name):
    with pytest.raises(DarsenaError, match=r"^expected a skew_comparator or a drift_comparator .* does not compare .*docs/monitoring\.md"):
        read_schema(load_model(name).schema_path)
