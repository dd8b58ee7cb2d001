"""What the server counts, read as Prometheus reads it."""

import http.client

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.client import GrpcClient, RestClient
from serving.errors import RequestError, ServingError
from serving.metrics import BUCKETS, PATH, Metrics
from serving.server import ModelServer
from tests import tiny_model
from tests.serving.conftest import NEVER
from tests.serving.exported import NAME

IMAGES = tiny_model.images(2)


def samples(text: str) -> dict[tuple, float]:
    """Values by name and labels."""
    return {
        (sample.name.rsplit(":")[-1], *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_model_and_status(exported, tmp_path):
    exported.publish(1, tmp_path)
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=NEVER) as server:
        rest, by_grpc = RestClient(f"http://127.0.0.1:{server.rest_port}"), GrpcClient(f"127.0.0.1:{server.grpc_port}")
        for _ in range(3):
            by_grpc.predict(NAME, {"image": IMAGES})
        rest.predict(NAME, {"image": IMAGES})
        for asked in ("absent", "unheard"):
            with pytest.raises(ServingError):
                by_grpc.predict(asked, {"image": IMAGES})
        with pytest.raises(ServingError):
            by_grpc.predict(NAME, {"image": IMAGES[:, :1]})
        by_grpc.close()
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
        connection.request("GET", PATH)
        response = connection.getresponse()
        assert response.status == 200 and response.headers["Content-Type"].startswith("text/plain")
        found = samples(response.read().decode())
        connection.close()
    assert found["request_count", NAME, "OK"] == 4
    assert found["request_count", NAME, "INVALID_ARGUMENT"] == 1
    assert found["request_count", "", "NOT_FOUND"] == 2  # names that are no model's are not kept
    assert found["request_latency_count", "Predict", "GRPC", NAME] == 3
    assert found["request_latency_count", "Predict", "REST", NAME] == 1


def test_a_latency_is_in_microseconds_and_refusals_have_none(monkeypatch):
    metrics, times = Metrics(), iter([1.0, 1.002])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    with metrics.request("a", "Predict", "GRPC", ["a"]):
        pass
    monkeypatch.undo()
    with pytest.raises(RequestError), metrics.request("a", "Predict", "GRPC", ["a"]):
        raise RequestError("NOT_FOUND", "none")
    with pytest.raises(ZeroDivisionError), metrics.request("a", "Predict", "GRPC", ["a"]):
        _ = 1 / 0
    found = samples(metrics.exposition())
    assert found["request_latency_sum", "Predict", "GRPC", "a"] == pytest.approx(2000)
    assert [found["request_count", "a", status] for status in ("OK", "NOT_FOUND", "INTERNAL")] == [1, 1, 1]
    assert BUCKETS[:3] == pytest.approx((10, 18, 32.4)) and len(BUCKETS) == 33
