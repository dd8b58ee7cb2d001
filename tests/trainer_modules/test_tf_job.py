"""A training by a TFJob, against a fake of Kubernetes' API that runs the workers as the operator would."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.trainer_modules import given
from tests.trainer_modules.jobs import assert_learns_what_one_device_learns
from trainer_modules.common import cluster, jobs, tf_job, workers

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "kubeflow" / "tfjob.yaml"
RUNNING, FAILED = {"type": "Running", "status": "True"}, {"type": "Failed", "status": "True", "message": "worker 1 ended with 1"}
SUCCEEDED = {"type": "Succeeded", "status": "True"}


class Api(http.server.ThreadingHTTPServer):
    """Kubernetes' API, as far as TFJobs go.

    Attributes:
        made, removed: jobs, and names of jobs.
        refusal: code and message that a job is refused with; None to take it.
        conditions: what a job's status has, look by look; the last one stays.
        runs: whether it is to run a job's workers.
        processes: of those.
        told: the first folders that are common to all paths that they were told of.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.made: list[dict] = []
        self.removed: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.conditions: list[list[dict]] = [[], [RUNNING], [SUCCEEDED]]
        self.runs = False
        self.processes: list[subprocess.Popen] = []
        self.told: set[str] = set()

    def start(self, job: dict) -> None:
        """Runs the workers of a job as the operator does: each with its TF_CONFIG."""
        worker = job["spec"]["tfReplicaSpecs"]["Worker"]
        addresses = tuple(cluster.free_addresses(worker["replicas"]))
        python, *arguments = worker["template"]["spec"]["containers"][0]["command"]
        assert python == "python"
        told = json.loads(Path(arguments[-1]).read_text())
        paths = [*told["train_files"], *told["eval_files"], *(value for value in told.values() if isinstance(value, str))]
        self.told.add(str(Path(os.path.commonpath(paths)).parent))
        for index in range(len(addresses)):
            environment = os.environ | {"TF_CONFIG": cluster.Cluster(addresses, index).config(), "PYTHONPATH": str(REPOSITORY)}
            self.processes.append(subprocess.Popen([sys.executable, *arguments], cwd=REPOSITORY, env=environment))

    def status(self) -> list[dict]:
        """Conditions of the job."""
        if self.runs:
            codes = [process.wait(300) for process in self.processes]
            return [SUCCEEDED if not any(codes) else FAILED | {"message": f"workers ended with {codes}"}]
        return self.conditions.pop(0) if len(self.conditions) > 1 else self.conditions[0]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Api

    def answer(self, code: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refusal:
            code, message = self.server.refusal
            return self.answer(code, {"kind": "Status", "message": message, "code": code})
        assert self.path == "/apis/kubeflow.org/v1/namespaces/kubeflow/tfjobs"
        self.server.made.append(job)
        if self.server.runs:
            self.server.start(job)
        return self.answer(201, job)

    def do_GET(self) -> None:
        job = self.server.made[-1]
        assert self.path.endswith(f"/tfjobs/{job['metadata']['name']}")
        self.answer(200, job | {"status": {"conditions": self.server.status()}})

    def do_DELETE(self) -> None:
        self.server.removed.append(self.path.rpartition("/")[2])
        self.answer(200, {"kind": "Status", "status": "Success"})

    def log_message(self, *_: object) -> None:
        pass


def use_kubeconfig(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Has the client look there: it has read $KUBECONFIG when it was imported."""
    for module in ("kubernetes.config", "kubernetes.config.kube_config"):
        monkeypatch.setattr(f"{module}.KUBE_CONFIG_DEFAULT_LOCATION", str(file))


@pytest.fixture
def api(tmp_path, monkeypatch) -> Iterator[Api]:
    with Api() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": address}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        use_kubeconfig(monkeypatch, tmp_path / "kubeconfig")
        monkeypatch.setattr(jobs, "pause", lambda: None)
        yield server
        server.shutdown()


@pytest.fixture
def arguments(tmp_path):
    """A Trainer's, with folders that are there and nothing in them."""
    (tmp_path / "out/run").mkdir(parents=True)
    config = {
        "run_fn": "trainer_modules.mnist_softmax.run_fn",
        "strategy": "multiworker",
        "workers": 3,
        "train_on": {"job": jobs.read(TEMPLATE), "folder": str(tmp_path / "jobs")},
    }
    return given.fn_args(dict.fromkeys(workers.TAKEN[:4]) | {"hyperparameters": None}, tmp_path / "out", config)


def test_the_job_is_the_template_with_name_workers_and_command(api, arguments, tmp_path):
    jobs.train(arguments)
    (job,) = api.made
    template = yaml.safe_load(TEMPLATE.read_text())
    worker = job["spec"]["tfReplicaSpecs"]["Worker"]
    assert worker.pop("replicas") == 3 and job["metadata"].pop("name").startswith("mnist-softmax-20")
    command = worker["template"]["spec"]["containers"][0].pop("command")
    *command, file = command
    assert command == ["python", "-m", "trainer_modules.common.workers"] and Path(file).name == "fn_args.json"
    assert Path(file).parent.parent == tmp_path / "jobs" and list((tmp_path / "jobs").iterdir()) == []
    assert job == template and api.removed == []


def test_the_pods_are_what_kubernetes_takes():
    job = tf_job.manifest(jobs.read(TEMPLATE), "job", 2, jobs.COMMAND)
    pod = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, **pod}, "1.33", strict=True)
    # Of the operator's own definition (kubeflow.org_tfjobs.yaml).
    assert set(job["spec"]) <= {"enableDynamicWorker", "runPolicy", "successPolicy", "tfReplicaSpecs"}
    policy = {"activeDeadlineSeconds", "backoffLimit", "cleanPodPolicy", "schedulingPolicy", "suspend", "ttlSecondsAfterFinished"}
    assert set(job["spec"]["runPolicy"]) <= policy and job["spec"]["runPolicy"]["cleanPodPolicy"] in ("None", "Running", "All")
    assert job["spec"]["tfReplicaSpecs"]["Worker"]["restartPolicy"] in ("Always", "OnFailure", "Never", "ExitCode")
    # What a worker that lost the others ends with is one of those that the operator tries again.
    assert workers.LOST in (130, 137, 138, 143)


