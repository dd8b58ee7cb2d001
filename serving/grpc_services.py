"""PredictionService and ModelService over a ModelStore. Imports TensorFlow.

`prediction_service_pb2` and `model_service_pb2` of tensorflow-serving-api do not import under protobuf 6; the `_pb2_grpc` modules do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
    status_pb2,
)

from serving import inference
from serving.errors import RequestError, invalid
from serving.model import VersionState
from serving.servable import Servable
from serving.store import ModelStore


def register(server: grpc.Server, store: ModelStore) -> HealthServicer:
    """Adds the services to a server: TF Serving's two, and gRPC's own of health, which says SERVING until the server goes.

    Returns:
        The service of health.
    """
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(store), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(store), server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    health.set("", health_pb2.HealthCheckResponse.SERVING)
    return health


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata, of the latest version or of the one asked for."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> predict_pb2.PredictResponse:
        """Calls a signature."""
        with _answering(self._store, context, "Predict", request.model_spec.name):
            servable = _find(self._store, request)
            response = servable.answer(request)
            self._store.note(servable, lambda: request)
            return response

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version, under "signature_def"."""
        with _answering(self._store, context, "GetModelMetadata", request.model_spec.name):
            if list(request.metadata_field) != ["signature_def"]:
                fields = ", ".join(request.metadata_field) or "none"
                raise invalid(f"expected metadata_field to be signature_def, the only one there is, received {fields}")
            return metadata_response(_find(self._store, request))

    def Classify(
        self, request: classification_pb2.ClassificationRequest, context: grpc.ServicerContext
    ) -> classification_pb2.ClassificationResponse:
        """Classes of tf.Examples."""
        with _answering(self._store, context, "Classify", request.model_spec.name):
            servable = _find(self._store, request)
            response = inference.classify(servable, request)
            self._store.note(servable, lambda: request)
            return response

    def Regress(self, request: regression_pb2.RegressionRequest, context: grpc.ServicerContext) -> regression_pb2.RegressionResponse:
        """A number for each tf.Example."""
        with _answering(self._store, context, "Regress", request.model_spec.name):
            servable = _find(self._store, request)
            response = inference.regress(servable, request)
            self._store.note(servable, lambda: request)
            return response

    def MultiInference(
        self, request: inference_pb2.MultiInferenceRequest, context: grpc.ServicerContext
    ) -> inference_pb2.MultiInferenceResponse:
        """Several of both, of the same tf.Examples."""
        with _answering(self._store, context, "MultiInference", request.tasks[0].model_spec.name if request.tasks else ""):
            spec = inference.check_tasks(request)
            return inference.multi_inference(self._store.find(spec.name, _version(spec), spec.version_label), request)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """States of all versions of a model, or of the one asked for."""
        with _answering(self._store, context, "GetModelStatus", request.model_spec.name):
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            return status_response(
                self._store.states(request.model_spec.name, _version(request.model_spec), request.model_spec.version_label)
            )

    def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Serves what the request's configuration says, and nothing else, from now on; answers when it is served."""
        with _answering(self._store, context, "HandleReloadConfigRequest", ""):
            self._store.configure(request.config)
            return model_management_pb2.ReloadConfigResponse(status=status_pb2.StatusProto())


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
def _answering(store: ModelStore, context: grpc.ServicerContext, api: str, model: str) -> Iterator[None]:
    """Counts a request, and answers one that is refused with the status of the refusal."""
    try:
        with store.metrics.request(model, api, "GRPC", store.known):
            yield
    except RequestError as error:
        context.abort(grpc.StatusCode[error.code], str(error))


def _find(store: ModelStore, request: Any) -> Servable:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return store.find(request.model_spec.name, _version(request.model_spec), request.model_spec.version_label)


def _version(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None
