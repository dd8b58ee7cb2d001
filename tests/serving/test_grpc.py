"""The gRPC services as a client of the real TF Serving calls them: the official stubs, codes and fields."""

from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests import tiny_model
from tests.serving.conftest import MAX_BYTES
from tests.serving.exported import NAME, SENSOR, SIGNAL

SPEC = {"name": NAME}


@pytest.fixture(scope="module")
def stubs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield SimpleNamespace(
            prediction=prediction_service_pb2_grpc.PredictionServiceStub(channel), model=model_service_pb2_grpc.ModelServiceStub(channel)
        )


def predict_request(spec: dict, **inputs) -> predict_pb2.PredictRequest:
    return predict_pb2.PredictRequest(model_spec=spec, inputs={name: tf.make_tensor_proto(array) for name, array in inputs.items()})


def code(method, request) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refusal:
        method(request, timeout=30)
    return refusal.value.code()


def test_the_answer_names_its_version_and_signature_and_uses_float_val(stubs, exported):
    images = tiny_model.images(2)
    answer = stubs.prediction.Predict(predict_request(SPEC, image=images))
    assert (answer.model_spec.name, answer.model_spec.version.value, answer.model_spec.signature_name) == (NAME, 1, "serving_default")
    proto = answer.outputs["probabilities"]
    assert proto.dtype == types_pb2.DT_FLOAT and [dim.size for dim in proto.tensor_shape.dim] == [2, 3]
    np.testing.assert_allclose(proto.float_val, exported.answer(1, images).ravel(), atol=1e-6)


def test_values_in_either_field_of_a_tensor(stubs, exported):
    images = tiny_model.images(2)
    listed = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_UINT8, int_val=images.ravel().tolist(), tensor_shape=tf.TensorShape([2, 4, 4]).as_proto()
    )
    packed = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_UINT8, tensor_content=images.tobytes(), tensor_shape=tf.TensorShape([2, 4, 4]).as_proto()
    )
    answers = [stubs.prediction.Predict(predict_pb2.PredictRequest(model_spec=SPEC, inputs={"image": one})) for one in (listed, packed)]
    assert answers[0] == answers[1]


def test_output_filter(stubs):
    inputs = {"tag": ["a", "b"], "signal": np.array(SIGNAL, np.int32), "sensor": np.array(SENSOR, np.float32)}
    request = predict_request({"name": "sensors"}, **inputs)
    assert len(stubs.prediction.Predict(request).outputs) == 6
    request.output_filter.extend(["total", "high"])
    outputs = stubs.prediction.Predict(request).outputs
    assert outputs.keys() == {"total", "high"} and list(outputs["total"].int64_val) == [15, 15]
    request.output_filter.append("absent")
    assert code(stubs.prediction.Predict, request) == grpc.StatusCode.INVALID_ARGUMENT
    request.output_filter[:] = ["total", "total"]
    assert code(stubs.prediction.Predict, request) == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"name": "absent"}, "NOT_FOUND"),
        ({"name": NAME, "version": {"value": 2}}, "NOT_FOUND"),
        ({"name": NAME, "version": {"value": -1}}, "NOT_FOUND"),
        ({"name": "../tiny"}, "NOT_FOUND"),
        ({"name": NAME, "version_label": "stable"}, "INVALID_ARGUMENT"),
        ({"name": ""}, "INVALID_ARGUMENT"),
        ({"name": NAME, "signature_name": "absent"}, "FAILED_PRECONDITION"),  # as predict_util.cc of the real server
    ],
)
def test_codes_of_what_is_not_served(stubs, spec, expected):
    request = predict_request(spec, image=tiny_model.images(1))
    assert code(stubs.prediction.Predict, request) == grpc.StatusCode[expected]


def tensor(dtype: int, sizes: list[int], **fields) -> tensor_pb2.TensorProto:
    shape = {"dim": [{"size": size} for size in sizes]}
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape, **fields)


@pytest.mark.parametrize(
    "proto",
    [
        tensor(types_pb2.DT_FLOAT, [1, 4, 4], float_val=[0.0] * 16),
        tensor(types_pb2.DT_INVALID, [1, 4, 4]),
        tensor(77, [1, 4, 4]),
        tensor(types_pb2.DT_UINT8, [1, 4, 4], tensor_content=b"short"),
        tensor(types_pb2.DT_UINT8, [1, 4, 4], int_val=[0] * 17),
        tensor(types_pb2.DT_UINT8, [1, 4, 4], int_val=[256] * 16),
        tensor(types_pb2.DT_UINT8, [1, -4, -4], int_val=[0] * 16),
        tensor(types_pb2.DT_UINT8, [2**40, 4, 4], int_val=[0]),
        tensor(types_pb2.DT_UINT8, [2**62, 2**62, 4], int_val=[0]),
        tensor_pb2.TensorProto(dtype=types_pb2.DT_UINT8, tensor_shape={"unknown_rank": True}, int_val=[0]),
        tensor_pb2.TensorProto(),
    ],
    ids=lambda proto: str(proto).replace("\n", " ")[:60],
)
def test_tensors_that_are_wrong(stubs, proto):
    request = predict_pb2.PredictRequest(model_spec=SPEC, inputs={"image": proto})
    assert code(stubs.prediction.Predict, request) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_over_the_limit(stubs):
    request = predict_request(SPEC, image=np.zeros((MAX_BYTES // 16 + 1, 4, 4), np.uint8))
    assert code(stubs.prediction.Predict, request) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_metadata_is_the_saved_models_own(stubs, exported):
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=SPEC, metadata_field=["signature_def"])
    answer = stubs.prediction.GetModelMetadata(request)
    assert answer.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    definition = signatures.signature_def["serving_default"]
    assert definition.method_name == "tensorflow/serving/predict"
    assert definition.inputs["image"].dtype == types_pb2.DT_UINT8
    assert [dim.size for dim in definition.outputs["probabilities"].tensor_shape.dim] == [-1, 3]
    for fields in ([], ["weights"]):
        wrong = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=SPEC, metadata_field=fields)
        assert code(stubs.prediction.GetModelMetadata, wrong) == grpc.StatusCode.INVALID_ARGUMENT


def test_status(stubs):
    answer = stubs.model.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(model_spec=SPEC))
    (status,) = answer.model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0)
    for spec in ({"name": "absent"}, {"name": NAME, "version": {"value": 9}}):
        assert code(stubs.model.GetModelStatus, get_model_status_pb2.GetModelStatusRequest(model_spec=spec)) == grpc.StatusCode.NOT_FOUND


def test_health(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        found = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert found.status == health_pb2.HealthCheckResponse.SERVING
