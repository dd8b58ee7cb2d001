"""Models side by side: grouped by what they were evaluated on, no claim that the intervals do not bear, numbers where they belong."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from reporting import comparison
from reporting.comparison import Entry, Export
from reporting.evaluation import Value
from reporting.record import Unreadable
from tests.reporting import records
from tests.reporting.page import Page

ACCURACY = "sparse_categorical_accuracy"


def entry(name: str, value: Value, **changes: Any) -> Entry:
    """An entry with one metric and one export."""
    fields = {
        "name": name,
        "run_id": "20261123-201500",
        "verdict": "blessed and pushed",
        "data": "sample",
        "note": "",
        "reader": "ShipExampleGen",
        "fingerprint": "f00d",
        "examples": 985,
        "metrics": {ACCURACY: value},
        "higher_is_better": {ACCURACY: True},
        "parameters": 4711,
        "training_seconds": 2.5,
        "exports": {"SavedModel": Export(1310221, 0.5), "int8": Export(93412, 0.125)},
    }
    return Entry(**fields | changes)


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Any]:
    """A run with everything that a comparison reads."""
    found = records.write_run(tmp_path)
    metrics = {ACCURACY: Value(0.9412, 0.9205, 0.9619), "mean_label": Value(1.5), "mean_squared_error": Value(0.25)}
    records.write_evaluation(tmp_path / "evaluation", metrics, 985)
    found["nodes"][0]["outputs"] = {"examples": [str(tmp_path / "examples")]}
    found["nodes"][5]["outputs"] = {"evaluation": [str(tmp_path / "evaluation")]}
    found["config"] |= {"data_fingerprint": "f00d", "preset": "deep", "data_note": "a JPEG copy"}
    return found


def test_an_entry_is_what_the_run_left(run: dict[str, Any]) -> None:
    found = comparison.read_entry(run)
    assert (found.name, found.examples, found.reader, found.note) == ("berths:deep", 985, "ExampleGen", "a JPEG copy")
    assert found.metrics[ACCURACY] == Value(0.9412, 0.9205, 0.9619) and "example_count" not in found.metrics
    assert found.higher_is_better == {ACCURACY: True, "mean_squared_error": False}
    assert (found.parameters, found.training_seconds) == (4711, 2.5)
    assert list(found.exports.items()) == [("SavedModel", Export(1310221, 0.5)), ("int8", Export(93412, 0.125))]


def test_a_gate_decides_what_better_is_before_the_name_does(run: dict[str, Any]) -> None:
    run["gates"] = [run["gates"][0] | {"metric": "MeanLabel", "operator": "<="}, run["gates"][0] | {"metric": "AUC", "operator": "<="}]
    assert comparison.directions(run, ["mean_label", "auc", "precision", "calibration"]) == {
        "mean_label": False,
        "auc": False,
        "precision": True,
    }


def test_a_run_without_exports_or_history_is_still_compared(run: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "exports" / "exports.json").write_text(json.dumps({"exports": [], "reference": None, "reason": "not blessed"}))
    (tmp_path / "model_run" / "history.json").unlink()
    found = comparison.read_entry(run)
    assert (found.exports, found.parameters, found.training_seconds) == ({}, None, None)


def test_a_run_that_does_not_tell_its_data_is_not_compared(run: dict[str, Any]) -> None:
    del run["config"]["data_fingerprint"]
    with pytest.raises(Unreadable, match="run 20261123-201500 of berths to tell its data"):
        comparison.read_entry(run)


@pytest.mark.parametrize("change", [{"fingerprint": "cafe"}, {"reader": "AnotherGen"}, {"examples": 986}])
def test_other_data_another_reader_or_another_number_of_examples_is_another_group(change: dict[str, Any]) -> None:
    one, two, three = entry("a", Value(0.9)), entry("b", Value(0.8), **change), entry("c", Value(0.7), data="full")
    assert comparison.groups([one, two, three]) == [[one, three], [two]]


@pytest.mark.parametrize(
    ("values", "higher", "said"),
    [
        ([Value(0.9, 0.88, 0.92), Value(0.95, 0.94, 0.96)], True, "b is best: its interval overlaps no other."),
        ([Value(0.9, 0.88, 0.92), Value(0.95, 0.94, 0.96)], False, "a is best: its interval overlaps no other."),
        (
            [Value(0.9, 0.88, 0.92), Value(0.91, 0.9, 0.93), Value(0.5, 0.4, 0.6)],
            True,
            "b has the best value, but its interval overlaps that of a: the difference may be chance.",
        ),
        # Half widths 0.018 and 0.014: a difference of 0.029 is more than the 0.023 that chance makes, one of 0.022 is not.
        (
            [Value(0.943, 0.925, 0.961), Value(0.972, 0.958, 0.986)],
            True,
            "b is best: its interval overlaps that of a, but the difference is more than chance.",
        ),
        (
            [Value(0.95, 0.932, 0.968), Value(0.972, 0.958, 0.986)],
            True,
            "b has the best value, but its interval overlaps that of a: the difference may be chance.",
        ),
        ([Value(1.5, 1, 2), Value(1.8, 1.7, 3)], None, "Intervals overlap: a and b."),
        ([Value(1.5, 1, 2), Value(2.5, 2.1, 3)], None, "No intervals overlap."),
        ([Value(0.9, 0.88, 0.92), Value(0.95)], True, "Without intervals, whether the differences are chance cannot be told."),
        ([Value(0.9, 0.88, 0.92)], True, ""),
    ],
)
def test_conclusions_say_no_more_than_the_intervals(values: list[Value], higher: bool | None, said: str) -> None:
    assert comparison.conclusion(list(zip("abc", values, strict=False)), higher) == said


def test_metrics_in_common_are_shown_and_the_others_named() -> None:
    more = {"auc": Value(0.99), ACCURACY: Value(0.8, 0.7, 0.9)}
    view = comparison.group_view([entry("a", Value(0.9, 0.88, 0.92)), entry("b", Value(0.0), metrics=more)])
    assert [metric["name"] for metric in view["metrics"]] == [ACCURACY]
    assert view["others"] == ["AUC"]
    assert view["metrics"][0]["direction"] == "higher is better"


def test_the_page_is_self_contained_and_has_every_number(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    two = entry("b", Value(0.95, 0.94, 0.96), exports={}, parameters=None, training_seconds=None)
    other = entry(hostile, Value(0.5, 0.4, 0.6), fingerprint="cafe", note=hostile)
    comparison.write_comparison([entry("a", Value(0.9, 0.88, 0.92)), two, other], tmp_path / "compare.html")
    assert [path.name for path in tmp_path.iterdir()] == ["compare.html"]
    page = Page((tmp_path / "compare.html").read_text())
    assert page.unclosed == [] and "<script" not in page.html
    assert not {"script", "link", "iframe", "img"}.intersection(tag for tag, _ in page.elements)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert {(attributes["href"] or "")[1:] for tag, attributes in page.elements if tag == "a"} == set(ids) & {
        *("main", "set-1", "cost-1", "set-2", "cost-2")
    }
    assert "2 different sets of examples" in page.text
    first = page.section("set-1")
    assert "985 test examples of the sample data" in first.text and "b is best" in first.text and hostile not in first.text
    assert first.row("a") == ["a", "0.9000", "0.8800 – 0.9200", ""]
    assert all(picture.get("aria-label") for picture in first.pictures())
    cost = page.section("cost-1")
    assert [row for row in cost.rows if row[0] == "a"] == [
        ["a", "20261123-201500", "blessed and pushed", "4,711", "2.50 s"],
        ["a", "1.31 MB", "", "0.5 ms"],
        ["a", "93.4 kB", "", "0.125 ms"],
    ]
    assert [row for row in cost.rows if row[0] == "b"][1] == ["b", "–", "", "–"]


def test_models_without_a_metric_in_common_say_so(tmp_path: Path) -> None:
    two = dataclasses.replace(entry("b", Value(0.9)), metrics={"auc": Value(0.99)})
    comparison.write_comparison([entry("a", Value(0.9)), two], tmp_path / "compare.html")
    section = Page((tmp_path / "compare.html").read_text()).section("set-1")
    assert "These models have no metric in common." in section.text
    assert "Left out, since not all of them have it: AUC, Sparse categorical accuracy." in section.text