def test_the_right_to_make_jobs_is_what_kubernetes_takes():
    role, binding = yaml.safe_load_all((TEMPLATE.parent / "tfjob-role.yaml").read_text())
    for each in (role, binding):
        kubernetes_validate.validate(each, "1.33", strict=True)
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (rule,) = role["rules"]
    assert rule == {"apiGroups": [tf_job.GROUP], "resources": [tf_job.PLURAL], "verbs": ["create", "get", "delete"]}


def test_a_job_that_fails_is_told_and_left_for_its_logs(api, arguments):
    api.conditions = [[RUNNING], [FAILED]]
    with pytest.raises(RuntimeError, match=r"TFJob kubeflow/mnist-softmax-\S+ to train to the end, it failed: worker 1 ended with 1"):
        jobs.train(arguments)
    assert len(api.made) == 1 and api.removed == []


def test_a_job_that_is_refused_is_told(api, arguments):
    api.refusal = (404, 'the server could not find the requested resource "tfjobs.kubeflow.org"')
    with pytest.raises(RuntimeError, match=r"Kubeflow's training operator to take a TFJob, received: the server could not find .*tfjobs"):
        jobs.train(arguments)
    assert api.made == [] == api.removed


def test_without_a_cluster_it_says_so(arguments, tmp_path, monkeypatch):
    use_kubeconfig(monkeypatch, tmp_path / "absent")
    with pytest.raises(RuntimeError, match="expected a Kubernetes cluster with Kubeflow's training operator"):
        jobs.train(arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Job\n", "could not read it .KeyError: 'apiVersion'"),
        ("- 1\n", "with `kind`. or .* received neither"),
        ("a: [\n", "could not read it .while parsing"),
        (
            TEMPLATE.read_text().replace("name: tensorflow", "name: main"),
            "with a container tensorflow, received kubeflow.org/v1 TFJob with main",
        ),
        (
            TEMPLATE.read_text().replace("kind: TFJob", "kind: PyTorchJob"),
            "to be a TFJob of kubeflow.org/v1 .* received kubeflow.org/v1 PyTorchJob",
        ),
    ],
)
def test_a_manifest_of_something_else_is_refused(tmp_path, text, says):
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(ValueError, match=says):
        jobs.read(tmp_path / "job.yaml")


@pytest.mark.slow
def test_its_workers_learn_by_a_volume_what_one_device_learns(api, tmp_path):
    api.runs = True
    shared = tmp_path / "volume"
    assert_learns_what_one_device_learns({"job": jobs.read(TEMPLATE), "folder": str(shared), "copied": True}, tmp_path)
    # The machines were told of nothing but the volume, on which nothing is left.
    assert api.told == {str(shared)} and list(shared.iterdir()) == []


def test_a_trainer_that_is_stopped_removes_its_job(api, arguments, monkeypatch):
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "pause", stopped)
    with pytest.raises(KeyboardInterrupt):
        jobs.train(arguments)
    assert api.removed == [api.made[0]["metadata"]["name"]]
