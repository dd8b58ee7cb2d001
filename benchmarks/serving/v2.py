"""Requests and answers of the open inference protocol, which KServe and MLServer speak.

The messages are made of the fields that are used here; numbers and names are those of the protocol's `grpc_service.proto`.
"""

from __future__ import annotations

import json

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "/inference.GRPCInferenceService/ModelInfer"

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES = {
    "Contents": [("fp32_contents", 6, _FIELD.TYPE_FLOAT, True)],
    "Tensor": [
        ("name", 1, _FIELD.TYPE_STRING, False),
        ("datatype", 2, _FIELD.TYPE_STRING, False),
        ("shape", 3, _FIELD.TYPE_INT64, True),
        ("contents", 5, "Contents", False),
    ],
    "Request": [
        ("model_name", 1, _FIELD.TYPE_STRING, False),
        ("inputs", 5, "Tensor", True),
        ("raw_input_contents", 7, _FIELD.TYPE_BYTES, True),
    ],
    "Response": [("outputs", 5, "Tensor", True), ("raw_output_contents", 6, _FIELD.TYPE_BYTES, True)],
}


def grpc_request(model: str, name: str, array: np.ndarray) -> bytes:
    """A serialized ModelInferRequest with one uint8 tensor."""
    request = _message("Request")(model_name=model, raw_input_contents=[array.tobytes()])
    request.inputs.add(name=name, datatype="UINT8", shape=array.shape)
    return bytes(request.SerializeToString())


def grpc_answer(answer: bytes) -> np.ndarray:
    """The one float32 tensor of a serialized ModelInferResponse."""
    response = _message("Response").FromString(answer)
    (output,) = response.outputs
    raw = response.raw_output_contents
    values = np.frombuffer(raw[0], np.float32) if raw else np.array(output.contents.fp32_contents, np.float32)
    return values.reshape(output.shape)


def rest_request(name: str, array: np.ndarray) -> bytes:
    """The same request as JSON."""
    tensor = {"name": name, "shape": array.shape, "datatype": "UINT8", "data": array.ravel().tolist()}
    return json.dumps({"inputs": [tensor]}).encode()


def rest_answer(answer: bytes) -> np.ndarray:
    """The same answer from JSON."""
    (output,) = json.loads(answer)["outputs"]
    return np.array(output["data"], np.float32).reshape(output["shape"])


def _message(name: str) -> type:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"inference.{name}"))


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package="inference", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            described = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                described.type, described.type_name = _FIELD.TYPE_MESSAGE, f".inference.{kind}"
            else:
                described.type = kind
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())
