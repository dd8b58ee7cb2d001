"""The node that deploys: where it is in compiled pipelines, what settings it takes, and what it does in its container."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from components.vertex_endpoint.deployment import DeploymentFailed
from components.vertex_endpoint.settings import checked
from tests.remote.emulator import PLACEHOLDER, VERTEX, Emulator
from tests.remote.fake_endpoints import ENDPOINT, GIVEN, REGISTERED, TEMPLATE

MODEL = "mnist_softmax"
COMPILE = ("--target", "vertex", "--pipeline-root", "gs://bucket/darsena", "--image", "registry.example/darsena:1")
KUBEFLOW = ("--target", "kubeflow", "--pipeline-root", "gs://bucket/darsena", "--image", "registry.example/darsena:1")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """The same pipeline compiled with an endpoint, and without."""
    from pipelines.common.cli import main

    folder = tmp_path_factory.mktemp("jobs")
    root = str(folder / "root")
    for name, more in (("with", ("--endpoint", str(TEMPLATE))), ("without", ())):
        assert main(["compile", MODEL, *COMPILE, *more, "--root", root, "-o", str(folder / name)]) == 0
    return {name: json.loads((folder / name).read_text()) for name in ("with", "without")}


def test_only_what_is_compiled_with_an_endpoint_has_its_node_after_the_pusher(jobs):
    spec, other = (copy.deepcopy(jobs[name]["pipelineSpec"]) for name in ("with", "without"))
    task = spec["root"]["dag"]["tasks"].pop("VertexEndpoint")
    assert task["dependentTasks"] == ["Pusher"]
    assert task["inputs"]["artifacts"]["pushed_model"]["taskOutputArtifact"]["producerTask"] == "Pusher"
    constants = {name: each["runtimeValue"]["constant"] for name, each in task["inputs"]["parameters"].items()}
    assert json.loads(constants.pop("settings")) == GIVEN
    assert (constants["model_name"], len(constants["code_fingerprint"]), task["cachingOptions"]) == (MODEL, 64, {})
    output = spec["components"].pop("VertexEndpoint")["outputDefinitions"]["artifacts"]["deployment"]
    assert "title: components.Deployment" in output["artifactType"]["instanceSchema"]
    del spec["deploymentSpec"]["executors"]["VertexEndpoint_executor"]
    assert spec == other  # the recipe among it


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"machine": 1}, "expected the keys parent, endpoint, containerSpec, .*, received .*machine"),
        ({"parent": "my-project"}, "expected parent to be projects/…/locations/…, received 'my-project'"),
        ({"endpoint": 'a "b"'}, "expected endpoint to be a display name"),
        ({"serviceAccount": "me"}, "expected serviceAccount to be an e-mail address, received 'me'"),
        ({"containerSpec": {"imageUri": "i", "route": "/"}}, 'containerSpec to be what .*ModelContainerSpec has, .*"route"'),
        ({"containerSpec": {"predictRoute": "/"}}, "expected containerSpec.imageUri"),
        ({"dedicatedResources": {"machineSpec": {"machineType": "n1", "gpu": 1}}}, 'DedicatedResources has, .*"gpu"'),
        ({"dedicatedResources": {"machineSpec": {"machineType": "n1"}}}, "expected dedicatedResources.minReplicaCount"),
        ({"dedicatedResources": ["n1"]}, "expected dedicatedResources to be what .*DedicatedResources has"),
    ],
)
def test_settings_that_vertex_would_not_take_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        checked(GIVEN | change)


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        (COMPILE, "parent: x", "expected --endpoint to be a file like kubeflow/endpoint.yaml, could not take .*: expected the keys"),
        (COMPILE, "{", "expected --endpoint to be a file like kubeflow/endpoint.yaml"),
        (COMPILE, None, "No such file"),
        (KUBEFLOW, TEMPLATE.read_text(), "expected --endpoint with --target vertex, received --target kubeflow"),
        ((*COMPILE, "--remote-root", "/mnt/x"), TEMPLATE.read_text(), "expected --remote-root under /gcs, .* received /mnt/x"),
    ],
)
def test_what_can_not_be_deployed_is_told_when_compiling(darsena, tmp_path, arguments, text, says):
    file = tmp_path / "endpoint.yaml"
    if text is not None:
        file.write_text(text)
    ended = darsena("compile", MODEL, *arguments, "--endpoint", file, "--root", tmp_path, "-o", tmp_path / "out")
    assert ended.code == 2 and re.search(says, ended.err), ended.err
    assert ended.err.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.fixture
def node(jobs, tmp_path, monkeypatch):
    """Runs the node as its container does, for what the Pusher says it did; returns deployment.json and the artifact's property."""
    from pipelines.common.remote import entrypoint

    monkeypatch.setenv("DARSENA_MOUNT", str(tmp_path))
    made = "gs://bucket/darsena/run/Pusher/pushed_model"
    folder = tmp_path / made.replace("gs://", "gcs/")
    folder.mkdir(parents=True)
    serving = tmp_path / "gcs/bucket/darsena/serving" / MODEL
    for number in (1, 2):
        extras = serving / str(number) / "assets.extra"
        extras.mkdir(parents=True)
        (extras / "darsena.json").write_text(json.dumps({"version": number, "lineage": {"recipe": f"{number}" * 64}}))

    def run(version: int | None, reason: str = "", at: Path = serving) -> tuple[dict[str, Any], Any]:
        path = str(at / str(version)) if version else None
        (folder / "pushed.json").write_text(
            json.dumps({"pushed": bool(version), "new": True, "version": version, "path": path, "reason": reason})
        )
        emulator = Emulator(jobs["with"], VERTEX, tmp_path, "run")
        emulator.made["Pusher"] = {"pushed_model": {"name": "pushed", "uri": made, "metadata": {}}}
        spec = jobs["with"]["pipelineSpec"]
        task, component = spec["root"]["dag"]["tasks"]["VertexEndpoint"], spec["components"]["VertexEndpoint"]
        invocation = emulator.invocation("VertexEndpoint", task, component, "gs://bucket/darsena/run/VertexEndpoint")
        container = spec["deploymentSpec"]["executors"]["VertexEndpoint_executor"]["container"]
        entrypoint.main([json.dumps(invocation) if each == PLACEHOLDER else each for each in container["args"]])
        there = tmp_path / "gcs/bucket/darsena/run/VertexEndpoint"
        report = json.loads((there / "executor_output.json").read_text())
        (artifact,) = report["artifacts"]["deployment"]["artifacts"]
        return json.loads((there / "deployment/deployment.json").read_text()), artifact["metadata"]["deployed"]

    return run


