"""What the addresses of TF Serving's RESTful API answer, without HTTP. Imports TensorFlow.

Source: TF Serving's RESTful API documentation; the form of the addresses and the status of failures, its http_rest_api_handler.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format, message
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, input_pb2, predict_pb2, regression_pb2

from serving import inference
from serving.errors import RequestError, invalid
from serving.examples import example_from_json
from serving.grpc_services import metadata_response, status_response
from serving.json_tensors import array_from_json, is_base64, json_from_array, loads
from serving.servable import DEFAULT_SIGNATURE, Servable
from serving.store import ModelStore

Answered = tuple[dict[str, Any], Callable[[], message.Message]]  # the answer, and what makes the same request as gRPC has it
MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
VERB = re.compile(MODEL + r":(?P<verb>classify|regress|predict)")
STATUS = re.compile(MODEL)
METADATA = re.compile(MODEL + r"/metadata")


def get(store: ModelStore, path: str) -> str:
    """Answers a GET: a model's status, or its metadata.

    Raises:
        RequestError: there is nothing at that path.
    """
    if found := METADATA.fullmatch(path):
        return metadata_json(store.find(found["name"], _version(found), found["label"] or ""))
    if found := STATUS.fullmatch(path):
        return _json(status_response(store.states(found["name"], _version(found), found["label"] or "")))
    raise _malformed("GET", path)


def post(store: ModelStore, path: str, body: bytes) -> str:
    """Answers a POST: a prediction, classes or numbers.

    Raises:
        RequestError: there is nothing at that path, or the body is refused.
    """
    found = VERB.fullmatch(path)
    if not found:
        raise _malformed("POST", path)
    with store.metrics.request(found["name"], found["verb"].title(), "REST", store.known):
        servable = store.find(found["name"], _version(found), found["label"] or "")
        try:
            request = loads(body)
        except (ValueError, RecursionError) as error:
            raise invalid(f"JSON Parse error: {error}") from None
        answer, asked = VERBS[found["verb"]](servable, request)
        store.note(servable, asked)
        return json.dumps(answer)


def predict(servable: Servable, request: Any) -> Answered:
    """Answers the body of a :predict.

    Args:
        servable: the version asked.
        request: {"signature_name": …, and "instances": rows or "inputs": columns}.

    Returns:
        {"predictions": rows} or {"outputs": columns}, a single output without its name; and what makes the same request of gRPC.

    Raises:
        RequestError: the request is not of that form, or the model refuses it.
    """
    if not isinstance(request, dict):
        raise invalid("expected a JSON object with 'instances' or 'inputs', received another value")
    if ("instances" in request) == ("inputs" in request):
        both = "both" if "inputs" in request else "neither"
        raise invalid(f"expected exactly one of 'inputs' and 'instances' in the request, received {both}")
    signature = _signature(request)
    try:
        specs = servable.input_specs(signature)
    except RequestError as error:
        raise invalid(str(error)) from None  # over REST, TF Serving answers with 400 here, not with 412
    dtypes = {name: np.dtype(spec.dtype.as_numpy_dtype) for name, spec in specs.items()}
    rows = "instances" in request
    columns = _columns_of_rows(request["instances"], dtypes) if rows else _named(request["inputs"], dtypes)
    inputs = {name: array_from_json(columns[name], dtype) for name, dtype in dtypes.items()}
    outputs = servable.predict(signature, inputs)
    answer = {"predictions": _rows(outputs)} if rows else {"outputs": _unnamed(_values(outputs))}
    return answer, lambda: _predict_request(signature, inputs, specs)


def classify(servable: Servable, request: Any) -> Answered:
    """Answers the body of a :classify, {"signature_name": …, "context": features, "examples": [features, …]}.

    Returns:
        {"results": for each example a list of pairs [class, score]}; and what makes the same request of gRPC.

    Raises:
        RequestError: the request is not of that form, or the model refuses it.
    """
    signature, given = _examples(request)
    result = inference.classifications(servable, signature, inference.serialized_examples(given))
    answer = {"results": [[[one.label, _decimal(one.score)] for one in each.classes] for each in result.classifications]}
    return answer, lambda: classification_pb2.ClassificationRequest(model_spec={"signature_name": signature}, input=given)


def regress(servable: Servable, request: Any) -> Answered:
    """Answers the body of a :regress, which is that of a :classify, with {"results": numbers}.

    Raises:
        RequestError: as `classify`.
    """
    signature, given = _examples(request)
    result = inference.regressions(servable, signature, inference.serialized_examples(given))
    answer = {"results": [_decimal(each.value) for each in result.regressions]}
    return answer, lambda: regression_pb2.RegressionRequest(model_spec={"signature_name": signature}, input=given)


VERBS = {"predict": predict, "classify": classify, "regress": regress}


def metadata_json(servable: Servable) -> str:
    """The metadata as TF Serving writes it: the signature map without the type address of its Any."""
    response = metadata_response(servable)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    spec = {"name": servable.model, "signature_name": "", "version": str(servable.version)}
    return json.dumps({"model_spec": spec, "metadata": {"signature_def": json.loads(_json(signatures))}}, indent=1)


def _signature(request: dict[str, Any]) -> str:
    """The signature that a request names, or the default."""
    signature = request.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise invalid("'signature_name' key must be a string value.")
    return signature or DEFAULT_SIGNATURE


def _predict_request(signature: str, inputs: Mapping[str, np.ndarray], specs: Mapping[str, tf.TensorSpec]) -> predict_pb2.PredictRequest:
    """The same request as gRPC has it."""
    request = predict_pb2.PredictRequest(model_spec={"signature_name": signature})
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array, specs[name].dtype))
    return request


def _examples(request: Any) -> tuple[str, input_pb2.Input]:
    """The signature and the tf.Examples of a request."""
    if not isinstance(request, dict) or not isinstance(request.get("examples"), list):
        raise invalid("expected a JSON object with a list under 'examples', received another value")
    given = input_pb2.Input()
    if "context" in request:
        given.example_list_with_context.context.CopyFrom(example_from_json(request["context"]))
        given.example_list_with_context.examples.extend(map(example_from_json, request["examples"]))
    else:
        given.example_list.examples.extend(map(example_from_json, request["examples"]))
    return _signature(request), given


def _decimal(value: float) -> float:
    """A float32 as the double with its shortest decimals."""
    number: float = json_from_array(np.array(value, np.float32), as_bytes=False)
    return number


def _json(proto: message.Message) -> str:
    return json_format.MessageToJson(proto, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=1)


def _columns_of_rows(rows: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Values by input name from "instances": objects of named values, or the bare values of the only input."""
    if not isinstance(rows, list) or not rows:
        raise invalid("expected 'instances' to be a list of at least one row")
    named = [isinstance(row, dict) and not is_base64(row) for row in rows]
    if not any(named):
        return _named(rows, names)
    for position, row in enumerate(rows):
        if not named[position] or row.keys() != names.keys():
            raise invalid(
                f"Failed to process element: {position} of 'instances' list. Expected an object with the keys: {','.join(sorted(names))}"
            )
    return {name: [row[name] for row in rows] for name in names}


