"""Compiled pipelines: the same arguments make the same file, and what neither target could run is found."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import places
from pipelines.common.errors import UsageError
from pipelines.common.fingerprint import REPOSITORY
from pipelines.common.remote import checks, notify
from pipelines.common.remote.target import Remote, Resources, gigabytes

GOLDEN = Path(__file__).parent / "golden"
MODEL = "mnist_softmax"
VERTEX = ("--target", "vertex", "--pipeline-root", "gs://bucket/darsena", "--image", "registry.example/darsena:1")
KUBEFLOW = ("--target", "kubeflow", "--pipeline-root", "minio://mlpipeline/darsena", "--image", "registry.example/darsena:1")
TFJOB, CUSTOMJOB = (str(REPOSITORY / "kubeflow" / name) for name in ("tfjob.yaml", "customjob.yaml"))
SEVERAL = ("--strategy", "multiworker", "--workers", "4")
ASKED = {
    "vertex.json": (*VERTEX, "--accelerator", "Trainer=NVIDIA_L4:2", "--cpu", "ImageExampleGen=4", "--memory", "Trainer=16Gi"),
    "kubeflow.yaml": (*KUBEFLOW, "--accelerator", "Trainer=nvidia.com/gpu", "--volume", "darsena", "--notify", "https://hooks.example/1"),
}


def without_fingerprints(text: str) -> str:
    """The text with what every edit of the code changes left out."""
    for pattern, instead in (
        (r"tfx-\d[\d.]*", "tfx-VERSION"),
        (r"\b[0-9a-f]{64}\b", "FINGERPRINT"),
        (r"([+/])[0-9a-f]{12,16}\b", r"\1RECIPE"),
    ):
        text = re.sub(pattern, instead, text)
    return text


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def compiled(darsena, root, tmp_path):
    """Compiles with some arguments; returns the text."""

    def run(*arguments: str) -> str:
        ended = darsena("compile", MODEL, *arguments, "--root", root, "-o", tmp_path / "out")
        assert ended.code == 0, ended.err
        return (tmp_path / "out").read_text()

    return run


@pytest.mark.parametrize("name", list(ASKED))
def test_the_compiled_file_is_the_golden_one(compiled, name):
    """Where it is another one for a good reason, delete the golden file and run this test twice."""
    text = without_fingerprints(compiled(*ASKED[name]))
    golden = GOLDEN / name
    if not golden.exists():
        golden.write_text(text)
        pytest.fail(f"{golden} was not there; it is now: read it before it is committed")
    assert text == golden.read_text()


def test_the_same_arguments_make_the_same_bytes_and_others_others(compiled):
    first = compiled(*VERTEX)
    assert compiled(*VERTEX) == first
    job = json.loads(first)
    other = json.loads(compiled(*VERTEX, "--epochs", "3", "--no-cache"))
    config = [each["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]["custom_config"] for each in (job, other)]
    epochs = [json.loads(each["runtimeValue"]["constant"])["hparams"]["epochs"] for each in config]
    assert epochs[1] == 3 != epochs[0]
    caching = [each["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["cachingOptions"] for each in (job, other)]
    assert caching == [{"enableCache": True}, {}]


def test_nodes_get_what_was_asked_for(compiled):
    executors = json.loads(compiled(*ASKED["vertex.json"]))["pipelineSpec"]["deploymentSpec"]["executors"]
    assert executors["Trainer_executor"]["container"]["resources"] == {
        "memoryLimit": 16 * 2**30 / 1e9,
        "memoryRequest": 16 * 2**30 / 1e9,
        "accelerator": {"type": "NVIDIA_L4", "count": "2"},
    }
    # TFX itself ignores resources of ExampleGens.
    assert executors["ImageExampleGen_executor"]["container"]["resources"] == {"cpuLimit": 4.0, "cpuRequest": 4.0}
    assert "resources" not in executors["Pusher_executor"]["container"]
    images = json.loads(compiled(*VERTEX, "--image-of", "Trainer=gpu:1"))["pipelineSpec"]["deploymentSpec"]["executors"]
    assert {name: each["container"]["image"] for name, each in images.items()}["Trainer_executor"] == "gpu:1"
    assert images["Pusher_executor"]["container"]["image"] == "registry.example/darsena:1"


def test_parameters_have_values_and_paths_are_those_of_the_image(compiled):
    job = json.loads(compiled(*VERTEX))
    assert job["runtimeConfig"]["parameterValues"] == {
        "data": "/gcs/bucket/darsena/data/mnist-sample",
        "serving_dir": f"/gcs/bucket/darsena/serving/{MODEL}",
    }
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert tasks["ImageExampleGen"]["inputs"]["parameters"]["input_base"] == {"componentInputParameter": "data"}
    assert tasks["Pusher"]["inputs"]["parameters"]["serving_dir"] == {"componentInputParameter": "serving_dir"}
    schema = tasks["ImportSchemaGen"]["inputs"]["parameters"]["schema_file"]["runtimeValue"]["constant"]
    assert schema == f"/darsena/schemas/{MODEL}/schema.pbtxt"
    assert str(Path(__file__).resolve().parents[2]) not in json.dumps(job)


def test_vertex_looks_at_the_data_before_its_cache_and_kubeflow_cannot(compiled):
    hook = json.loads(compiled(*VERTEX))["pipelineSpec"]["deploymentSpec"]["executors"]["ImageExampleGen_executor"]["container"][
        "lifecycle"
    ]
    assert hook["preCacheCheck"]["command"][-1] == "--only_driver"
    spec = next(yaml.safe_load_all(compiled(*KUBEFLOW)))
    assert "lifecycle" not in spec["deploymentSpec"]["executors"]["ImageExampleGen_executor"]["container"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*VERTEX[:3], "s3://bucket", *VERTEX[4:]), "expected --pipeline-root of vertex to begin with gs://, received 's3://bucket'"),
        ((*KUBEFLOW[:3], "/mnt/x", *KUBEFLOW[4:]), "to begin with gs://, s3://, minio://, received '/mnt/x'"),
        (
            (*VERTEX, "--accelerator", "Trainer=nvidia.com/gpu"),
            "expected an accelerator of vertex (NVIDIA_TESLA_T4, .* received 'nvidia.com/gpu'",
        ),
        ((*KUBEFLOW, "--accelerator", "Trainer=NVIDIA_L4"), "expected an accelerator of kubeflow (nvidia.com/gpu, .* received 'NVIDIA_L4'"),
        ((*VERTEX, "--volume", "x"), "expected no --volume with --target vertex"),
        ((*VERTEX, "--secret", "TOKEN=store/token"), "expected no --secret or --pull-secret with --target vertex"),
        ((*KUBEFLOW, "--secret", "TOKEN=store"), "expected --secret VARIABLE=SECRET/KEY, received 'TOKEN=store'"),
        ((*VERTEX, "--cpu", "Trainr=4"), "the pipeline has no node Trainr. It has .*Trainer"),
        ((*VERTEX, "--cpu", "Trainer"), "expected --cpu NODE=VALUE, received 'Trainer'"),
        ((*VERTEX, "--memory", "Trainer=lots"), "expected an amount of memory such as 16G or 512Mi, received 'lots'"),
        ((*VERTEX, "--accelerator", "Trainer=NVIDIA_L4:0"), "there is to be at least one"),
        ((*VERTEX, "--notify", "ftp://x"), "expected --notify to be an http.* received 'ftp://x'"),
        ((*VERTEX, "--baseline", __file__), "expected --baseline to be the darsena.json in assets.extra/ of a pushed version"),
        (
            (*VERTEX, *SEVERAL, "--train-on", TFJOB),
            "expected --train-on of vertex to be like kubeflow/customjob.yaml, received the other target's",
        ),
        (
            (*KUBEFLOW, *SEVERAL, "--train-on", CUSTOMJOB),
            "expected --train-on of kubeflow to be like kubeflow/tfjob.yaml, received the other target's",
        ),
        ((*KUBEFLOW, *SEVERAL, "--train-on", TFJOB), "expected --volume with --train-on"),
        ((*VERTEX, "--train-on", CUSTOMJOB), "expected --train-on with --strategy multiworker or --tune, received --strategy auto"),
        ((*VERTEX, *SEVERAL, "--train-on", __file__), "to be like kubeflow/tfjob.yaml or kubeflow/customjob.yaml, could not read it"),
        ((*VERTEX, "--workers", "4"), "--strategy multiworker or parameter_server and --workers N .* together, received auto and 4"),
        ((*VERTEX, "--parallel-trials", "2"), "expected --tune with --parallel-trials, which says how to search"),
        ((*VERTEX, *SEVERAL, "--tune"), "expected another --strategy than multiworker with --tune"),
        (("--target", "airflow", *VERTEX[2:]), "'airflow' is not one of 'vertex', 'kubeflow'"),
        (VERTEX[:2], "Missing option '--pipeline-root'. See 'darsena compile --help'."),
        (VERTEX[:4], "Missing option '--image'. See 'darsena compile --help'."),
    ],
)
def test_what_a_target_cannot_do_is_one_line_and_writes_nothing(darsena, root, tmp_path, arguments, says):
    ended = darsena("compile", MODEL, *arguments, "--root", root, "-o", tmp_path / "out")
    assert ended.code == 2 and re.search(says.replace("(", r"\("), ended.err), ended.err
    assert len(ended.err.strip().splitlines()) == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("node", "arguments", "folder", "copied"),
    [
        ("Trainer", (*VERTEX, *SEVERAL, "--train-on", CUSTOMJOB), "/gcs/bucket/darsena/jobs", False),
        ("Tuner", (*VERTEX, "--tune", "--parallel-trials", "3", "--train-on", CUSTOMJOB), "/gcs/bucket/darsena/jobs", False),
        ("Trainer", (*KUBEFLOW, "--volume", "v", *SEVERAL, "--train-on", TFJOB), "/mnt/darsena/jobs", True),
    ],
)
def test_the_machines_of_a_training_or_a_search_are_in_the_file(compiled, node, arguments, folder, copied):
    (spec, *_) = yaml.safe_load_all(compiled(*arguments))
    spec = spec.get("pipelineSpec", spec)
    given = spec["root"]["dag"]["tasks"][node]["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    config = json.loads(given)
    job = yaml.safe_load(Path(arguments[-1]).read_text())
    assert config["train_on"] == {"job": job, "folder": folder, "copied": copied}
    assert (config["workers"], config.get("parallel_trials")) == ((4, None) if node == "Trainer" else (0, 3))


def test_secrets_are_named_and_their_values_nowhere(compiled):
    asked = ("--secret", "TOKEN=store/api.token", "--secret", "USER=store/user", "--pull-secret", "registry")
    _, platform = yaml.safe_load_all(compiled(*KUBEFLOW, *asked))
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert len(executors) > 10 and "Trainer_executor" in executors

    def named(secret: str) -> dict[str, Any]:
        return {"secretName": secret, "secretNameParameter": {"runtimeValue": {"constant": secret}}}

    for each in executors.values():
        assert each == {
            "imagePullSecret": [named("registry")],
            "secretAsEnv": [
                named("store") | {"keyToEnv": [{"secretKey": "api.token", "envVar": "TOKEN"}]},
                named("store") | {"keyToEnv": [{"secretKey": "user", "envVar": "USER"}]},
            ],
        }


def test_a_baseline_is_brought_in_from_its_store(compiled, tmp_path):
    file = tmp_path / "darsena.json"
    uri = "/gcs/bucket/darsena/run/Trainer/model"
    file.write_text(json.dumps({"version": 3, "model_uri": uri, "lineage": {"recipe": "r"}}))
    spec = json.loads(compiled(*VERTEX, "--baseline", str(file)))["pipelineSpec"]
    importer = spec["deploymentSpec"]["executors"]["ServedModel_executor"]["importer"]
    assert importer["artifactUri"] == {"constant": "gs://bucket/darsena/run/Trainer/model"}
    assert (
        spec["root"]["dag"]["tasks"]["Evaluator"]["inputs"]["artifacts"]["baseline_model"]["taskOutputArtifact"]["producerTask"]
        == "ServedModel"
    )


def task(job: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = job["pipelineSpec"]["components"]["pipeline"]["dag"]["tasks"][name]
    return found


FAULTS = {
    "waits for Nobody, which is not there": lambda job: task(job, "Trainer")["dependentTasks"].append("Nobody"),
    "takes examples from Nobody, which has no such output": lambda job: task(job, "Trainer")["inputs"]["artifacts"]["examples"][
        "taskOutputArtifact"
    ].update(producerTask="Nobody"),
    "takes examples from ImageExampleGen, which has no such output": lambda job: task(job, "Trainer")["inputs"]["artifacts"]["examples"][
        "taskOutputArtifact"
    ].update(outputArtifactKey="rows"),
    "takes input_base from the parameter date, which pipeline has not": lambda job: task(job, "ImageExampleGen")["inputs"]["parameters"][
        "input_base"
    ].update(componentInputParameter="date"),
    "Trainer of pipeline is given colour, which it does not take": lambda job: task(job, "Trainer")["inputs"]["parameters"].update(
        colour={"runtimeValue": {"constant": "red"}}
    ),
    "Pusher of pipeline is not given lineage": lambda job: task(job, "Pusher")["inputs"]["parameters"].pop("lineage"),
    "Trainer of pipeline is of no component": lambda job: task(job, "Trainer")["componentRef"].update(name="Nothing"),
    "takes the status of Nobody, which is not there": lambda job: job["pipelineSpec"]["root"]["dag"]["tasks"]["Notify"]["inputs"][
        "parameters"
    ]["status"]["taskFinalStatus"].update(producerTask="Nobody"),
    "the executor Trainer_executor is not there": lambda job: job["pipelineSpec"]["deploymentSpec"]["executors"].pop("Trainer_executor"),
    "the parameter data has no value": lambda job: job["runtimeConfig"]["parameterValues"].pop("data"),
    "the parameter date is not there": lambda job: job["runtimeConfig"]["parameterValues"].update(date="today"),
    "as its protos say": lambda job: task(job, "Trainer").update(retries=3),
    "expected a pipeline job": lambda job: job["pipelineSpec"]["deploymentSpec"]["executors"]["Trainer_executor"]["container"].update(
        gpu=1
    ),
}


@pytest.fixture(scope="module")
def job(root, tmp_path_factory) -> dict[str, Any]:
    from pipelines.common.cli import main

    out = tmp_path_factory.mktemp("job") / "job.json"
    assert main(["compile", MODEL, *VERTEX, "--notify", "https://hooks.example/1", "--root", str(root), "-o", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.mark.parametrize("says", list(FAULTS))
def test_a_fault_that_the_protos_may_take_is_found(job, says):
    checks.check_job(job, "vertex")
    broken = copy.deepcopy(job)
    FAULTS[says](broken)
    with pytest.raises(ValueError, match=re.escape(says)):
        checks.check_job(broken, "vertex")


def test_kubeflow_has_no_hooks_and_no_resolvers(job):
    with pytest.raises(
        UsageError, match="Kubeflow Pipelines has no resolvers and no hooks before its cache, which ImageExampleGen_executor"
    ):
        checks.check_job(job, "kubeflow")


def test_places_are_found_here_and_named_there(monkeypatch):
    for uri, path in (("gs://b/x/y", "/gcs/b/x/y"), ("s3://b/x", "/s3/b/x"), ("minio://b/x", "/minio/b/x"), ("/tmp/x", "/tmp/x")):
        assert places.local(uri) == path and places.uri_of(path) == uri
    monkeypatch.setenv("DARSENA_MOUNT", "/pod")
    assert (
        places.local("gs://b/x") == "/pod/gcs/b/x" and places.uri_of("/pod/gcs/b/x") == "gs://b/x" and places.uri_of("/pod/x") == "/pod/x"
    )


def test_amounts_of_memory():
    assert [gigabytes(each) for each in ("16G", "1Gi", "512Mi", "1.5")] == [16, 2**30 / 1e9, 512 * 2**20 / 1e9, 1.5]
    Remote("vertex", "gs://b", "i", resources={"Trainer": Resources(accelerator="TPU_V3", count=8)})


def test_a_message_says_how_a_pipeline_ended():
    failed = {"state": "FAILED", "pipelineJobResourceName": "projects/1/pipelineJobs/2", "error": {"message": "no memory"}}
    assert notify.message(failed) == "projects/1/pipelineJobs/2: FAILED: no memory"
    assert notify.message({"state": "SUCCEEDED", "pipeline_job_resource_name": "run 7"}) == "run 7: SUCCEEDED"
