"""The custom evaluator: figures of a model's own, written as TFMA would, and held to bounds and to the served model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import Section
from components.custom_evaluator import executor
from components.custom_evaluator.executor import Bound
from components.golden import read_records
from reporting.evaluation import Value, read_evaluation
from tests.components.conftest import artifact

ERROR = Bound("error", value=2.0, higher_is_better=False, tolerance=0.1)
SCORE = Bound("score", value=0.5, higher_is_better=True, tolerance=0.1)


@pytest.mark.parametrize(
    ("bound", "found", "baseline", "holds"),
    [
        (ERROR, 2.0, None, True),
        (ERROR, 2.01, None, False),
        (ERROR, 1.55, 1.5, True),
        (ERROR, 1.65, 1.5, False),
        (ERROR, 2.05, 3.0, False),
        (SCORE, (0.5, 0.4, 0.6), None, True),
        (SCORE, (0.49, 0.4, 0.6), None, False),
        (SCORE, 0.8, (0.89, 0.8, 1.0), True),
        (SCORE, 0.8, (0.91, 0.8, 1.0), False),
    ],
)
def test_a_bound_holds_up_to_itself_and_to_what_the_baseline_tolerates(bound, found, baseline, holds):
    assert bound.holds({bound.figure: found}, None if baseline is None else {bound.figure: baseline}) is holds


def test_figures_are_read_as_tfmas(tmp_path):
    executor.write_evaluation({"error": 1.5, "score": (0.75, 0.7, 0.8)}, {"error": 1.0}, tmp_path)
    overall = read_evaluation(tmp_path).overall
    assert overall.metrics == {"error": Value(1.5), "score": Value(0.75, 0.7, 0.8)}
    assert overall.baseline == {"error": Value(1.0)}
    executor.write_evaluation({"error": 1.5}, None, tmp_path)
    assert read_evaluation(tmp_path).overall.metrics == {"error": Value(1.5)}


def brightness(model: Path, examples: dict[str, Path], out_dir: Path, config: dict) -> dict:
    """An evaluate_fn: the mean pixel of a split, times a factor that stands in for the model."""
    factor = float((model / "factor").read_text()) if (model / "factor").exists() else config["factor"]
    records = read_records(examples[config["split"]])
    pixels = [tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0] for record in records]
    (out_dir / "section.json").write_text(json.dumps({"title": "Found", "text": str(factor)}))
    return {"brightness": factor * float(np.frombuffer(b"".join(pixels), np.uint8).mean())}


def run(trained, tmp_path, factor, bound, served=None, figure="brightness"):
    """Runs the executor; returns the blessing, its file, and the section."""
    examples = artifact(standard_artifacts.Examples, trained.examples)
    examples.split_names = '["train", "test"]'
    inputs = {"examples": [examples], "model": [artifact(standard_artifacts.Model, trained.root / "model")]}
    if served is not None:
        shutil.copytree(trained.root / "model", tmp_path / "served")
        (tmp_path / "served/Format-Serving/factor").write_text(str(served))
        inputs["baseline_model"] = [artifact(standard_artifacts.Model, tmp_path / "served")]
    folders = {name: tmp_path / name for name in ("evaluation", "blessing", "findings")}
    for folder in folders.values():
        folder.mkdir()
    blessing = artifact(standard_artifacts.ModelBlessing, folders["blessing"])
    outputs = {
        "evaluation": [artifact(standard_artifacts.ModelEvaluation, folders["evaluation"])],
        "blessing": [blessing],
        "findings": [artifact(Section, folders["findings"])],
    }
    config = {"factor": factor, "split": "test"}
    properties = {
        "evaluate_fn": f"{__name__}.brightness",
        "bounds": json.dumps([{"figure": figure, "value": bound, "higher_is_better": True, "tolerance": 1.0}]),
        "config": json.dumps(config),
    }
    executor.Executor().Do(inputs, outputs, properties)
    (file,) = folders["blessing"].iterdir()
    return blessing.get_int_custom_property("blessed"), file.name, json.loads((folders["findings"] / "section.json").read_text())["text"]


def test_a_model_is_blessed_where_all_bounds_hold(trained, tmp_path):
    expected = brightness(trained.saved_model, {"test": trained.examples / "Split-test"}, tmp_path, {"factor": 1.0, "split": "test"})
    assert run(trained, tmp_path, 1.0, expected["brightness"] - 1) == (1, "BLESSED", "1.0")
    metrics = read_evaluation(tmp_path / "evaluation").overall.metrics
    assert metrics["brightness"].value == pytest.approx(expected["brightness"]) and metrics["example_count"].value == 100


def test_one_that_misses_its_bound_is_not(trained, tmp_path):
    assert run(trained, tmp_path, 1.0, 300.0)[:2] == (0, "NOT_BLESSED")


def test_one_worse_than_the_served_model_is_not_and_the_section_is_the_candidates(trained, tmp_path):
    assert run(trained, tmp_path, 1.0, 10.0, served=1.2) == (0, "NOT_BLESSED", "1.0")
    overall = read_evaluation(tmp_path / "evaluation").overall
    assert overall.baseline["brightness"].value == pytest.approx(1.2 * overall.metrics["brightness"].value)


def test_a_figure_that_is_no_number_fails_the_run(trained, tmp_path):
    with pytest.raises(ValueError, match=r"expected finite figures from .*brightness, received brightness is nan"):
        run(trained, tmp_path, float("nan"), 10.0)


def test_a_gate_on_a_figure_that_there_is_not_is_told(trained, tmp_path):
    with pytest.raises(ValueError, match=r"expected darkness among the figures of .*, received brightness, example_count\. Name a gate's"):
        run(trained, tmp_path, 1.0, 10.0, figure="darkness")
    assert list((tmp_path / "blessing").iterdir()) == []
