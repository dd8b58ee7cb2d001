"""From gates to TFMA's configuration, and from what a run left to its verdict."""

import dataclasses

import pytest

from components.errors import DataRejected
from pipelines.common import eval_config, verdicts
from pipelines.common.config import Data, Gate, RunConfig
from pipelines.common.layout import load_model
from pipelines.common.metadata_store import NodeOutcome
from reporting.evaluation import Value

ACCURACY = Gate("SparseCategoricalAccuracy", sample=0.8, full=0.9, tolerance=0.01)
ERROR = Gate("MeanSquaredError", sample=2.0, full=1.0, higher_is_better=False, tolerance=0.5)


def run_config(tmp_path):
    return RunConfig(root=tmp_path, data=Data("sample", tmp_path, "*"), hparams={})


def test_thresholds_hold_all_examples_to_the_bound_and_leave_slices_free():
    model = dataclasses.replace(load_model("mnist_mlp"), gates=(ACCURACY, ERROR))
    config = eval_config.eval_config(model, "full", with_baseline=True)
    metrics = {metric.class_name: metric for metric in config.metrics_specs[0].metrics}
    (accuracy,) = metrics["SparseCategoricalAccuracy"].per_slice_thresholds
    assert [list(spec.feature_keys) for spec in accuracy.slicing_specs] == [[]]
    # TFMA's metrics are float32: exactly 90% comes out as 0.8999999761581421.
    assert accuracy.threshold.value_threshold.lower_bound.value == pytest.approx(0.9 - 1e-6, abs=1e-9)
    assert accuracy.threshold.change_threshold.absolute.value == pytest.approx(-0.01 - 1e-6, abs=1e-9)
    (error,) = metrics["MeanSquaredError"].per_slice_thresholds
    assert error.threshold.value_threshold.upper_bound.value == pytest.approx(1.0 + 2e-6, abs=1e-9)
    assert error.threshold.change_threshold.absolute.value == pytest.approx(0.5 + 2e-6, abs=1e-9)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], ["label"]]
    assert [(spec.name, spec.is_baseline) for spec in config.model_specs] == [("candidate", False), ("baseline", True)]


def test_without_a_served_model_nothing_is_compared():
    config = eval_config.eval_config(load_model("mnist_mlp"), "sample", with_baseline=False)
    (threshold,) = config.metrics_specs[0].metrics[0].per_slice_thresholds
    assert not threshold.threshold.HasField("change_threshold")
    assert [spec.is_baseline for spec in config.model_specs] == [False]


@pytest.mark.parametrize(
    ("gate", "bound", "value", "passed"),
    [
        (ACCURACY, 0.8, 0.8, True),
        (ACCURACY, 0.9, 0.8999999761581421, True),
        (ACCURACY, 0.8, 0.7999, False),
        (ERROR, 2.0, 2.0, True),
        (ERROR, 2.0, 2.001, False),
    ],
)
def test_a_gate_passes_on_its_bound_and_on_its_good_side(gate, bound, value, passed):
    assert verdicts.gate_record(gate, "value", bound, Value(value))["passed"] is passed


def test_names_of_metrics_are_tfmas():
    names = ("SparseCategoricalAccuracy", "AUC", "MeanSquaredError")
    assert [Gate(name, 0.5, 0.5).key for name in names] == ["sparse_categorical_accuracy", "auc", "mean_squared_error"]


@pytest.mark.parametrize(
    ("error", "verdict", "code", "reason"),
    [
        (DataRejected("bad\n label"), "not blessed", 4, "the data was rejected by Trainer: bad label"),
        (RuntimeError("out of memory"), "failed", 1, "Trainer: out of memory"),
    ],
)
def test_an_error_of_a_node_is_the_verdict_in_one_line(tmp_path, error, verdict, code, reason):
    judged = verdicts.judge(load_model("mnist_mlp"), run_config(tmp_path), {}, ("Trainer", error))
    assert (judged["verdict"], judged["exit_code"], judged["pushed"], judged["gates"]) == (verdict, code, None, [])
    assert judged["reason"] == reason


def outcomes(tmp_path, blessed, pushed):
    (tmp_path / "validation.json").write_text('{"reason": "the loader crashed"}')
    release = {"pushed": pushed, "pushed_version": "3", "pushed_destination": str(tmp_path / "3")}
    return {
        "Evaluator": NodeOutcome(1, "complete", {}, {"blessing": {"blessed": blessed}}),
        "ServingValidator": NodeOutcome(2, "complete", {"validation": [str(tmp_path)]}, {}),
        "Pusher": NodeOutcome(3, "complete", {}, {"pushed_model": release if pushed else {"pushed": 0}}),
    }


def test_a_model_that_either_gate_holds_back_is_not_blessed(tmp_path):
    model, run = load_model("mnist_mlp"), run_config(tmp_path)
    held_back = verdicts.judge(model, run, outcomes(tmp_path, blessed=0, pushed=0), None)
    assert (held_back["exit_code"], held_back["reason"][:33]) == (3, "the Evaluator did not bless it: s")
    crashed = verdicts.judge(model, run, outcomes(tmp_path, blessed=1, pushed=0), None)
    assert (crashed["exit_code"], crashed["reason"]) == (3, "the serving validator did not bless it: the loader crashed")
    gone = verdicts.judge(model, run, outcomes(tmp_path, blessed=1, pushed=1), None)
    assert (gone["exit_code"], gone["pushed"]) == (1, None)
    (tmp_path / "3").mkdir()
    released = verdicts.judge(model, run, outcomes(tmp_path, blessed=1, pushed=1), None)
    assert (released["exit_code"], released["pushed"]) == (0, {"version": 3, "path": str(tmp_path / "3")})


def test_a_blessing_by_hand_counts_and_is_told_with_what_it_set_aside(tmp_path):
    model, run, found = load_model("mnist_mlp"), run_config(tmp_path), outcomes(tmp_path, blessed=0, pushed=1)
    by_hand = {"blessed": 1, "manual_reason": "a deadline", "manual_by": "ada"}
    (tmp_path / "3").mkdir()
    found["ManualBlessing"] = NodeOutcome(4, "complete", {}, {"blessing": by_hand})
    released = verdicts.judge(model, run, found, None)
    assert (released["verdict"], released["exit_code"], released["pushed"]["version"]) == ("blessed and pushed", 0, 3)
    assert released["reason"].startswith("blessed by hand by ada (a deadline): the Evaluator did not bless it: ")
    # Where the Evaluator blessed the model, nobody had to.
    found["ManualBlessing"] = NodeOutcome(4, "complete", {}, {"blessing": {"blessed": 1}})
    assert verdicts.judge(model, run, found, None)["reason"] == ""


def test_anomalies_that_were_let_through_are_in_the_record(tmp_path):
    (tmp_path / "3").mkdir()
    found = outcomes(tmp_path, blessed=1, pushed=1)
    found["AnomalyGate"] = NodeOutcome(4, "complete", {}, {"blessing": {"allowed": '[{"feature": "label", "reason": "known"}]'}})
    judged = verdicts.judge(load_model("mnist_mlp"), run_config(tmp_path), found, None)
    assert judged["allowed"] == [{"feature": "label", "reason": "known"}]


def test_a_failed_gate_is_told_with_value_and_bound():
    record = verdicts.gate_record(ACCURACY, "change", 0.95, Value(0.9412))
    assert verdicts.describe(record) == "SparseCategoricalAccuracy is 0.9412, expected >= 0.9500 (the served model's, less the tolerance)"
