"""`darsena compare`: which runs it takes, what it shows of them, and one line where there is nothing to compare."""

import dataclasses
from pathlib import Path

import pytest

from pipelines.common import layout
from pipelines.common.config import Preset
from reporting.evaluation import Value
from tests.cli.conftest import MODEL, record
from tests.reporting import records

ACCURACY = "sparse_categorical_accuracy"
OTHER = "berths"


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """Two models, the second with a preset."""
    known = {MODEL: layout.load_model(MODEL)}
    known[OTHER] = dataclasses.replace(known[MODEL], name=OTHER, presets={"deep": Preset("three layers", {"hidden_layers": 3})})
    monkeypatch.setattr(layout, "model_names", lambda: sorted(known))
    monkeypatch.setattr("pipelines.common.commands.compare.load_model", known.__getitem__)


def evaluated(root: Path, model: str, run_id: str, accuracy: Value, *, examples: int = 985, evaluation: bool = True, **config: str) -> None:
    """A run's folder under the root, with its evaluation."""
    folder = root / "runs" / model / run_id
    outputs = {}
    if evaluation:
        records.write_evaluation(folder / "evaluation", {ACCURACY: accuracy}, examples)
        outputs = {"evaluation": [str(folder / "evaluation")]}
    exports = {"exports": [{"name": "int8", "bytes": 93412, "latency_ms": 0.125}], "reference": {"bytes": 1310221, "latency_ms": 0.5}}
    records.write_json(folder / "exports", "exports.json", exports)
    found = record(run_id, model=model) | {
        "config": {"data": "sample", "data_fingerprint": "f00d", "preset": "", **config},
        "nodes": [
            {"id": "ImageExampleGen", "outputs": {"examples": [str(folder / "examples")]}},
            {"id": "Evaluator", "outputs": outputs},
            {"id": "TFLiteExporter", "outputs": {"exports": [str(folder / "exports")]}},
        ],
    }
    records.write_json(folder, "run.json", found)


@pytest.fixture
def root(tmp_path) -> Path:
    """Of each model: runs on the sample, one on full data, a last one without evaluation."""
    folder = tmp_path / "root"
    evaluated(folder, MODEL, "20261120-000000", Value(0.5, 0.4, 0.6))
    evaluated(folder, MODEL, "20261121-000000", Value(0.97, 0.96, 0.98), data="full", data_fingerprint="cafe", examples=10000)
    evaluated(folder, MODEL, "20261122-000000", Value(0.9375, 0.92, 0.95))
    evaluated(folder, MODEL, "20261123-000000", Value(0.1), evaluation=False)
    evaluated(folder, OTHER, "20261122-000000", Value(0.72, 0.7, 0.8))
    evaluated(folder, OTHER, "20261123-000000", Value(0.96, 0.94, 0.98), preset="deep")
    return folder


def test_the_last_run_of_each_that_evaluated_a_model_is_shown(darsena, root):
    ended = darsena("compare", MODEL, OTHER, f"{OTHER}:deep", MODEL, "--root", root)
    assert (ended.code, ended.err) == (0, "")
    lines = [line.split() for line in ended.out.splitlines() if line]
    assert lines[0] == ["985", "test", "examples", "of", "the", "sample", "data"]
    assert [line for line in lines if line[0] in (MODEL, OTHER, f"{OTHER}:deep")][:3] == [
        [MODEL, "0.9375", "0.9200", "–", "0.9500", "█" * 29 + "▎"],
        [OTHER, "0.7200", "0.7000", "–", "0.8000", "█" * 22 + "▌"],
        [f"{OTHER}:deep", "0.9600", "0.9400", "–", "0.9800", "█" * 30],
    ]
    assert f"{OTHER}:deep has the best value, but its interval overlaps that of {MODEL}: the difference may be chance." in ended.out
    assert "1.31 MB, 0.5 ms" in ended.out and "93.4 kB, 0.125 ms" in ended.out
    assert ended.out.splitlines()[-1] == f"page  {root / 'compare.html'}"
    assert "0.9375" in (root / "compare.html").read_text()


