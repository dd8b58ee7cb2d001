"""Arrays to and from TensorProto, as TF Serving reads and writes them. Imports TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.errors import invalid

# TF Serving answers in these fields rather than in `tensor_content`, and clients read them by name.
FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int8: "int_val",
    tf.int16: "int_val",
    tf.int32: "int_val",
    tf.uint8: "int_val",
    tf.uint16: "int_val",
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    tf.string: "string_val",
}


def array_from_proto(proto: tensor_pb2.TensorProto, spec: tf.TensorSpec, max_bytes: int) -> np.ndarray:
    """The array that a request carries.

    Args:
        proto: from an untrusted request.
        spec: what the signature takes.
        max_bytes: at most how large the array may be; one value may stand for a tensor of any shape, so that a small message
            could otherwise fill the memory.

    Raises:
        RequestError: the proto has another dtype, is larger, or its content does not fit its shape.
    """
    if proto.dtype != spec.dtype.as_datatype_enum:
        received = types_pb2.DataType.Name(proto.dtype) if proto.dtype in types_pb2.DataType.values() else proto.dtype
        raise invalid(f"input {spec.name}: expected dtype {types_pb2.DataType.Name(spec.dtype.as_datatype_enum)}, received {received}")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f"input {spec.name}: expected a tensor of known shape, received {sizes}")
    if math.prod(sizes) * np.dtype(spec.dtype.as_numpy_dtype).itemsize > max_bytes:
        raise invalid(f"input {spec.name}: expected at most {max_bytes} bytes, received the shape {sizes}")
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid(f"input {spec.name}: its content does not fit its shape {sizes}: {error}") from None


def proto_from_array(array: np.ndarray, dtype: tf.DType) -> tensor_pb2.TensorProto:
    """An answer's tensor, of the given dtype."""
    field = FIELDS.get(dtype)
    if field is None:
        return tf.make_tensor_proto(array, dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.ravel().tolist())
    return proto
