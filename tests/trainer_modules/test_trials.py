"""Trials at the same time: the search that one after the other would be in rounds, in processes and by jobs on machines."""

import json
import threading
from pathlib import Path

import keras_tuner
import pytest

from pipelines import mnist_softmax as pipeline
from tests import digits
from tests.trainer_modules import given
from tests.trainer_modules.fake_jobs import TEMPLATE
from trainer_modules import mnist_softmax
from trainer_modules.common import jobs, trials, tuning
from trainer_modules.common.oracle import Oracle

DEFAULTS = {"units": 4, "rate": 0.01}


def searched(folder, train_trial, **options):
    """The record of a search of six trials."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", [1, 2, 4, 8, 16, 32])
    hp.Float("rate", 1e-3, 1e-1, sampling="log")
    oracle = Oracle(DEFAULTS, hp, objective=keras_tuner.Objective("val_loss", "min"), max_trials=6, seed=1)
    found = tuning.Search(train_trial, oracle=oracle, directory=str(folder), project_name="search", overwrite=True, **options)
    found.search()
    return json.loads(Path(found.project_dir, tuning.RECORD).read_text())["trials"]


def bowl(hp):
    return {"val_loss": [abs(hp.get("units") - 8) + hp.get("rate")]}


def test_which_trial_ends_first_changes_nothing(tmp_path):
    both, last, lock = threading.Barrier(2, timeout=60), threading.Event(), threading.Lock()
    order = []

    def backwards(hp):
        """The second of two that begin together ends first."""
        with lock:
            order.append(hp)
            second = len(order) % 2 == 0
        both.wait()
        if second:
            last.set()
        else:
            assert last.wait(60)
            last.clear()
        return bowl(hp)

    first = searched(tmp_path / "backwards", backwards, parallel=2)
    again = searched(tmp_path / "plain", bowl, parallel=2)
    assert [trial["hparams"] for trial in first] == [trial["hparams"] for trial in again] and len(first) == 6
    assert [trial["score"] for trial in first] == [trial["score"] for trial in again]
    assert first[0]["hparams"] == DEFAULTS


def test_one_at_a_time_is_the_thread_that_asks(tmp_path):
    seen = set()

    def train_trial(hp):
        seen.add(threading.current_thread())
        return bowl(hp)

    searched(tmp_path, train_trial)
    assert seen == {threading.current_thread()}


def test_a_trial_that_fails_leaves_the_others_of_its_round(tmp_path):
    def train_trial(hp):
        if hp.get("units") == DEFAULTS["units"]:
            raise RuntimeError("its process ended without an answer")
        return bowl(hp)

    found = searched(tmp_path, train_trial, parallel=3)
    assert found[0]["status"] == "failed" and found[0]["reason"].endswith("RuntimeError: its process ended without an answer")
    assert {trial["status"] for trial in found[1:]} <= {"completed", "failed"} and found[1]["status"] == "completed"


def test_a_trial_that_nobody_wants_any_more_is_stopped():
    stop = threading.Event()
    stop.set()
    with pytest.raises(RuntimeError, match="it was stopped"):
        trials.in_a_process("{}", {}, stop)


@pytest.fixture
def arguments(tmp_path):
    """A Tuner's."""
    case = digits.case(mnist_softmax, pipeline.MODEL, pipeline.MODEL.hparams)
    files = given.prepared(case, tmp_path)
    files["transform_graph_path"] = files.pop("transform_output")
    config = {
        "hparams": {**pipeline.MODEL.hparams, "batch_size": 16, "epochs": 2},
        "seed": 3,
        "strategy": "single",
        "trials": 2,
        "time_limit": 0,
        "tuner_fn": "trainer_modules.mnist_softmax.tuner_fn",
    }
    found = given.fn_args(files, tmp_path, config)
    # TFX has one class of arguments for both.
    found.working_dir, found.serving_model_dir, found.model_run_dir = str(tmp_path / "working"), None, None
    return found


def result(arguments, **config):
    """Hyperparameters and scores of a search's trials."""
    arguments.custom_config = arguments.custom_config | config
    found = mnist_softmax.tuner_fn(arguments).tuner
    found.search()
    return [(trial["hparams"], trial["score"]) for trial in found.trials()]


@pytest.mark.slow
def test_processes_and_machines_score_trials_as_this_process_does(arguments, vertex_jobs, tmp_path):
    here = result(arguments, parallel_trials=1)
    processes = result(arguments, parallel_trials=2)
    # Of the first round all are variations of the defaults, whether two of them are known or none.
    assert processes[0][0] == here[0][0] and processes[0][1] == pytest.approx(here[0][1], abs=1e-6)
    vertex_jobs.runs = True
    train_on = {"job": jobs.read(TEMPLATE), "folder": str(tmp_path / "jobs"), "copied": True}
    machines = result(arguments, parallel_trials=2, train_on=train_on)
    assert [values for values, _ in machines] == [values for values, _ in processes]
    assert [score for _, score in machines] == pytest.approx([score for _, score in processes], abs=1e-6)
    assert len(vertex_jobs.made) == 2 and list((tmp_path / "jobs").iterdir()) == []
    for request in vertex_jobs.made:
        (pool,) = request.custom_job.job_spec.worker_pool_specs
        assert pool.replica_count == 1 and str(pool.container_spec.command[-1]).startswith(f"{tmp_path}/jobs/")