def _named(value: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Values by input name from "inputs": an object of named values, or the bare value of the only input."""
    if isinstance(value, dict) and not is_base64(value):
        if value.keys() != names.keys():
            raise invalid(f"expected the named inputs {','.join(sorted(names))}, received {','.join(sorted(value)) or 'none'}")
        return value
    if len(names) != 1:
        raise invalid(f"expected an object with the keys {','.join(sorted(names))}, received a plain value or list")
    return dict.fromkeys(names, value)


def _values(outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: json_from_array(array, name.endswith("_bytes")) for name, array in outputs.items()}


def _rows(outputs: dict[str, np.ndarray]) -> list[Any]:
    sizes = {name: array.shape[0] if array.ndim else None for name, array in outputs.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        raise invalid(f"the outputs have inconsistent batch sizes, {sizes}: ask in column format, under 'inputs'")
    values = _values(outputs)
    if len(values) == 1:
        (only,) = values.values()
        return list(only)
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _unnamed(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _version(found: re.Match[str]) -> int | None:
    if found["version"] is None:
        return None
    if int(found["version"]) >= 2**63:
        raise invalid(f"Failed to convert version: {found['version']} to numeric.")
    return int(found["version"])


def _malformed(method: str, path: str) -> RequestError:
    if path.startswith("/v1/"):
        return invalid(f"Malformed request: {method} {path}")
    return RequestError("NOT_FOUND", f"Not Found: {path}. The API is under /v1/models/MODEL")
