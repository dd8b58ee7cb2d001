"""The command line called in this process, and fakes of Vertex AI and Kubeflow Pipelines that it asks."""

import json
from pathlib import Path

import grpc
import pytest

from components import vertex_api
from pipelines.common.remote import submitting
from tests.cli.conftest import darsena
from tests.remote.fake_endpoints import FakeEndpoints
from tests.remote.fakes import FakeKubeflow, FakeVertex, Look

__all__ = ("darsena",)

GOLDEN = Path(__file__).parent / "golden"
FILES = {"vertex": GOLDEN / "vertex.json", "kubeflow": GOLDEN / "kubeflow.yaml"}
DEFAULTS = {
    "vertex": {"data": "/gcs/bucket/darsena/data/mnist-sample", "serving_dir": "/gcs/bucket/darsena/serving/mnist_softmax"},
    "kubeflow": {"data": "/mnt/darsena/data/mnist-sample", "serving_dir": "/mnt/darsena/serving/mnist_softmax"},
}
RUNNING = Look("RUNNING", {"Transform": ("SUCCEEDED", ""), "Trainer": ("RUNNING", ""), "Pusher": ("PENDING", "")})
SUCCEEDED = Look("SUCCEEDED", {"Transform": ("SUCCEEDED", ""), "Trainer": ("SUCCEEDED", ""), "Pusher": ("SUCCEEDED", "")})
FAILED = Look(
    "FAILED", {"Transform": ("SUCCEEDED", ""), "Trainer": ("FAILED", "out of\nmemory"), "Pusher": ("SKIPPED", "")}, "a task failed"
)
# The same trouble as each target tells it.
UNAVAILABLE = {"vertex": grpc.StatusCode.UNAVAILABLE, "kubeflow": 503}
EXHAUSTED = {"vertex": grpc.StatusCode.RESOURCE_EXHAUSTED, "kubeflow": 429}
DENIED = {"vertex": grpc.StatusCode.PERMISSION_DENIED, "kubeflow": 403}
NOT_FOUND = {"vertex": grpc.StatusCode.NOT_FOUND, "kubeflow": 404}
CREATE = {"vertex": "create", "kubeflow": "create runs"}
GET = {"vertex": "get", "kubeflow": "get runs"}
TARGETS = pytest.mark.parametrize("target", list(FILES))


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """Nobody waits; one entry for each time that somebody would."""
    found: list[float] = []
    monkeypatch.setattr(submitting, "pause", lambda: found.append(submitting.SECONDS))
    return found


@pytest.fixture
def fake(target, monkeypatch):
    """Who is asked; `where` are the options that say so."""
    found = FakeVertex(json.loads(FILES["vertex"].read_text())["pipelineSpec"]) if target == "vertex" else FakeKubeflow()
    with found.serving() as address:
        if target == "vertex":
            monkeypatch.setenv(vertex_api.ENDPOINT, address)
            found.where = ("--target", "vertex", "--project", "p", "--region", "europe-west4")
        else:
            found.where = ("--target", "kubeflow", "--host", f"{address}/")
        found.page = (
            "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines/" if target == "vertex" else f"{address}/#/"
        )
        yield found


@pytest.fixture
def cloud(monkeypatch):
    """Vertex AI's model registry and endpoints."""
    found = FakeEndpoints()
    with found.serving() as address:
        monkeypatch.setenv(vertex_api.ENDPOINT, address)
        yield found