def test_the_node_deploys_what_was_pushed_from_its_bucket(node, cloud):
    found, deployed = node(2)
    assert (found["deployed"], found["version"], found["model"], found["endpoint"]) == (True, 2, f"{REGISTERED}@1", ENDPOINT)
    assert deployed == 1
    assert cloud.made[0].model.artifact_uri == f"gs://bucket/darsena/serving/{MODEL}/2"
    assert dict(cloud.made[0].model.labels) == {"version": "2", "recipe": "2" * 12}
    assert cloud.made[0].model.display_name == MODEL
    assert cloud.served() == {f"{REGISTERED}@1": 100}


@pytest.mark.parametrize(
    ("version", "says"),
    [(None, "nothing was pushed: the Evaluator did not bless the model"), (1, "version 1 is not the latest, which is 2")],
)
def test_the_node_does_nothing_where_there_is_nothing_new(node, cloud, version, says):
    found, deployed = node(version, "the Evaluator did not bless the model")
    assert (found, deployed, cloud.calls) == ({"deployed": False, "version": version, "reason": says}, 0, [])


def test_the_node_tells_where_the_version_is_gone_or_in_no_bucket(node, cloud, tmp_path):
    with pytest.raises(DeploymentFailed, match=r"expected version 3 at .*/3, it is gone. Compile with --no-cache"):
        node(3)
    (tmp_path / "mnt/1").mkdir(parents=True)
    with pytest.raises(DeploymentFailed, match=r"expected the pushed version in a bucket \(under /gcs/\), received .*/mnt/1"):
        node(1, at=tmp_path / "mnt")
    assert cloud.calls == []
