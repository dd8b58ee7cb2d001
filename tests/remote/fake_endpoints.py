"""Vertex AI's model registry and endpoints on loopback, with operations that take a while, or fail, as a test tells them to."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import yaml
from google.cloud import aiplatform_v1 as vertex
from google.longrunning import operations_pb2
from google.rpc.status_pb2 import Status

from pipelines.common.fingerprint import REPOSITORY
from tests.remote.fakes import PACKAGE, FakeGoogle

TEMPLATE = REPOSITORY / "kubeflow/endpoint.yaml"
GIVEN = yaml.safe_load(TEMPLATE.read_text())
# What comes of it.
PARENT = "projects/my-project/locations/europe-west4"
REGISTERED, ENDPOINT = f"{PARENT}/models/mnist-softmax", f"{PARENT}/endpoints/my-endpoint"


@dataclasses.dataclass
class Work:
    """An operation.

    Attributes:
        message: as it is seen.
        make: what it does in the end.
        failure: in place of that.
        looks: at it, for which it goes on.
    """

    message: operations_pb2.Operation
    make: Callable[[], Any]
    failure: Status | None
    looks: int

    def look(self) -> operations_pb2.Operation:
        if not self.message.done and self.looks == 0:
            self.message.done = True
            if self.failure:
                self.message.error.CopyFrom(self.failure)
            else:
                made = self.make()
                self.message.response.Pack(type(made).pb(made))
        self.looks -= 1
        return self.message


class FakeEndpoints(FakeGoogle):
    """ModelService, EndpointService and Operations; `made` has requests that begin an operation.

    Attributes:
        models: versions by their model's resource name.
        endpoints: by resource name.
        failures: of the next operation, by the name of a call.
        delay: looks at an operation, for which it goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, list[vertex.Model]] = {}
        self.endpoints: dict[str, vertex.Endpoint] = {}
        self.failures: dict[str, Status] = {}
        self.delay = 0
        self.works: list[Work] = []

    def begin(self, call: str, resource: str, request: Any, make: Callable[[], Any]) -> operations_pb2.Operation:
        self.made.append(request)
        message = operations_pb2.Operation(name=f"{resource}/operations/{len(self.works)}")
        self.works.append(Work(message, make, self.failures.pop(call, None), self.delay))
        return self.works[-1].look()

    def upload(self, request: Any) -> operations_pb2.Operation:
        name = request.parent_model or f"{request.parent}/models/{request.model_id}"
        if name in self.models and not request.parent_model:
            raise FileExistsError
        versions = self.models.setdefault(name, [])

        def make() -> vertex.UploadModelResponse:
            model = vertex.Model(request.model)
            model.version_id = str(len(versions) + 1)
            model.name = f"{name}@{model.version_id}"
            versions.append(model)
            return vertex.UploadModelResponse(model=name, model_version_id=model.version_id)

        return self.begin("upload", name, request, make)

    def create(self, request: Any) -> operations_pb2.Operation:
        name = f"{request.parent}/endpoints/{request.endpoint_id}"
        if name in self.endpoints or any(work.message.name.startswith(f"{name}/") for work in self.works):
            raise FileExistsError

        def make() -> vertex.Endpoint:
            self.endpoints[name] = vertex.Endpoint(request.endpoint)
            self.endpoints[name].name = name
            return self.endpoints[name]

        return self.begin("create", name, request, make)

    def deploy(self, request: Any) -> operations_pb2.Operation:
        endpoint = self.endpoints[request.endpoint]
        identifier = str(1000 + len(self.works))

        def make() -> vertex.DeployModelResponse:
            deployed = vertex.DeployedModel(request.deployed_model)
            deployed.model, _, deployed.model_version_id = request.deployed_model.model.partition("@")
            deployed.id = identifier
            endpoint.deployed_models.append(deployed)
            endpoint.traffic_split = {identifier if key == "0" else key: share for key, share in request.traffic_split.items()}
            return vertex.DeployModelResponse(deployed_model=deployed)

        return self.begin("deploy", request.endpoint, request, make)

    def undeploy(self, request: Any) -> operations_pb2.Operation:
        endpoint = self.endpoints[request.endpoint]
        assert not endpoint.traffic_split.get(request.deployed_model_id)

        def make() -> vertex.UndeployModelResponse:
            endpoint.deployed_models = [each for each in endpoint.deployed_models if each.id != request.deployed_model_id]
            return vertex.UndeployModelResponse()

        return self.begin("undeploy", request.endpoint, request, make)

    def pass_time(self) -> None:
        """Operations go on whether or not someone looks at them."""
        for work in self.works:
            work.look()

    def list_models(self, request: Any) -> vertex.ListModelsResponse:
        self.pass_time()
        latest = [versions[-1] for versions in self.models.values() if versions]
        found = [vertex.Model(each, name=each.name.partition("@")[0]) for each in latest if each.display_name == asked(request)]
        return vertex.ListModelsResponse(models=found)

    def list_versions(self, request: Any) -> vertex.ListModelVersionsResponse:
        """One to a page."""
        versions, page = self.models[request.name], int(request.page_token or 0)
        following = str(page + 1) if page + 1 < len(versions) else ""
        return vertex.ListModelVersionsResponse(models=versions[page : page + 1], next_page_token=following)

    def list_endpoints(self, request: Any) -> vertex.ListEndpointsResponse:
        self.pass_time()
        return vertex.ListEndpointsResponse(endpoints=[each for each in self.endpoints.values() if each.display_name == asked(request)])

    def list_operations(self, request: Any) -> operations_pb2.ListOperationsResponse:
        """One to a page, those that are done too."""
        there = [work for work in self.works if work.message.name.startswith(f"{request.name}/operations/")]
        page = int(request.page_token or 0)
        following = str(page + 1) if page + 1 < len(there) else ""
        return operations_pb2.ListOperationsResponse(operations=[work.look() for work in there[page : page + 1]], next_page_token=following)

    def get_operation(self, request: Any) -> operations_pb2.Operation:
        return next(work for work in self.works if work.message.name == request.name).look()

    def served(self) -> dict[str, int]:
        """Traffic of the endpoint by the version that is deployed, as model@version."""
        found = self.endpoints[ENDPOINT]
        return {f"{each.model}@{each.model_version_id}": found.traffic_split.get(each.id, 0) for each in found.deployed_models}

    def services(self) -> dict[str, dict[str, Any]]:
        operation = operations_pb2.Operation
        lists = operations_pb2.ListOperationsRequest, operations_pb2.ListOperationsResponse
        return {
            f"{PACKAGE}.ModelService": {
                "UploadModel": self.handler("upload", self.upload, vertex.UploadModelRequest, operation),
                "ListModels": self.handler("list models", self.list_models, vertex.ListModelsRequest, vertex.ListModelsResponse),
                "ListModelVersions": self.handler(
                    "list versions", self.list_versions, vertex.ListModelVersionsRequest, vertex.ListModelVersionsResponse
                ),
            },
            f"{PACKAGE}.EndpointService": {
                "CreateEndpoint": self.handler("create", self.create, vertex.CreateEndpointRequest, operation),
                "DeployModel": self.handler("deploy", self.deploy, vertex.DeployModelRequest, operation),
                "UndeployModel": self.handler("undeploy", self.undeploy, vertex.UndeployModelRequest, operation),
                "ListEndpoints": self.handler(
                    "list endpoints", self.list_endpoints, vertex.ListEndpointsRequest, vertex.ListEndpointsResponse
                ),
            },
            "google.longrunning.Operations": {
                "GetOperation": self.handler("get operation", self.get_operation, operations_pb2.GetOperationRequest, operation),
                "ListOperations": self.handler("list operations", self.list_operations, *lists),
            },
        }


def asked(request: Any) -> str:
    """The display name that a list is filtered by."""
    match = re.fullmatch(r'display_name="([^"]+)"', request.filter)
    assert match, request.filter
    return match[1]
