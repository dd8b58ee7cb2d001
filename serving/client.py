"""Clients of a server that speaks the TF Serving API, ours or the real one: `GrpcClient` and `RestClient`, with the same methods.

`RestClient` needs NumPy only. `GrpcClient` imports TensorFlow (seconds), which the protos of the API are made of.
"""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from serving.answers import SignatureInfo, VersionStatus, signatures_of, statuses_of
from serving.errors import ServerTimeout, ServerUnavailable, ServingError, refused
from serving.json_tensors import array_from_json, json_from_array

Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 30.0
RETRIES = 3
# Before the first retry, and at most; each wait is up to twice the one before, and drawn at random so that clients don't come together.
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0


class Patience:
    """Asks again while a server is not there, as when it starts anew or another takes over. Predictions change nothing, so that is safe.

    Args:
        timeout: seconds for a call with all its retries.
        retries: how often to ask again.
    """

    def __init__(self, timeout: float, retries: int) -> None:
        self.timeout = timeout
        self._retries = retries

    def call(self, ask: Callable[[float], Answer]) -> Answer:
        """What `ask` returns when given the seconds that are left.

        Raises:
            ServingError: the last attempt's; anything but ServerUnavailable at once.
        """
        end = time.monotonic() + self.timeout
        for attempt in range(self._retries):
            try:
                return ask(end - time.monotonic())
            except ServerUnavailable:
                wait = random.uniform(0.5, 1.0) * min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
                if time.monotonic() + wait >= end:
                    raise
                time.sleep(wait)
        return ask(end - time.monotonic())


