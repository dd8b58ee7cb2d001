"""The Tuner: what TFX writes of a search, and the record beside it."""

import json

import keras_tuner
import pytest
from tfx.types import channel, standard_artifacts

from components.tuner import executor
from components.tuner.component import Tuner
from tests.components.conftest import artifact
from trainer_modules.common.oracle import Oracle
from trainer_modules.common.tuning import Search


def search(folder, failing=()):
    """Makes a search of three trials: the loss is the number of units, and some numbers fail."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [2, 4, 8])

    def train_trial(values):
        if values.get("units") in failing:
            raise ValueError("no such layer")
        return {"val_loss": [float(values.get("units"))]}

    oracle = Oracle({"units": 4}, hp, objective=keras_tuner.Objective("val_loss", "min"), max_trials=3, seed=1)
    return Search(train_trial, oracle=oracle, directory=str(folder), project_name="search", overwrite=True)


@pytest.fixture
def outputs(tmp_path):
    kinds = {"best_hyperparameters": standard_artifacts.HyperParameters, "tuner_results": standard_artifacts.TunerResults}
    for name in kinds:
        (tmp_path / name).mkdir()
    return {name: [artifact(kind, tmp_path / name)] for name, kind in kinds.items()}


def run(monkeypatch, tuner, outputs, tmp_path):
    def searched(*args, **kwargs):
        tuner.search()
        return tuner

    monkeypatch.setattr(executor.executor, "search", searched)
    monkeypatch.setattr(executor.Executor, "_get_tmp_dir", lambda self: str(tmp_path))
    executor.Executor().Do({}, outputs, {})


def test_the_record_lies_beside_what_tfx_writes(monkeypatch, outputs, tmp_path):
    run(monkeypatch, search(tmp_path, failing=(8,)), outputs, tmp_path)
    best = json.loads((tmp_path / "best_hyperparameters/best_hyperparameters.txt").read_text())
    assert best["values"] == {"units": 2}
    results = json.loads((tmp_path / "tuner_results/tuner_results.json").read_text())
    assert sorted(trial["units"] for trial in results) == [2, 4]
    record = json.loads((tmp_path / "tuner_results/search.json").read_text())
    assert record["trials"][0]["hparams"] == {"units": 4}
    assert {trial["hparams"]["units"]: trial["status"] for trial in record["trials"]} == {4: "completed", 2: "completed", 8: "failed"}


def test_a_tuner_that_keeps_no_record_does_without(monkeypatch, outputs, tmp_path):
    tuner = search(tmp_path)
    monkeypatch.setattr(tuner, "search", lambda: keras_tuner.Tuner.search(tuner))
    run(monkeypatch, tuner, outputs, tmp_path)
    assert [path.name for path in (tmp_path / "tuner_results").iterdir()] == ["tuner_results.json"]


def test_a_search_without_a_completed_trial_fails(monkeypatch, outputs, tmp_path):
    with pytest.raises(RuntimeError, match="expected at least one trial of the search to complete, none of 3 did"):
        run(monkeypatch, search(tmp_path, failing=(2, 4, 8)), outputs, tmp_path)


def test_the_component_is_tfxs_with_another_executor():
    examples = channel.Channel(type=standard_artifacts.Examples)
    node = Tuner(examples, tuner_fn="trainer_modules.berths.tuner_fn", custom_config={"trials": 3})
    assert node.id == "Tuner" and node.executor_spec.executor_class is executor.Executor
    assert set(node.outputs) == {"best_hyperparameters", "tuner_results"}
