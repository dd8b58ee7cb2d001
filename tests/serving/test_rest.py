"""The REST API: the documented examples of TF Serving word for word, its refusals, and requests meant to break it."""

import base64
import gzip
import json
import math
import random
import socket
import zlib

import numpy as np
import pytest
from aiohttp import web

from serving import rest
from serving.errors import RequestError
from tests import tiny_model
from tests.serving.conftest import MAX_BYTES
from tests.serving.exported import NAME, SENSOR, SIGNAL

PREDICT = f"/v1/models/{NAME}:predict"
ROWS = [{"tag": tag, "signal": signal, "sensor": sensor} for tag, signal, sensor in zip(["foo", "bar"], SIGNAL, SENSOR, strict=True)]
COLUMNS = {"tag": ["foo", "bar"], "signal": SIGNAL, "sensor": SENSOR}


def test_documented_status(ask):
    expected = {"model_version_status": [{"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}
    assert ask("GET", "/v1/models/half_plus_three") == (200, expected)
    assert ask("GET", "/v1/models/half_plus_three/versions/123") == (200, expected)


def test_documented_predict(ask):
    assert ask("POST", "/v1/models/half_plus_three:predict", '{"instances": [1.0,2.0,5.0]}') == (200, {"predictions": [3.5, 4.0, 5.5]})
    assert ask("POST", "/v1/models/half_plus_three/versions/123:predict", '{"inputs": [1.0,2.0,5.0]}') == (
        200,
        {"outputs": [3.5, 4.0, 5.5]},
    )
    assert ask("POST", "/v1/models/half_plus_three:predict", '{"inputs": {"x": [1, 2e0]}}') == (200, {"outputs": [3.5, 4.0]})
    assert ask("POST", "/v1/models/half_plus_three:predict", '{"instances": [{"x": 1.0}]}') == (200, {"predictions": [3.5]})


def test_documented_error(ask):
    status, answer = ask("POST", "/v1/models/half:predict", '{"instances": [1.0,5.0]}')
    assert status == 404 and answer["error"].startswith("Servable not found for request: Latest(half)")


def test_documented_tokens_for_what_is_not_finite(ask):
    status, answer = ask("POST", "/v1/models/half_plus_three:predict", '{"instances": [NaN, Infinity, -Infinity]}')
    assert status == 200 and math.isnan(answer["predictions"][0]) and answer["predictions"][1:] == [math.inf, -math.inf]


def test_float32_is_written_with_its_own_digits(ask):
    assert ask("POST", "/v1/models/half_plus_three:predict", '{"instances": [0.2, 1e30]}')[1] == {"predictions": [3.1, 5e29]}


def test_documented_rows_of_named_inputs(ask):
    status, answer = ask("POST", "/v1/models/sensors:predict", {"instances": ROWS})
    assert status == 200
    first, second = answer["predictions"]
    assert math.isnan(first.pop("odd"))
    assert first == {"name": "FOO", "name_bytes": {"b64": "Zm9v"}, "total": 15, "scaled": [[0.1, 0.2], [0.3, 0.4]], "high": False}
    assert second == {
        "name": "BAR", "name_bytes": {"b64": "YmFy"}, "total": 15, "scaled": [[0.4, 0.5], [0.6, 0.8]], "odd": 0.0, "high": True
    }  # fmt: skip


def test_documented_columns_of_named_inputs(ask):
    status, answer = ask("POST", "/v1/models/sensors:predict", {"inputs": COLUMNS})
    assert status == 200
    outputs = answer["outputs"]
    assert outputs["name"] == ["FOO", "BAR"] and outputs["name_bytes"] == [{"b64": "Zm9v"}, {"b64": "YmFy"}]
    assert outputs["total"] == [15, 15] and outputs["scaled"] == [[[0.1, 0.2], [0.3, 0.4]], [[0.4, 0.5], [0.6, 0.8]]]


def test_documented_binary_values(ask, exported):
    images = tiny_model.images(3)
    rows = [{"b64": base64.b64encode(tiny_model.example(image)).decode()} for image in images]
    expected = exported.answer(1, images)
    for request, key in (
        ({"instances": rows}, "predictions"),
        ({"instances": [{"examples": row} for row in rows]}, "predictions"),
        ({"inputs": rows}, "outputs"),
        ({"inputs": {"examples": rows}}, "outputs"),
    ):
        status, answer = ask("POST", PREDICT, {"signature_name": "examples", **request})
        assert status == 200
        np.testing.assert_allclose(answer[key], expected, atol=1e-6)


def test_both_formats_give_the_models_answers(ask, exported):
    images = tiny_model.images(4, seed=5)
    for request, key in (({"instances": images.tolist()}, "predictions"), ({"inputs": images.tolist()}, "outputs")):
        status, answer = ask("POST", PREDICT, request)
        assert status == 200 and answer.keys() == {key}
        np.testing.assert_allclose(answer[key], exported.answer(1, images), atol=1e-6)


def test_metadata(ask):
    status, answer = ask("GET", f"/v1/models/{NAME}/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": NAME, "signature_name": "", "version": "1"}
    definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    dims = [{"size": size, "name": ""} for size in ("-1", "4", "4")]
    assert definition["inputs"]["image"]["dtype"] == "DT_UINT8"
    assert definition["inputs"]["image"]["tensor_shape"] == {"dim": dims, "unknown_rank": False}
    assert ask("GET", f"/v1/models/{NAME}/versions/1/metadata") == (200, answer)


IMAGE = [[0] * 4] * 4


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "JSON Parse error"),
        ("{", "JSON Parse error"),
        (b"\xff\xfe{", "JSON Parse error"),
        ("[" * 100_000, "JSON Parse error"),
        ("[1]", "expected a JSON object"),
        ("{}", "received neither"),
        ({"instances": [IMAGE], "inputs": [IMAGE]}, "received both"),
        ({"instances": IMAGE[0][0]}, "list of at least one row"),
        ({"instances": []}, "list of at least one row"),
        ({"instances": [IMAGE], "signature_name": 1}, "must be a string"),
        ({"instances": [IMAGE], "signature_name": "absent"}, '"absent" not found'),
        ({"instances": [IMAGE, [[0]]]}, "list at unexpected size: 1 at level: 1 expected size: 4"),
        ({"instances": [[[[0] * 4] * 4, 0]]}, "incorrect level: 2"),
        ({"instances": [[[0, [0], 0, 0]] * 4]}, "list at unexpected level: 3"),
        ({"instances": [[["0"] * 4] * 4]}, "'0' Type: str is not of expected type: uint8"),
        ({"instances": [[[True] * 4] * 4]}, "Type: bool is not of expected type: uint8"),
        ({"instances": [[[None] * 4] * 4]}, "Type: NoneType is not of expected type: uint8"),
        ({"instances": [[[1.0] * 4] * 4]}, "1.0 Type: float is not of expected type: uint8"),
        ({"instances": [[[{"b64": "AA=="}] * 4] * 4]}, "Type: dict is not of expected type: uint8"),
        ({"instances": [[[256] * 4] * 4]}, "256 out of bounds for uint8"),
        ({"instances": [[[-1] * 4] * 4]}, "-1 out of bounds for uint8"),
        ({"instances": [{"picture": IMAGE}]}, "element: 0"),
        ({"instances": [{"image": IMAGE}, IMAGE]}, "element: 1"),
        ({"inputs": {"picture": [IMAGE]}}, "named inputs image, received picture"),
        ({"inputs": {"image": [IMAGE], "more": 1}}, "named inputs image, received image,more"),
        ({"inputs": IMAGE}, "expected shape [?, 4, 4], received [4, 4]"),
        ({"signature_name": "examples", "instances": [{"b64": "?"}]}, "base64"),
        ({"signature_name": "examples", "instances": ["\ud800"]}, "expected text"),
        ({"signature_name": "examples", "instances": [{"b64": "AA==", "x": 1}]}, "element: 0"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_bodies_that_are_wrong(ask, body, says):
    status, answer = ask("POST", PREDICT, body)
    assert status == 400 and answer.keys() == {"error"}
    assert says in answer["error"] and "\n" not in answer["error"] and len(answer["error"]) < 500


def test_names_in_refusals_are_shown_on_one_line_of_readable_length(ask):
    assert ask("POST", PREDICT, {"inputs": {"a\nb\x1b": 1}}) == (400, {"error": r"expected the named inputs image, received a\nb\x1b"})
    status, answer = ask("POST", PREDICT, {"inputs": {"x" * 10_000: 1}})
    assert (status, len(answer["error"]), answer["error"][-2:]) == (400, 1000, "x…")


@pytest.mark.parametrize("value", ["16777217", "1e39", "-3.5e38", "1" + "0" * 400])
def test_numbers_that_float32_does_not_hold(ask, value):
    status, answer = ask("POST", "/v1/models/half_plus_three:predict", f'{{"instances": [{value}]}}')
    assert status == 400 and ("precision" in answer["error"] or "past the range" in answer["error"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 400),
        ("GET", "/v1/models/", 400),
        ("GET", "/v1/models/../../etc/passwd", 400),
        ("GET", "/v1/models/..", 404),
        ("GET", "/v1/models/%2e%2e", 404),
        ("GET", "/v1/models/absent", 404),
        ("GET", "/v1/models/a%0Ab/labels/c/metadata", 404),
        ("GET", f"/v1/models/{NAME}/versions/2", 404),
        ("GET", f"/v1/models/{NAME}/versions/2/metadata", 404),
        ("GET", f"/v1/models/{NAME}/versions/99999999999999999999", 400),
        ("GET", f"/v1/models/{NAME}/versions/x", 400),
        ("GET", f"/v1/models/{NAME}/labels/stable", 400),
        ("GET", "/", 404),
        ("GET", PREDICT, 400),
        ("POST", f"/v1/models/{NAME}", 400),
        ("POST", f"/v1/models/{NAME}/versions/2:predict", 404),
        ("POST", f"/v1/models/{NAME}:explain", 400),
        ("POST", f"/v1/models/{NAME}:classify", 400),
        ("POST", f"/v1/models/{NAME}:regress", 400),
        ("PUT", PREDICT, 405),
        ("TRACE", "/v1/models/half_plus_three", 405),
    ],
)
def test_addresses_that_are_wrong(ask, method, path, status):
    found, answer = ask(method, path, {"instances": [IMAGE]} if method == "POST" else None)
    assert (found, answer.keys()) == (status, {"error"})


def exchange(server, sent: bytes) -> bytes:
    """What the server says to raw bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(sent)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
    return said


TINY = "/v1/models/half_plus_three:predict"
HEAD = f"POST {TINY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
ONE = b'{"instances": [1]}'
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = HEAD + b"Content-Encoding: gzip\r\n"


def sized(body: bytes) -> bytes:
    """A body with its length before it."""
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400),
        (HEAD + b"Content-Length: -5\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: many\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
        (HEAD + sized(b"{}"), 400),
        (HEAD + f"Content-Length: {MAX_BYTES + 1}\r\n\r\n".encode(), 413),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + (b"10000\r\n" + b" " * 2**16 + b"\r\n") * (MAX_BYTES // 2**16 + 1) + b"0\r\n\r\n", 413),
        (PACKED + sized(b"not packed"), 400),
        (PACKED + sized(gzip.compress(b" " * 100 * MAX_BYTES)), 413),
        (CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ONE), ONE), 200),
        (PACKED + sized(gzip.compress(ONE)[:-4]), 400),
        (HEAD + b"Content-Encoding: br\r\n" + sized(ONE), 400),
        (HEAD + b"Content-Encoding: deflate\r\n" + sized(zlib.compress(ONE)), 200),
        (PACKED + sized(gzip.compress(ONE)), 200),
    ],
    ids=lambda value: repr(value)[-60:],
)
def test_what_comes_over_a_connection(server, ask, sent, status):
    said = exchange(server, sent)
    assert said.split()[1] == str(status).encode()
    assert status != 200 or json.loads(said.rpartition(b"\r\n\r\n")[2]) == {"predictions": [3.5]}
    assert ask("POST", TINY, {"instances": [1]}) == (200, {"predictions": [3.5]})


@pytest.mark.parametrize("size", [0, 1, rest.UNPACK_BYTES, 3 * rest.UNPACK_BYTES + 7])
def test_bodies_are_unpacked_whole_in_pieces(size):
    for body in (bytes(size), random.Random(1).randbytes(size)):
        assert rest.unpacked(gzip.compress(body), "gzip", size) == body
        assert rest.unpacked(gzip.compress(body) + b"what follows it", "gzip", size) == body
        with pytest.raises(web.HTTPRequestEntityTooLarge if size else RequestError):  # of an empty one, too little
            rest.unpacked(gzip.compress(body) if size else b"", "gzip", size - 1)


def test_a_client_that_cannot_be_read_is_a_line_in_the_log(server, caplog):
    exchange(server, b"GET\r\n\r\n")
    exchange(server, b"GET / HTTP/1.1\r\nA: " + b"x" * 9000 + b"\r\n\r\n")
    assert [record.levelname for record in caplog.records if record.name == "aiohttp.server"].count("ERROR") >= 1
    assert "Traceback" not in caplog.text and max(map(len, caplog.text.splitlines())) < 400


def test_a_client_that_goes_in_mid_body_harms_no_other(server, ask):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n" + ONE)
    assert ask("POST", TINY, {"instances": [1]}) == (200, {"predictions": [3.5]})


def test_a_server_with_too_much_under_way_says_so(server, ask, monkeypatch):
    monkeypatch.setattr(rest, "MAX_REQUESTS", 0)
    status, answer = ask("POST", TINY, {"instances": [1]})
    assert (status, answer["error"]) == (503, "0 requests are under way: ask again later")
    assert ask("GET", "/v1/models/half_plus_three", None)[0] == 200


def test_a_method_that_no_address_has_is_told_those_that_there_are(server):
    said = exchange(server, HEAD.replace(b"POST", b"DELETE", 1) + sized(ONE))
    assert said.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET,POST\r\n" in said


def test_a_connection_takes_several_requests(server):
    head = f"POST {TINY} HTTP/1.1\r\nHost: x\r\n".encode()
    said = exchange(server, head + sized(ONE) + head + sized(b"{}") + HEAD + sized(ONE))
    assert [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400", b"200"]
    assert json.loads(said.rpartition(b"\r\n\r\n")[2]) == {"predictions": [3.5]}
