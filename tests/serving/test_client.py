"""Both clients against a running server: the model's own answers, and refusals that say what is wrong."""

import http.server
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.answers import SignatureInfo, TensorInfo, VersionStatus
from serving.client import GrpcClient, RestClient
from serving.errors import InvalidRequest, NotFound, RequestRefused, ServerTimeout, ServerUnavailable, ServingError
from serving.server import ModelServer
from tests import tiny_model
from tests.serving.exported import NAME, SENSOR, SIGNAL

PROBABILITIES = {"probabilities": TensorInfo("float32", (None, 3))}
EXAMPLES = {"examples": TensorInfo("object", (None,))}
IMAGE = {"image": TensorInfo("uint8", (None, 4, 4))}


def test_answers_are_the_models(client, exported):
    images = tiny_model.images(7)
    answer = client.predict(NAME, {"image": images})
    assert answer.keys() == {"probabilities"} and answer["probabilities"].dtype == np.float32
    np.testing.assert_allclose(answer["probabilities"], exported.answer(1, images), atol=1e-6)


def test_examples_signature_takes_serialized_examples(client, exported):
    images = tiny_model.images(3, seed=1)
    texts = np.array([tiny_model.example(image) for image in images], object)
    np.testing.assert_allclose(
        client.predict(NAME, {"examples": texts}, signature="examples")["probabilities"], exported.answer(1, images), atol=1e-6
    )
    np.testing.assert_array_equal(client.predict(NAME, {"examples": texts}, signature="decode", version=1)["image"], images)


def test_several_inputs_and_outputs_keep_their_dtypes(client):
    inputs = {"tag": np.array(["foo", "bar"]), "signal": np.array(SIGNAL, np.int32), "sensor": np.array(SENSOR, np.float32)}
    answer = client.predict("sensors", inputs)
    assert {name: (array.dtype.name, array.shape) for name, array in answer.items()} == {
        "name": ("object", (2,)),
        "name_bytes": ("object", (2,)),
        "total": ("int64", (2,)),
        "scaled": ("float32", (2, 2, 2)),
        "odd": ("float32", (2,)),
        "high": ("bool", (2,)),
    }
    assert answer["name"].tolist() == [b"FOO", b"BAR"] and answer["name_bytes"].tolist() == [b"foo", b"bar"]
    assert answer["total"].tolist() == [15, 15] and answer["high"].tolist() == [False, True]
    np.testing.assert_array_equal(answer["scaled"], np.array(SENSOR, np.float32) / np.float32(10))
    np.testing.assert_array_equal(answer["odd"], [np.nan, 0.0])


def test_binary_strings_survive(client):
    tags = np.array([b"\x00\xff\x00", "Zürich".encode()], object)
    signals = {"signal": np.array(SIGNAL, np.int32), "sensor": np.array(SENSOR, np.float32)}
    if isinstance(client, RestClient):
        with pytest.raises(ServingError, match="name that ends in _bytes"):
            client.predict("sensors", {"tag": tags, **signals})
    else:
        assert client.predict("sensors", {"tag": tags, **signals})["name_bytes"].tolist() == tags.tolist()


def test_objects_that_are_no_strings_are_refused(client):
    with pytest.raises(ServingError, match=r"expected strings .* received 5 of type int"):
        client.predict(NAME, {"examples": np.array([b"a", 5], object)}, signature="examples")


def test_metadata_describes_the_signatures(client):
    assert client.metadata(NAME) == {
        "serving_default": SignatureInfo(IMAGE, PROBABILITIES),
        "examples": SignatureInfo(EXAMPLES, PROBABILITIES),
        "decode": SignatureInfo(EXAMPLES, IMAGE),
    }


def test_status(client):
    assert client.status(NAME) == [VersionStatus(1, "AVAILABLE", "")]
    assert client.status("half_plus_three") == [VersionStatus(123, "AVAILABLE", "")]


@pytest.mark.parametrize(
    ("model", "inputs", "options", "message"),
    [
        ("absent", {"image": (2, 4, 4)}, {}, r"Servable not found for request: Latest\(absent\)\..*tiny.*(NOT_FOUND|404)"),
        (NAME, {"image": (2, 4, 4)}, {"version": 7}, r"not found for request: Specific\(tiny, 7\)\. Served: version 1\..*(NOT_FOUND|404)"),
        (NAME, {"picture": (2, 4, 4)}, {}, r"image.*picture|picture.*image"),
        (NAME, {"image": (2, 4, 4), "more": (1,)}, {}, r"image,more"),
        (NAME, {"image": (2, 5, 4)}, {}, r"input image: expected shape \[\?, 4, 4\], received \[2, 5, 4\] \((INVALID_ARGUMENT|400)\)"),
        (NAME, {"image": (4, 4)}, {}, r"expected shape \[\?, 4, 4\], received \[4, 4\] \((INVALID_ARGUMENT|400)\)"),
        (NAME, {"image": (2, 4, 4)}, {"signature": "nope"}, r"nope.*decode, examples, serving_default"),
    ],
)
def test_refusals_say_what_is_wrong(client, model, inputs, options, message):
    arrays = {name: np.zeros(shape, np.uint8) for name, shape in inputs.items()}
    with pytest.raises(ServingError, match=message) as refusal:
        client.predict(model, arrays, **options)
    assert "\n" not in str(refusal.value)


