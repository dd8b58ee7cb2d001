"""PredictionService and ModelService over a ModelStore. Imports TensorFlow.

`prediction_service_pb2` and `model_service_pb2` of tensorflow-serving-api do not import under protobuf 6; the `_pb2_grpc` modules do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    status_pb2,
)

from serving.errors import RequestError, invalid
from serving.model import VersionState
from serving.servable import Servable
from serving.store import ModelStore


def register(server: grpc.Server, store: ModelStore) -> None:
    """Adds both services to a server."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(store), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(store), server)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other methods answer UNIMPLEMENTED."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> predict_pb2.PredictResponse:
        """Calls a signature of the latest version, or of the one asked for."""
        with _refusals(context):
            return _find(self._store, request).answer(request)

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version, under "signature_def"."""
        with _refusals(context):
            if list(request.metadata_field) != ["signature_def"]:
                fields = ", ".join(request.metadata_field) or "none"
                raise invalid(f"expected metadata_field to be signature_def, the only one there is, received {fields}")
            return metadata_response(_find(self._store, request))

    def Classify(self, request: Any, context: grpc.ServicerContext) -> None:
        """Not here."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server has no Classify: call Predict with the signature you need")

    def Regress(self, request: Any, context: grpc.ServicerContext) -> None:
        """Not here."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server has no Regress: call Predict with the signature you need")

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> None:
        """Not here."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server has no MultiInference: call Predict once per signature")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; what is served follows the folders, so that there is no configuration to reload."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """States of all versions of a model, or of the one asked for."""
        with _refusals(context):
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            return status_response(self._store.states(request.model_spec.name, _version(request.model_spec)))

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> None:
        """Not here."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server has no configuration to reload: it follows the folders it was started on")


def status_response(states: dict[int, VersionState]) -> get_model_status_pb2.GetModelStatusResponse:
    """States by version as TF Serving's message, in the same order."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for version, state in states.items():
        response.model_version_status.add(
            version=version,
            state=get_model_status_pb2.ModelVersionStatus.State.Value(state.state),
            status=status_pb2.StatusProto(error_code=state.error_code, error_message=state.error),
        )
    return response


def metadata_response(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Signatures of a version as TF Serving's message."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.definitions.items():
        signatures.signature_def[name].CopyFrom(definition)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.model
    response.model_spec.version.value = servable.version
    response.metadata["signature_def"].Pack(signatures)
    return response


@contextlib.contextmanager
def _refusals(context: grpc.ServicerContext) -> Iterator[None]:
    """Answers a request that is refused with the status of the refusal."""
    try:
        yield
    except RequestError as error:
        context.abort(grpc.StatusCode[error.code], str(error))


def _find(store: ModelStore, request: Any) -> Servable:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return store.find(request.model_spec.name, _version(request.model_spec), request.model_spec.version_label)


def _version(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None