def test_json_has_every_number(darsena, root):
    found = darsena("compare", MODEL, OTHER, "--json", "--root", root).json
    assert found["page"] == str(root / "compare.html")
    (group,) = found["groups"]
    assert (group["examples"], group["data"], group["reader"], group["others"]) == (985, "sample", "ImageExampleGen", [])
    (metric,) = group["metrics"]
    assert (metric["name"], metric["direction"]) == (ACCURACY, "higher is better")
    assert metric["conclusion"] == f"{MODEL} is best: its interval overlaps no other."
    assert metric["values"][1] == {"model": OTHER, "value": 0.72, "low": 0.7, "high": 0.8}
    assert group["models"][0] == {
        "name": MODEL,
        "run_id": "20261122-000000",
        "verdict": "blessed and pushed",
        "parameters": None,
        "training_seconds": None,
        "exports": {"SavedModel": {"bytes": 1310221, "latency_ms": 0.5}, "int8": {"bytes": 93412, "latency_ms": 0.125}},
    }


def test_models_evaluated_on_different_examples_are_shown_apart(darsena, root):
    evaluated(root, OTHER, "20261124-000000", Value(0.99, 0.98, 1.0), data="full", data_fingerprint="cafe", examples=10000)
    ended = darsena("compare", MODEL, OTHER, "--root", root)
    assert ended.code == 0
    assert "2 different sets of examples" in ended.out
    assert "985 test examples" in ended.out and "10,000 test examples of the full data" in ended.out
    on_full = darsena("compare", MODEL, OTHER, "--data", "full", "--json", "--root", root).json
    assert [[model["run_id"] for model in group["models"]] for group in on_full["groups"]] == [["20261121-000000", "20261124-000000"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([OTHER, "--data", "full"], "on --data full, found none. Make one with: darsena run berths --data full"),
        ([MODEL, "--data", "path"], "Make one with: darsena run mnist_mlp --data PATH"),
    ],
)
def test_without_a_run_one_line_tells_how_to_make_one(darsena, root, arguments, said):
    ended = darsena("compare", *arguments, "--root", root)
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err and ended.err.count("\n") == 1
    assert not (root / "compare.html").exists()


def test_a_preset_without_a_run_is_told_from_the_model(darsena, root, tmp_path):
    fresh = darsena("compare", f"{OTHER}:deep", "--root", tmp_path / "fresh")
    assert fresh.code == 1 and "Make one with: darsena run berths --preset deep" in fresh.err
    assert not (tmp_path / "fresh").exists()
    evaluated(tmp_path / "one", OTHER, "20261123-000000", Value(0.9), preset="deep")
    assert "There is one of berths:deep." in darsena("compare", OTHER, "--root", tmp_path / "one").err


def test_an_evaluation_that_was_deleted_is_passed_over_and_a_damaged_one_is_one_line(darsena, root):
    last = root / "runs" / MODEL / "20261122-000000" / "evaluation"
    (last / "metrics-00000-of-00001.tfrecord").write_bytes(b"cut off" * 9)
    damaged = darsena("compare", MODEL, "--root", root)
    assert damaged.code == 1 and "damaged" in damaged.err and damaged.err.count("\n") == 1
    last.rename(last.with_name("moved"))
    (group,) = darsena("compare", MODEL, "--json", "--data", "sample", "--root", root).json["groups"]
    assert group["models"][0]["run_id"] == "20261120-000000"


def test_an_unknown_model_or_preset_is_wrong_usage(darsena, root, monkeypatch):
    preset = darsena("compare", f"{OTHER}:depe", "--root", root)
    assert preset.code == 2 and "Did you mean 'deep'?" in preset.err
    monkeypatch.setattr("pipelines.common.commands.compare.load_model", layout.load_model)
    model = darsena("compare", "bertsh", "--root", root)
    assert model.code == 2 and "Did you mean 'berths'?" in model.err
