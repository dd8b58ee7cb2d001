"""Training with a parameter server: it learns, outlives a worker that is killed, and asks for what it needs."""

import json

import pytest

from pipelines import mnist_dcgan as dcgan_pipeline
from pipelines import mnist_softmax as pipeline
from tests import digits
from tests.trainer_modules import given
from trainer_modules import mnist_dcgan, mnist_softmax
from trainer_modules.common import cluster, parameter_server, strategies

HPARAMS = {**pipeline.MODEL.hparams, "batch_size": 8, "epochs": 12}
TF_CONFIG = {"cluster": {"chief": ["a:1"], "ps": ["b:1"], "worker": ["c:1", "d:1"]}, "task": {"type": "chief", "index": 0}}


@pytest.mark.slow
def test_it_learns_as_one_device_does_also_when_a_worker_is_killed(tmp_path, caplog):
    files = given.prepared(digits.case(mnist_softmax, pipeline.MODEL, HPARAMS), tmp_path)
    config = {"hparams": HPARAMS, "seed": 3, "run_fn": "trainer_modules.mnist_softmax.run_fn", "strategy": "single"}
    mnist_softmax.run_fn(given.fn_args(files, tmp_path / "single", config))
    several = config | {"strategy": "parameter_server", "workers": 2, "inner": config["run_fn"], "killed": str(tmp_path / "killed")}
    with caplog.at_level("WARNING"):
        parameter_server.train(
            given.fn_args(files, tmp_path / "several", several | {"run_fn": "tests.trainer_modules.dying_worker.run_coordinator"})
        )
    assert (tmp_path / "killed").exists() and "worker 1 of 2 was lost (it ended with -9) and is started again" in caplog.text
    one, two = (json.loads((tmp_path / name / "run/history.json").read_text()) for name in ("single", "several"))
    assert (one["replicas"], two["replicas"]) == (1, 2) and two["epochs"] == len(two["metrics"]["loss"]) == 12
    # Asynchronous steps end elsewhere, not far.
    assert two["metrics"]["loss"][-1] < 0.8 * two["metrics"]["loss"][0]
    assert two["metrics"]["val_loss"][-1] == pytest.approx(one["metrics"]["val_loss"][-1], rel=0.1)
    shapes = [[values.shape for values in given.weights(tmp_path / name)] for name in ("single", "several")]
    assert shapes[0] == shapes[1]


def test_a_model_with_a_loop_of_its_own_is_refused(tmp_path):
    files = dict.fromkeys(("train_files", "eval_files", "transform_output", "schema_path", "hyperparameters"))
    config = {"hparams": dcgan_pipeline.MODEL.hparams, "seed": 3, "strategy": "parameter_server", "workers": 2}
    with pytest.raises(ValueError, match=r"another --strategy for a model with a training loop of its own, received parameter_server"):
        mnist_dcgan.run_fn(given.fn_args(files, tmp_path, config))


def test_the_cluster_of_a_coordinator():
    assert parameter_server.described({cluster.VARIABLE: json.dumps(TF_CONFIG)}) == TF_CONFIG["cluster"]
    without_server = {"chief": ["a:1"], "worker": ["c:1"]}
    for wrong in (
        "",
        "{",
        json.dumps(TF_CONFIG | {"cluster": without_server}),
        json.dumps(TF_CONFIG | {"task": {"type": "ps", "index": 0}}),
    ):
        with pytest.raises(RuntimeError, match="of the chief of a cluster that has ps and worker too"):
            parameter_server.described({cluster.VARIABLE: wrong})


def test_who_does_not_come_is_named():
    (address,) = cluster.free_addresses(1)
    with pytest.raises(TimeoutError, match=rf"expected a process at {address}, after 0 s none had come"):
        parameter_server.reach([address], 0)


def test_it_takes_a_number_of_workers():
    strategies.check("parameter_server", 2, 15)
    with pytest.raises(ValueError, match=r"--strategy multiworker or parameter_server and --workers N .* received parameter_server and 0"):
        strategies.check("parameter_server", 0, 16)
