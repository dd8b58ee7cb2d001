"""One loaded version of a model: its signatures and how they are called. Imports TensorFlow."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving import operations
from serving.batching import Batcher, Batching, Call
from serving.errors import RequestError, invalid
from serving.tensors import array_from_proto, proto_from_array

log = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"

# What loading a damaged or foreign SavedModel was seen to raise, or may.
LOAD_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    AssertionError,
    MemoryError,
    message.DecodeError,
    tf.errors.OpError,
)


class Servable:
    """A version that can answer. Requests in flight hold it; it is freed when the last one lets go.

    Attributes:
        model: its name.
        version: its number.
        definitions: the signatures as the SavedModel's own protos, by name.
    """

    def __init__(self, model: str, version: int, folder: Path, max_bytes: int, batching: Batching | None = None) -> None:
        """Loads a SavedModel, unless it could do more than calculate, and sends it its own warm-up requests.

        Args:
            model: its name.
            version: its number.
            folder: of the SavedModel.
            max_bytes: at most how large an input tensor may be.
            batching: how requests that come at the same time are put together; None for not at all.

        Raises:
            LOAD_ERRORS: it cannot be loaded, or has an operation that is not allowed (see `operations`).
        """
        self.model = model
        self.version = version
        self._max_bytes = max_bytes
        self.definitions = _signature_definitions(folder)
        self._root = tf.saved_model.load(str(folder))  # the signatures alone do not keep the variables alive
        self._signatures = dict(self._root.signatures)
        self._specs = {name: dict(function.structured_input_signature[1]) for name, function in self._signatures.items()}
        self._output_dtypes = {  # kept, as asking a function for its outputs costs as much as a small model
            name: {output: tensor.dtype for output, tensor in function.structured_outputs.items()}
            for name, function in self._signatures.items()
        }
        self._calls: dict[str, Call] = {
            name: functools.partial(_call, self._signatures[name], specs) for name, specs in self._specs.items()
        }
        if batching:
            batchable = [name for name, function in self._signatures.items() if _takes_any_number_of_rows(function)]
            self._calls |= {name: Batcher(self._calls[name], batching) for name in batchable}
        self._warm_up(folder / WARM_UP_FILE)

    def input_specs(self, signature: str) -> Mapping[str, tf.TensorSpec]:
        """Dtypes and shapes that a signature takes, by name.

        Raises:
            RequestError: there is no such signature; the code is the one TF Serving answers with.
        """
        if signature not in self._specs:
            known = ", ".join(sorted(self._specs))
            raise RequestError("FAILED_PRECONDITION", f'Serving signature key "{signature}" not found. Signatures: {known}.')
        return self._specs[signature]

    def answer(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Answers a Predict request that is meant for this version.

        Raises:
            RequestError: as `predict`, or a tensor cannot be read.
        """
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        specs = self.input_specs(signature)
        _check_names(specs, request.inputs)
        inputs = {name: array_from_proto(proto, specs[name], self._max_bytes) for name, proto in request.inputs.items()}
        outputs = self.predict(signature, inputs, request.output_filter)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.model
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = signature
        dtypes = self._output_dtypes[signature]
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(proto_from_array(array, dtypes[name]))
        return response

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: its name.
            inputs: arrays by name, of the dtypes of the signature; strings are object arrays of bytes.
            output_filter: names of the outputs wanted; all of them if empty.

        Returns:
            Arrays by name.

        Raises:
            RequestError: there is no such signature, input or output, a shape is wrong, or the model itself refuses the values.
        """
        specs = self.input_specs(signature)
        _check_names(specs, inputs)
        for name, array in inputs.items():
            if not specs[name].shape.is_compatible_with(array.shape):
                raise invalid(f"input {name}: expected shape {_shape(specs[name].shape)}, received {_shape(array.shape)}")
        _check_filter(output_filter, self._output_dtypes[signature])
        outputs = self._calls[signature](inputs)
        return {name: array for name, array in outputs.items() if not output_filter or name in output_filter}

    def _warm_up(self, path: Path) -> None:
        """Sends the version the requests recorded in its `assets.extra`, so that the first user does not wait; failures are logged."""
        if not path.is_file():
            return
        answered = 0
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                entry = prediction_log_pb2.PredictionLog.FromString(record)
                if entry.WhichOneof("log_type") != "predict_log":
                    raise invalid(f"expected predict_log, received {entry.WhichOneof('log_type')}")
                self.answer(entry.predict_log.request)
                answered += 1
        except (RequestError, message.DecodeError, tf.errors.OpError) as error:
            log.warning("%s version %d: warm-up request %d of %s failed: %s", self.model, self.version, answered + 1, path, error)
        else:
            log.info("%s version %d: answered %d warm-up requests", self.model, self.version, answered)


def _call(function: Any, specs: Mapping[str, tf.TensorSpec], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays through a signature.

    Raises:
        RequestError: the model refuses the values.
    """
    try:
        outputs = function(**{name: tf.constant(array, specs[name].dtype) for name, array in inputs.items()})
    except tf.errors.OpError as error:
        raise RequestError(code_name(error), one_line(error.message)) from error
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _takes_any_number_of_rows(function: Any) -> bool:
    """Whether the first dimension of every input and output of a signature is free."""
    specs = function.structured_input_signature[1].values()
    return all(tensor.shape.rank and tensor.shape[0] is None for tensor in (*specs, *function.structured_outputs.values()))


def _signature_definitions(folder: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The SignatureDefs of the graph for serving, as they are in saved_model.pb.

    Raises:
        ValueError: the file has no graph tagged for serving, or does what `operations.checked` refuses.
    """
    for graph in operations.checked(folder).meta_graphs:
        if tf.saved_model.SERVING in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise ValueError(f"expected a graph with the tag {tf.saved_model.SERVING!r} in {folder / 'saved_model.pb'}, found none")


def _check_names(specs: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Inputs must be those of the signature; worded as TF Serving does."""
    if specs.keys() != inputs.keys():
        extra, missing = (",".join(sorted(names)) for names in (inputs.keys() - specs.keys(), specs.keys() - inputs.keys()))
        sent, taken = (",".join(sorted(names)) for names in (inputs, specs))
        raise invalid(
            f"input size does not match signature: {len(inputs)}!={len(specs)} len({{{sent}}}) != len({{{taken}}}). "
            f"Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )


def _check_filter(wanted: Sequence[str], outputs: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in outputs:
            known = ",".join(sorted(outputs))
            raise invalid(f"output tensor alias not found in signature: {name} Outputs expected to be in the set {{{known}}}.")
    if len(set(wanted)) != len(wanted):
        raise invalid(f"duplicate output tensor alias: {','.join(wanted)}")


def _shape(shape: Any) -> str:
    """A shape with ? for what is free."""
    if isinstance(shape, tf.TensorShape) and shape.rank is None:
        return "[…]"
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def code_name(error: tf.errors.OpError) -> str:
    """Name of the gRPC status of a TensorFlow error; both count the same codes."""
    names = {code: name.removesuffix("_CODE") for name, code in vars(tf.errors).items() if isinstance(code, int)}
    return names.get(error.error_code, "INTERNAL")


def one_line(text: str) -> str:
    """A message of TensorFlow, which may be pages long, as one line of readable length without the names of its graph nodes."""
    return " ".join(re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*?\]", "", text).split())[:1000]
