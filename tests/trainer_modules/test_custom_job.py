"""A training by a CustomJob of Vertex AI, against a fake of its API that runs the machines as it would."""

from pathlib import Path

import grpc
import pytest

from tests.remote.fakes import Fault
from tests.trainer_modules import given
from tests.trainer_modules.fake_jobs import TEMPLATE, State
from tests.trainer_modules.jobs import assert_learns_what_one_device_learns
from trainer_modules.common import cluster, jobs, workers

LOST = "The replica workerpool1-0 exited with a non-zero status of 138. To find out more about why your job exited please check the logs"


@pytest.fixture
def arguments(tmp_path):
    """A Trainer's, with folders that are there and nothing in them."""
    (tmp_path / "out/run").mkdir(parents=True)
    train_on = {"job": jobs.read(TEMPLATE), "folder": str(tmp_path / "jobs")}
    config = {"run_fn": "trainer_modules.mnist_softmax.run_fn", "strategy": "multiworker", "workers": 3, "train_on": train_on}
    return given.fn_args(dict.fromkeys(workers.TAKEN[:4]) | {"hyperparameters": None}, tmp_path / "out", config)


def test_the_job_has_a_chief_and_the_others_with_what_the_file_says(vertex_jobs, arguments, tmp_path):
    jobs.train(arguments)
    (request,) = vertex_jobs.made
    assert request.parent == "projects/my-project/locations/europe-west4"
    assert request.custom_job.display_name.startswith("mnist-softmax-20")
    spec = request.custom_job.job_spec
    assert [pool.replica_count for pool in spec.worker_pool_specs] == [1, 2] and spec.scheduling.restart_job_on_worker_restart
    for pool in spec.worker_pool_specs:
        *command, file = pool.container_spec.command
        assert command == ["python", "-m", "trainer_modules.common.workers"] and Path(file).name == "fn_args.json"
        assert Path(file).parent.parent == tmp_path / "jobs"
        assert pool.container_spec.image_uri.endswith("darsena/darsena:1") and pool.machine_spec.machine_type == "n1-standard-8"
    assert vertex_jobs.cancelled == [] and list((tmp_path / "jobs").iterdir()) == []


def test_a_job_that_fails_is_told(vertex_jobs, arguments):
    vertex_jobs.looks = [(State.JOB_STATE_FAILED, "the replica workerpool0-0 exited with a non-zero status of 1")]
    with pytest.raises(RuntimeError, match=r"CustomJob projects/\S+/1 to train to the end, it failed: .* status of 1$"):
        jobs.train(arguments)
    assert len(vertex_jobs.made) == 1


def test_a_job_that_was_cancelled_by_somebody_is_told(vertex_jobs, arguments):
    vertex_jobs.looks = [(State.JOB_STATE_CANCELLED, "")]
    with pytest.raises(RuntimeError, match="it failed: cancelled"):
        jobs.train(arguments)


def test_a_worker_that_lost_the_others_has_all_started_again(vertex_jobs, arguments):
    vertex_jobs.looks = [(State.JOB_STATE_FAILED, LOST), (State.JOB_STATE_RUNNING, ""), (State.JOB_STATE_SUCCEEDED, "")]
    jobs.train(arguments)
    assert len(vertex_jobs.made) == 2


def test_workers_that_are_lost_again_and_again_end_it(vertex_jobs, arguments):
    vertex_jobs.looks = [(State.JOB_STATE_FAILED, LOST)]
    with pytest.raises(RuntimeError, match="status of 138"):
        jobs.train(arguments)
    assert len(vertex_jobs.made) == 1 + workers.RESTARTS


def test_a_look_that_is_not_answered_is_repeated(vertex_jobs, arguments):
    vertex_jobs.faults = [Fault("get", grpc.StatusCode.UNAVAILABLE, "try again")]
    jobs.train(arguments)
    assert len(vertex_jobs.made) == 1 and vertex_jobs.faults == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded for custom_model_training_nvidia_t4_gpus"),
        (grpc.StatusCode.PERMISSION_DENIED, "aiplatform.customJobs.create denied"),
    ],
)
def test_a_job_that_is_refused_is_told(vertex_jobs, arguments, code, message):
    vertex_jobs.faults = [Fault("create", code, message)]
    with pytest.raises(RuntimeError, match=rf"to take a CustomJob, received: .*{message}.* Look at the quotas"):
        jobs.train(arguments)
    assert vertex_jobs.made == []


def test_a_trainer_that_is_stopped_cancels_its_job(vertex_jobs, arguments, monkeypatch):
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "pause", stopped)
    with pytest.raises(KeyboardInterrupt):
        jobs.train(arguments)
    assert vertex_jobs.cancelled == ["projects/my-project/locations/europe-west4/customJobs/1"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("machineType", "machine", r'no field named "machine"'),
        ("projects/my-project/locations/europe-west4", "my-project", "its parent is 'my-project', not projects/PROJECT"),
        ("parent:", "displayName: x\nparent:", "it has displayName"),
        ("imageUri", "image", "KeyError: 'imageUri'"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, old, new, says):
    (tmp_path / "job.yaml").write_text(TEMPLATE.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"job.yaml to be like kubeflow/customjob.yaml.*{says}"):
        jobs.read(tmp_path / "job.yaml")


@pytest.mark.parametrize(
    ("addresses", "index", "starts"),
    [((), 0, True), (("here:1",), 0, True), (("here:1", "there:1"), 0, False), (("here:1", "there:1"), 1, False)],
)
def test_who_is_of_several_machines_starts_no_others(monkeypatch, addresses, index, starts):
    monkeypatch.delenv(cluster.VARIABLE, raising=False)
    if addresses:
        monkeypatch.setenv(cluster.VARIABLE, cluster.Cluster(addresses, index).config())
    assert workers.wanted({"strategy": "multiworker", "workers": 2}) is starts
    assert not workers.wanted({"strategy": "mirrored", "workers": 0})


@pytest.mark.slow
def test_its_machines_learn_what_one_device_learns(vertex_jobs, tmp_path):
    vertex_jobs.runs = True
    assert_learns_what_one_device_learns({"job": jobs.read(TEMPLATE), "folder": str(tmp_path / "jobs")}, tmp_path)
