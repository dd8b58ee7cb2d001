"""One export of the models and one server per session for the tests that only ask."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.client import GrpcClient, RestClient
from serving.server import ModelServer
from tests.serving.exported import Exported, export_documented, export_tiny

NEVER = 3600.0  # seconds between polls: the tests call scan()
MAX_BYTES = 2**20


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Exported:
    return export_tiny(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def documented(tmp_path_factory) -> Path:
    """A folder of the models of TF Serving's documentation."""
    folder = tmp_path_factory.mktemp("documented")
    export_documented(folder)
    return folder


@pytest.fixture(scope="session")
def server(exported, documented) -> Iterator[ModelServer]:
    """Serves the tiny model's version 1 and the documented models, and takes requests of up to MAX_BYTES."""
    exported.publish(1, documented)
    with ModelServer(documented, grpc_port=0, rest_port=0, poll_seconds=NEVER, max_request_bytes=MAX_BYTES) as running:
        yield running


@pytest.fixture(scope="session")
def grpc_client(server) -> Iterator[GrpcClient]:
    client = GrpcClient(f"127.0.0.1:{server.grpc_port}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def rest_client(server) -> RestClient:
    return RestClient(f"http://127.0.0.1:{server.rest_port}")


@pytest.fixture(params=["grpc", "rest"])
def client(request, grpc_client, rest_client) -> GrpcClient | RestClient:
    """Each client in turn: they must behave the same."""
    return grpc_client if request.param == "grpc" else rest_client


Ask = Callable[..., tuple[int, dict]]


@pytest.fixture
def ask(server) -> Ask:
    """`ask(method, path, body)` over plain HTTP: the status and the JSON answer. Bodies that are no text are sent as JSON."""

    def send(method: str, path: str, body: object = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30)
        connection.request(method, path, body if isinstance(body, str | bytes | None) else json.dumps(body))
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        assert response.headers["Content-Type"] == "application/json"
        return response.status, answer

    return send
