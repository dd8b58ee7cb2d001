"""Training by two processes: they learn what one device learns, also after one of them was killed."""

import json

import numpy as np
import pytest

from pipelines import mnist_dcgan as dcgan_pipeline
from pipelines import mnist_mlp as mlp_pipeline
from tests import digits
from tests.trainer_modules import given
from trainer_modules import mnist_dcgan, mnist_mlp
from trainer_modules.common import checkpoints, workers

pytestmark = pytest.mark.slow

# One of each kind: Keras's fit, and a loop of our own.
KINDS = {
    "fit": (mnist_mlp, mlp_pipeline.MODEL, {"hidden_units": 16, "dropout": 0.0, "batch_size": 16, "epochs": 3}, 1e-5),
    # Adam's first steps are as long for tiny gradients as for others, so that rounding shows in a few weights.
    "loop": (mnist_dcgan, dcgan_pipeline.MODEL, {"latent": 6, "filters": 16, "batch_size": 8, "epochs": 3}, 2e-4),
}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request, tmp_path_factory):
    """Files and configuration of a kind, with the folder where one device has trained it."""
    module, model, hparams, tolerance = KINDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    files = given.prepared(digits.case(module, model, hparams), folder)
    run_fn = f"{module.__name__}.run_fn"
    config = {"hparams": {**model.hparams, **hparams}, "seed": 3, "run_fn": run_fn, "strategy": "single"}
    given.function(run_fn)(given.fn_args(files, folder / "single", config))
    return files, config | {"strategy": "multiworker", "workers": 2}, folder / "single", tolerance


def assert_same(one, two, tolerance):
    expected, found = given.weights(one), given.weights(two)
    assert len(found) == len(expected) > 3
    for values in expected:
        alike = [each for each in found if each.shape == values.shape and each.dtype == values.dtype]
        nearest = min(alike, key=lambda each: float(np.abs(each - values).max()))
        np.testing.assert_allclose(nearest, values, atol=tolerance)
    histories = [json.loads((folder / "run/history.json").read_text()) for folder in (one, two)]
    assert [history["replicas"] for history in histories] == [1, 2]
    for name, values in histories[0]["metrics"].items():
        np.testing.assert_allclose(histories[1]["metrics"][name], values, rtol=1e-3, err_msg=name)


def test_two_workers_learn_what_one_device_learns(kind, tmp_path):
    files, config, single, tolerance = kind
    given.function(config["run_fn"])(given.fn_args(files, tmp_path, config))
    assert_same(single, tmp_path, tolerance)


def test_a_job_whose_worker_was_killed_ends_as_an_uninterrupted_one(kind, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("DARSENA_CHECKPOINT_SECONDS", "0")
    files, config, single, tolerance = kind
    own = {"run_fn": "tests.trainer_modules.dying_worker.run_fn", "inner": config["run_fn"], "killed": str(tmp_path / "killed")}
    folder = tmp_path / "checkpoint"
    with caplog.at_level("WARNING"):
        workers.train(given.fn_args(files, tmp_path / "out", config | own | {"checkpoint": str(folder)}))
    assert "worker 1 of 2 was lost (it ended by SIGKILL)" in caplog.text or "was lost (UnavailableError" in caplog.text
    assert (tmp_path / "killed").exists() and not list(folder.rglob(checkpoints.FILE))
    assert_same(single, tmp_path / "out", tolerance)


def test_a_workers_own_error_is_the_jobs_and_no_reason_to_start_again(kind, tmp_path):
    files, config, _, _ = kind
    hparams = {**config["hparams"], "batch_size": 15}
    with pytest.raises(
        RuntimeError, match=r"worker \d of 2: ValueError: expected a batch_size that 2 replicas can share equally, received 15"
    ):
        workers.train(given.fn_args(files, tmp_path, config | {"hparams": hparams}))
