"""A server that stops while clients ask: what was asked before its ports closed is answered, and then nobody listens."""

import asyncio
import concurrent.futures
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2

from serving import rest
from serving.rest import RestServer
from serving.server import ModelServer
from serving.store import ModelStore
from tests.serving.conftest import MAX_BYTES, NEVER
from tests.serving.exported import HalfPlusThree

PATH, BODY = "/v1/models/m:predict", json.dumps({"instances": [1.0]})
PREDICT = "/tensorflow.serving.PredictionService/Predict"
CLIENTS = 8
PATIENCE_SECONDS = 30  # that nothing here takes


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder, module = tmp_path_factory.mktemp("stopping"), HalfPlusThree()
    tf.saved_model.save(module, str(folder / "m/1"), signatures={"serving_default": module.serve})
    return folder


@pytest.fixture
def server(base, monkeypatch) -> Iterator[ModelServer]:
    monkeypatch.setattr(rest, "LAST_CALL_SECONDS", PATIENCE_SECONDS)  # a busy machine may take its time to ask once more
    with ModelServer(base, grpc_port=0, rest_port=0, poll_seconds=NEVER) as running:
        yield running


def answer(connection: http.client.HTTPConnection) -> tuple[int, dict, str | None]:
    response = connection.getresponse()
    found = response.status, json.loads(response.read()), response.headers["Connection"]
    if found[2]:
        connection.close()
    return found


def until_refused(port: int) -> None:
    """Returns once nobody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
        except TimeoutError:  # nothing is heard any more, see draining.hush
            continue
        except (ConnectionRefusedError, ConnectionResetError):  # the latter at that very moment
            return


def blocked(server: ModelServer, monkeypatch) -> tuple[threading.Event, threading.Event]:
    """Has the next prediction set the first event, and wait for the second."""
    begun, goes_on = threading.Event(), threading.Event()
    servable = server._store.find("m")
    call = servable._calls["serving_default"]

    def wait(inputs):
        begun.set()
        assert goes_on.wait(30)
        return call(inputs)

    monkeypatch.setitem(servable._calls, "serving_default", wait)
    return begun, goes_on


def test_a_connection_that_is_kept_is_answered_once_more_and_told_to_close(server, monkeypatch):
    kept, busy = (http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30) for _ in range(2))
    kept.request("POST", PATH, BODY)
    assert answer(kept) == (200, {"predictions": [3.5]}, None)
    begun, goes_on = blocked(server, monkeypatch)
    busy.request("POST", PATH, BODY)
    assert begun.wait(30)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    until_refused(server.rest_port)
    kept.request("POST", PATH, BODY)
    goes_on.set()
    assert answer(kept) == (200, {"predictions": [3.5]}, "close")
    assert answer(busy) == (200, {"predictions": [3.5]}, "close")
    stopping.join(30)
    assert not stopping.is_alive()


def test_a_connection_that_the_server_has_not_looked_at_is_answered(base):
    store = ModelStore(base, None, MAX_BYTES)
    store.scan()
    asked = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as workers:
        server = RestServer(store, MAX_BYTES, workers, grace_seconds=5)
        server.start("127.0.0.1", 0)

        async def wait_and_stop() -> None:
            assert asked.wait(30)  # as a server that is busy: nothing is accepted meanwhile
            await server._drain()

        stopping = asyncio.run_coroutine_threadsafe(wait_and_stop(), server._loop)
        late = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        late.request("POST", PATH, BODY)
        asked.set()
        assert answer(late) == (200, {"predictions": [3.5]}, "close")
        stopping.result(30)
        server.stop()


def keep_asking(address: str, stopping: threading.Event) -> tuple[int, str]:
    """Asks over gRPC until there is no answer: how many there were after the server began to stop, and what was said in the end."""
    request = predict_pb2.PredictRequest(inputs={"x": tf.make_tensor_proto([1.0])})
    request.model_spec.name = "m"
    late = 0
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary(
            PREDICT,
            request_serializer=predict_pb2.PredictRequest.SerializeToString,
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )
        while True:
            try:
                assert call(request, timeout=30).outputs["y"].float_val == [3.5]
                late += stopping.is_set()
            except grpc.RpcError as error:
                return late, f"{error.code().name}: {error.details()}"


def test_no_request_over_grpc_is_cancelled(server):
    address, stopping = f"127.0.0.1:{server.grpc_port}", threading.Event()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as threads:
        outcomes = [threads.submit(keep_asking, address, stopping) for _ in range(CLIENTS)]
        while server._store.metrics.exposition().count("request_latency_count") == 0:
            assert not any(outcome.done() for outcome in outcomes)
        stopping.set()
        server.stop()
        for outcome in outcomes:
            late, said = outcome.result()
            assert late > 0
            assert said.startswith("UNAVAILABLE") and "Connection refused" in said, said


def test_probes_are_told_first(server, monkeypatch):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
        begun, goes_on = blocked(server, monkeypatch)
        busy = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30)
        busy.request("POST", PATH, BODY)
        assert begun.wait(30)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        until_refused(server.rest_port)
        assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        goes_on.set()
        assert answer(busy)[0] == 200
        stopping.join(30)
