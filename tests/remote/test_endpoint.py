"""Pushed versions on a fake of Vertex AI's endpoints: what is asked for, in what order, once, and what is told where it fails."""

import dataclasses

import grpc
import pytest
from google.cloud import aiplatform_v1
from google.protobuf import json_format
from google.rpc.status_pb2 import Status

from components import vertex_api
from components.vertex_endpoint import deployment
from components.vertex_endpoint.deployment import DeploymentFailed, Version, deploy
from components.vertex_endpoint.settings import checked
from tests.remote.fake_endpoints import ENDPOINT, GIVEN, PARENT, REGISTERED, FakeEndpoints
from tests.remote.fakes import Fault

MODEL = "mnist_softmax"
FIRST = Version(MODEL, 1, "0123456789ab", f"gs://bucket/darsena/serving/{MODEL}/1")
SECOND = Version(MODEL, 2, "ba9876543210", f"gs://bucket/darsena/serving/{MODEL}/2")
LOOKS = {"list models", "list versions", "list endpoints", "list operations", "get operation"}
LOST = grpc.StatusCode.UNAVAILABLE


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """Nobody waits; one entry for each pause."""
    found: list[float] = []
    monkeypatch.setattr(deployment, "pause", lambda: found.append(deployment.SECONDS))
    monkeypatch.setattr(deployment, "POLLING", deployment.POLLING.with_delay(initial=0, maximum=0))
    return found


def asked(cloud: FakeEndpoints) -> list[str]:
    """Requests that change something."""
    return [call for call in cloud.calls if call not in LOOKS]


def test_a_first_version_is_registered_and_deployed_on_a_new_endpoint(cloud):
    cloud.delay = 2
    done = deploy(checked(GIVEN), FIRST)
    assert (done.model, done.endpoint, done.new, done.undeployed) == (f"{REGISTERED}@1", ENDPOINT, True, [])
    assert asked(cloud) == ["upload", "create", "deploy"]
    upload, create, put = cloud.made
    assert (upload.parent, upload.model_id, upload.parent_model) == (PARENT, "mnist-softmax", "")
    model = upload.model
    assert (model.display_name, model.artifact_uri) == (MODEL, FIRST.uri)
    assert (dict(model.labels), list(model.version_aliases)) == ({"version": "1", "recipe": "0123456789ab"}, ["default"])
    assert json_format.MessageToDict(type(model.container_spec).pb(model.container_spec)) == GIVEN["containerSpec"]
    assert GIVEN["containerSpec"]["predictRoute"] == "/v1/models/model:predict"
    assert (create.parent, create.endpoint.display_name) == (PARENT, "my-endpoint")
    assert (put.endpoint, put.deployed_model.model, dict(put.traffic_split)) == (ENDPOINT, f"{REGISTERED}@1", {"0": 100})
    resources = put.deployed_model.dedicated_resources
    assert (resources.machine_spec.machine_type, resources.min_replica_count, resources.max_replica_count) == ("n1-standard-2", 1, 2)
    assert put.deployed_model.service_account == GIVEN["serviceAccount"]
    assert cloud.served() == {f"{REGISTERED}@1": 100}


def test_a_second_version_is_one_of_the_same_model_and_takes_the_place_of_the_first(cloud):
    deploy(checked(GIVEN), FIRST)
    (old,) = cloud.endpoints[ENDPOINT].traffic_split
    cloud.calls.clear()
    done = deploy(checked(GIVEN), SECOND)
    assert asked(cloud) == ["upload", "deploy", "undeploy"]
    assert (cloud.made[3].parent_model, cloud.made[3].model_id) == (REGISTERED, "")
    assert cloud.made[5].deployed_model_id == old
    assert (done.model, done.new, done.undeployed) == (f"{REGISTERED}@2", True, [old])
    assert [each.artifact_uri for each in cloud.models[REGISTERED]] == [FIRST.uri, SECOND.uri]
    assert cloud.served() == {f"{REGISTERED}@2": 100}


def test_what_has_traffic_stays(cloud):
    deploy(checked(GIVEN), FIRST)
    endpoint = cloud.endpoints[ENDPOINT]
    endpoint.deployed_models.append(aiplatform_v1.DeployedModel(id="7", model="projects/9/locations/x/models/other", model_version_id="1"))
    endpoint.traffic_split = {endpoint.deployed_models[0].id: 60, "7": 40}
    assert deploy(checked(GIVEN), FIRST).undeployed == []
    assert sorted(cloud.served().values()) == [40, 60]
    endpoint.traffic_split = {"7": 100}  # someone went back
    assert deploy(checked(GIVEN), FIRST).undeployed == []
    assert sorted(cloud.served().values()) == [0, 100]


def test_the_same_version_again_changes_nothing(cloud):
    deploy(checked(GIVEN), FIRST)
    deploy(checked(GIVEN), SECOND)
    cloud.calls.clear()
    done = deploy(checked(GIVEN), SECOND)
    assert (done.model, done.new, done.undeployed, asked(cloud)) == (f"{REGISTERED}@2", False, [], [])
    assert "get operation" not in cloud.calls


def test_a_version_of_another_recipe_is_another_one(cloud):
    deploy(checked(GIVEN), FIRST)
    assert deploy(checked(GIVEN), dataclasses.replace(FIRST, recipe="feedfeedfeed")).model == f"{REGISTERED}@2"


