"""Arrays as JSON and back, without a server."""

import json

import numpy as np
import pytest

from serving.errors import RequestError
from serving.json_tensors import array_from_json, json_from_array


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"])
def test_round_trip_is_exact(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        limits = np.finfo(kind)
        values = [0.1, -0.0, 1 / 3, float(limits.max), float(limits.min), float(limits.tiny), np.nan, np.inf]
    elif kind.kind == "b":
        values = [True, False] * 4
    else:
        limits = np.iinfo(kind)
        values = [0, 1, 2, 3, 4, 5, int(limits.min), int(limits.max)]
    array = np.array(values, kind).reshape(2, 1, 4)
    again = array_from_json(json.loads(json.dumps(json_from_array(array, as_bytes=False))), kind)
    assert again.dtype == kind
    np.testing.assert_array_equal(again, array)


def test_every_float32_survives_with_few_digits():
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    array = bits.view(np.float32)
    array = array[np.isfinite(array)]
    written = json.dumps(json_from_array(array, as_bytes=False))
    np.testing.assert_array_equal(array_from_json(json.loads(written), np.dtype("float32")), array)
    assert len(written) / len(array) < 18, "float32 must not be written with the digits of a double"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 1)])
def test_shapes(shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    again = array_from_json(json_from_array(array, as_bytes=False), np.dtype("int64"))
    assert again.shape == shape and again.tolist() == array.tolist()


def test_bytes_are_base64_and_text_is_text():
    array = np.array([[b"\x00\xff", b"text"]], object)
    assert json_from_array(array, as_bytes=True) == [[{"b64": "AP8="}, {"b64": "dGV4dA=="}]]
    assert json_from_array(array[:, 1:], as_bytes=False) == [["text"]]
    assert array_from_json([[{"b64": "AP8"}, "text"]], np.dtype(object)).tolist() == array.tolist(), "padding may be left out"
    with pytest.raises(RequestError, match="_bytes"):
        json_from_array(array, as_bytes=False)


def test_a_dtype_without_a_json_form():
    for call in (lambda: array_from_json([1], np.dtype("complex64")), lambda: json_from_array(np.zeros(1, "complex64"), False)):
        with pytest.raises(RequestError, match="ask over gRPC") as refusal:
            call()
        assert refusal.value.http_status == 501