class RestClient:
    """Asks over REST. A connection per call; may be shared by threads."""

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS, retries: int = RETRIES) -> None:
        """
        Args:
            base_url: e.g. "http://127.0.0.1:8501".
            timeout: seconds for a call with all its retries.
            retries: how often to ask again where no server answers.

        Raises:
            ServingError: that is no such address.
        """
        try:
            parts = urllib.parse.urlsplit(base_url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme != "http":
            raise ServingError(f"expected an address like http://127.0.0.1:8501, received {base_url!r}.")
        self._host, self._port, self._prefix = host, port, parts.path.rstrip("/")
        self._url = base_url
        self._patience = Patience(timeout, retries)

    def predict(
        self, model: str, inputs: Mapping[str, np.ndarray], signature: str = "serving_default", version: int | None = None, label: str = ""
    ) -> dict[str, np.ndarray]:
        """Calls a signature. It asks for the metadata too: JSON has neither dtypes nor the name of a single output.

        Args:
            model: its name.
            inputs: arrays by name; strings as bytes or str, in object, bytes or str arrays.
            signature: its name.
            version: a version; None for the latest.
            label: a version label instead, such as "stable".

        Returns:
            Arrays by name, of the signature's dtypes; strings are object arrays of bytes.

        Raises:
            ServerUnavailable, ServerTimeout: no server answers.
            RequestRefused: it refuses; NotFound and InvalidRequest are such.
        """
        outputs = _signature(self.metadata(model, version, label), model, signature).outputs
        columns = {name: json_from_array(_with_bytes(array), as_bytes=True) for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        answer = self._ask("POST", _path(model, version, label) + ":predict", body)["outputs"]
        if len(outputs) == 1:
            answer = dict.fromkeys(outputs, answer)
        return {name: array_from_json(value, np.dtype(outputs[name].dtype)) for name, value in answer.items()}

    def metadata(self, model: str, version: int | None = None, label: str = "") -> dict[str, SignatureInfo]:
        """The signatures of a version, by name.

        Raises:
            ServerUnavailable, ServerTimeout: no server answers.
            RequestRefused: it refuses; NotFound and InvalidRequest are such.
        """
        return signatures_of(self._ask("GET", _path(model, version, label) + "/metadata")["metadata"]["signature_def"])

    def status(self, model: str) -> list[VersionStatus]:
        """The versions that the server knows of, newest first.

        Raises:
            ServerUnavailable, ServerTimeout: no server answers.
            RequestRefused: it refuses; NotFound and InvalidRequest are such.
        """
        return statuses_of(self._ask("GET", _path(model)))

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        return self._patience.call(lambda seconds: self._ask_once(method, path, body, seconds))

    def _ask_once(self, method: str, path: str, body: str | None, seconds: float) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            connection.request(method, self._prefix + path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except TimeoutError:
            raise ServerTimeout(_silent(self._url, self._patience.timeout)) from None
        except ConnectionRefusedError:
            raise ServerUnavailable(_absent(self._url)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerUnavailable(f"the connection to the model server at {self._url} was lost ({_cause(error)}). {START}") from None
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            said = answer.get("error", answer) if isinstance(answer, dict) else answer
            message = f"the model server at {self._url} refused: {said} ({response.status})."
            if response.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                raise ServerUnavailable(message)
            raise refused(CODES.get(response.status, "UNKNOWN"), message)
        return answer


class GrpcClient:
    """Asks over gRPC, on one connection that threads may share."""

    def __init__(self, address: str, timeout: float = TIMEOUT_SECONDS, retries: int = RETRIES) -> None:
        """
        Args:
            address: e.g. "127.0.0.1:8500".
            timeout: seconds for a call with all its retries.
            retries: how often to ask again where no server answers.
        """
        import grpc
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        self._address = address
        self._patience = Patience(timeout, retries)
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, [*unlimited, ("grpc.enable_http_proxy", 0)])
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self, model: str, inputs: Mapping[str, np.ndarray], signature: str = "serving_default", version: int | None = None, label: str = ""
    ) -> dict[str, np.ndarray]:
        """Calls a signature: see `RestClient.predict`."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        _set_spec(request, model, version, label)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(_with_bytes(array)))
        outputs = self._ask(self._prediction.Predict, request).outputs
        return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}

    def metadata(self, model: str, version: int | None = None, label: str = "") -> dict[str, SignatureInfo]:
        """The signatures of a version: see `RestClient.metadata`."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _set_spec(request, model, version, label)
        response = self._ask(self._prediction.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return signatures_of(_as_json(signatures))

    def status(self, model: str) -> list[VersionStatus]:
        """The versions that the server knows of: see `RestClient.status`."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        _set_spec(request, model)
        return statuses_of(_as_json(self._ask(self._model.GetModelStatus, request)))

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _ask(self, method: Any, request: Any) -> Any:
        return self._patience.call(lambda seconds: self._ask_once(method, request, seconds))

    def _ask_once(self, method: Any, request: Any, seconds: float) -> Any:
        import grpc

        try:
            return method(request, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise ServerUnavailable(_absent(self._address)) from None
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ServerTimeout(_silent(self._address, self._patience.timeout)) from None
            message = f"the model server at {self._address} refused: {error.details()} ({error.code().name})."
            raise refused(error.code().name, message) from None


# What TF Serving's HTTP statuses stand for.
CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 412: "FAILED_PRECONDITION", 413: "RESOURCE_EXHAUSTED", 501: "UNIMPLEMENTED"}
START = "Start one with: darsena serve"


def _absent(address: str) -> str:
    return f"no model server answers at {address}. {START}"


def _silent(address: str, seconds: float) -> str:
    return f"the model server at {address} did not answer within {seconds:g} s: send fewer rows, or allow it more time."


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _path(model: str, version: int | None = None, label: str = "") -> str:
    name, labelled = (urllib.parse.quote(each, safe="") for each in (model, label))
    return f"/v1/models/{name}" + (f"/labels/{labelled}" if label else "" if version is None else f"/versions/{version}")


def _set_spec(request: Any, model: str, version: int | None = None, label: str = "") -> None:
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
        return
    if version is not None:
        request.model_spec.version.value = version


def _with_bytes(values: Any) -> np.ndarray:
    """An array whose strings, if it has any, are bytes in an object array."""
    array = np.asarray(values)
    if array.dtype.kind not in "SUO":
        return array
    result = np.empty(array.size, object)
    for position, value in enumerate(array.ravel().tolist()):
        if not isinstance(value, str | bytes):
            raise ServingError(
                f"expected strings (bytes or str) or an array of numbers, received {value!r} of type {type(value).__name__}."
            )
        result[position] = value.encode() if isinstance(value, str) else value
    return result.reshape(array.shape)


def _as_json(proto: Any) -> dict[str, Any]:
    from google.protobuf import json_format

    result: dict[str, Any] = json_format.MessageToDict(proto, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return result


def _signature(signatures: Mapping[str, SignatureInfo], model: str, name: str) -> SignatureInfo:
    if name not in signatures:
        raise ServingError(f"{model} has no signature {name!r}. It has: {', '.join(sorted(signatures))}.")
    return signatures[name]