def test_wrong_dtype_is_refused(grpc_client, rest_client):
    floats = {"image": np.full((1, 4, 4), 0.5, np.float32)}
    with pytest.raises(ServingError, match=r"input image: expected dtype DT_UINT8, received DT_FLOAT \(INVALID_ARGUMENT\)"):
        grpc_client.predict(NAME, floats)
    with pytest.raises(ServingError, match=r"0\.5 Type: float is not of expected type: uint8 \(400\)"):
        rest_client.predict(NAME, floats)


def test_values_that_the_model_refuses(client):
    with pytest.raises(ServingError, match=r"Could not parse example input, value: 'garbage' \((INVALID_ARGUMENT|400)\)"):
        client.predict(NAME, {"examples": np.array([b"garbage"], object)}, signature="examples")


def test_concurrent_requests_get_their_own_answers(grpc_client, rest_client, exported):
    batches = [tiny_model.images(1 + seed % 5, seed) for seed in range(60)]
    clients = [grpc_client, rest_client]

    def one(index: int) -> np.ndarray:
        return clients[index % 2].predict(NAME, {"image": batches[index]})["probabilities"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(len(batches))))
    for images, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(answer, exported.answer(1, images), atol=1e-6)


def test_a_server_that_is_gone_is_one_clear_line(exported, tmp_path):
    exported.publish(1, tmp_path)
    with ModelServer(tmp_path, [NAME], grpc_port=0, rest_port=0) as running:
        clients = [GrpcClient(f"127.0.0.1:{running.grpc_port}"), RestClient(f"http://127.0.0.1:{running.rest_port}")]
        assert [client.status(NAME) for client in clients] == [[VersionStatus(1, "AVAILABLE", "")]] * 2
    for client in clients:
        for call in (lambda c: c.predict(NAME, {"image": tiny_model.images(1)}), lambda c: c.metadata(NAME), lambda c: c.status(NAME)):
            with pytest.raises(ServingError, match=r"no model server answers at \S+:\d+\. Start one with: darsena serve$"):
                call(client)


@pytest.mark.parametrize("address", ["", "127.0.0.1:8501", "https://127.0.0.1", "http://[", "http://host:port"])
def test_addresses_that_are_none(address):
    with pytest.raises(ServingError, match=re.escape(repr(address))):
        RestClient(address)


def test_something_else_that_listens(server):
    """The gRPC port does not speak HTTP/1.1: the REST client must not hang or print a traceback."""
    with pytest.raises(ServingError, match=r"connection to the model server at \S+ was lost"):
        RestClient(f"http://127.0.0.1:{server.grpc_port}", timeout=5).status(NAME)


class Flaky(http.server.BaseHTTPRequestHandler):
    """A server whose first requests fail in some way."""

    failures: list[str]
    asked: list[float]

    def do_GET(self) -> None:
        self.asked.append(time.monotonic())
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, answer = (int(failure), {"error": "not now"}) if failure else (200, {"model_version_status": []})
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def flaky():
    handler = type("Handler", (Flaky,), {"failures": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield handler, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("failures", [["503"], ["drop"], ["503", "drop", "503"]])
def test_a_server_that_is_not_ready_is_asked_again_ever_later(flaky, failures):
    handler, url = flaky
    handler.failures[:] = failures
    assert RestClient(url).status(NAME) == []
    waits = np.diff(handler.asked)
    assert len(waits) == len(failures)
    assert all(wait >= 0.5 * 0.05 * 2**attempt for attempt, wait in enumerate(waits))


@pytest.mark.parametrize(
    ("failures", "options", "kind", "asked"),
    [
        (["503"] * 9, {}, ServerUnavailable, 4),
        (["503"] * 9, {"retries": 1}, ServerUnavailable, 2),
        (["503"] * 9, {"timeout": 0.01}, ServerUnavailable, 1),  # no time is left for another attempt
        (["404"], {}, NotFound, 1),
        (["400"], {}, InvalidRequest, 1),
        (["412"], {}, InvalidRequest, 1),
        (["500"], {}, RequestRefused, 1),
    ],
)
def test_what_is_asked_again_and_what_is_not(flaky, failures, options, kind, asked):
    handler, url = flaky
    handler.failures[:] = failures
    with pytest.raises(kind, match="not now") as error:
        RestClient(url, **options).status(NAME)
    assert type(error.value) is kind and len(handler.asked) == asked


def test_refusals_have_their_codes(client):
    with pytest.raises(NotFound) as absent:
        client.status("absent")
    with pytest.raises(InvalidRequest) as wrong:
        client.predict(NAME, {"image": np.zeros((1, 5, 4), np.uint8)})
    assert (absent.value.code, wrong.value.code) == ("NOT_FOUND", "INVALID_ARGUMENT")


def test_a_server_that_says_nothing_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ServerTimeout, match=r"did not answer within 0\.2 s"):
            RestClient(f"http://127.0.0.1:{port}", timeout=0.2).status(NAME)
        grpc_client = GrpcClient(f"127.0.0.1:{port}", timeout=0.2)
        with pytest.raises(ServerTimeout, match=r"did not answer within 0\.2 s"):
            grpc_client.status(NAME)
        grpc_client.close()