@pytest.mark.parametrize(
    ("call", "version"),
    [
        *((call, FIRST) for call in ("list models", "upload", "list endpoints", "create", "deploy", "get operation")),
        *((call, SECOND) for call in ("list versions", "upload", "deploy", "undeploy", "list operations")),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_an_answer_that_is_lost_twice_makes_nothing_twice(cloud, waits, call, version, late):
    if version == SECOND:
        deploy(checked(GIVEN), FIRST)
        cloud.made.clear()
    cloud.delay = 6  # longer than it takes to look for what was lost
    cloud.faults = [Fault(call, LOST, "connection reset", late)] * 2
    deploy(checked(GIVEN), version)
    assert waits and (cloud.faults == [] or late)  # what was done the first time is not asked for again
    made = ["UploadModel", "CreateEndpoint", "DeployModel"] if version == FIRST else ["UploadModel", "DeployModel", "UndeployModel"]
    assert [type(each).__name__.removesuffix("Request") for each in cloud.made] == made
    assert cloud.served() == {f"{REGISTERED}@{version.number}": 100}
    assert [each.artifact_uri for each in cloud.models[REGISTERED]] == [FIRST.uri, SECOND.uri][: version.number]


def test_where_nobody_answers_it_is_told_after_some_tries(waits, monkeypatch):
    monkeypatch.setenv(vertex_api.ENDPOINT, "127.0.0.1:1")
    with pytest.raises(
        DeploymentFailed, match=f"^expected Vertex AI to serve version 1 of {MODEL} at the endpoint my-endpoint, received: .*127.0.0.1:1"
    ):
        deploy(checked(GIVEN), FIRST)
    assert len(waits) == deployment.TRIES - 1


@pytest.mark.parametrize("call", ["upload", "create", "deploy"])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "A quota is used up: ask for fewer or other machines in the file that --endpoint names"),
        (grpc.StatusCode.PERMISSION_DENIED, r"Give the service account that the run has .* the role roles/aiplatform.user"),
    ],
)
def test_a_refusal_is_told_at_once_with_what_to_do(cloud, waits, call, code, says):
    cloud.faults = [Fault(call, code, "not\nfor you.")]
    with pytest.raises(DeploymentFailed, match=f"at the endpoint my-endpoint, received: not for you. {says}[^\n]*$"):
        deploy(checked(GIVEN), FIRST)
    assert (asked(cloud).count(call), waits) == (1, [])


def test_a_deployment_that_fails_leaves_what_was_served(cloud, waits):
    deploy(checked(GIVEN), FIRST)
    cloud.delay = 1
    cloud.failures = {"deploy": Status(code=8, message="CustomModelServingCPUs is 0")}
    with pytest.raises(DeploymentFailed) as failed:
        deploy(checked(GIVEN), SECOND)
    assert str(failed.value) == (
        f"expected Vertex AI to deploy version 2 of {MODEL} to the endpoint my-endpoint, received: CustomModelServingCPUs is 0. "
        "A quota is used up: ask for fewer or other machines in the file that --endpoint names, or have the quota raised."
    )
    assert (cloud.served(), waits) == ({f"{REGISTERED}@1": 100}, [])
    # Another run finds the version registered.
    cloud.calls.clear()
    deploy(checked(GIVEN), SECOND)
    assert (asked(cloud), cloud.served()) == (["deploy", "undeploy"], {f"{REGISTERED}@2": 100})


def test_an_operation_that_failed_for_a_reason_that_may_pass_is_not_tried_again(cloud, waits):
    cloud.failures = {"deploy": Status(code=14, message="the model server ended")}
    with pytest.raises(DeploymentFailed, match=r"received: the model server ended\.$"):
        deploy(checked(GIVEN), FIRST)
    assert (asked(cloud).count("deploy"), waits) == (1, [])


def test_an_operation_without_an_end_is_told(cloud, monkeypatch):
    monkeypatch.setattr(deployment, "LIMIT", 0.05)
    cloud.delay = 10**9
    with pytest.raises(
        DeploymentFailed, match=rf"to register version 1 of {MODEL} within 0.05 s, it is still at it: {REGISTERED}/operations/0"
    ):
        deploy(checked(GIVEN), FIRST)


def test_two_endpoints_of_one_name_are_told(cloud):
    for number in "12":
        name = f"{PARENT}/endpoints/{number}"
        cloud.endpoints[name] = aiplatform_v1.Endpoint(name=name, display_name="my-endpoint")
    with pytest.raises(
        DeploymentFailed, match=f"expected one endpoint my-endpoint, Vertex AI has 2: {PARENT}/endpoints/1, {PARENT}/endpoints/2"
    ):
        deploy(checked(GIVEN), FIRST)


def test_an_id_that_something_else_has_is_told_after_some_tries(cloud, waits):
    cloud.endpoints[ENDPOINT] = aiplatform_v1.Endpoint(name=ENDPOINT, display_name="renamed")
    with pytest.raises(DeploymentFailed, match=r"received: it is there\. Another model or endpoint has that id: delete it, or"):
        deploy(checked(GIVEN), FIRST)
    assert (len(waits), len(cloud.models[REGISTERED])) == (deployment.TRIES - 1, 1)


def test_missing_credentials_are_told(monkeypatch, tmp_path):
    monkeypatch.delenv(vertex_api.ENDPOINT, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(DeploymentFailed, match=r"expected credentials for Vertex AI, .*gcloud auth application-default login"):
        deploy(checked(GIVEN), FIRST)


def test_ids_are_what_vertex_takes():
    names = ["mnist_mlp", "My endpoint!", "2 boats", "x" * 62 + "-y"]
    assert [deployment.identifier(each) for each in names] == ["mnist-mlp", "my-endpoint", "d-2-boats", "x" * 62]
