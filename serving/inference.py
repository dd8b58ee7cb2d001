"""Classify, Regress and MultiInference: answers to tf.Examples, checked as TF Serving checks them. Imports TensorFlow.

TensorFlow 2 writes every signature with the method name of Predict. As the real server does unless it is told to look at method names
(`--enable_signature_method_name_check`), any signature is taken that has the inputs and outputs: `inputs`, and `classes` or `scores`
or both, or `outputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, model_pb2, regression_pb2

from serving.errors import RequestError, invalid
from serving.servable import DEFAULT_SIGNATURE, Servable

INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"
CLASSIFY_METHOD, REGRESS_METHOD = "tensorflow/serving/classify", "tensorflow/serving/regress"


def classify(servable: Servable, request: classification_pb2.ClassificationRequest) -> classification_pb2.ClassificationResponse:
    """Answers a Classify request that is meant for this version.

    Raises:
        RequestError: there is no such signature, it is none of a classifier, or the model refuses the examples.
    """
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    result = classifications(servable, signature, serialized_examples(request.input))
    return classification_pb2.ClassificationResponse(result=result, model_spec=spec_of(servable, signature))


def regress(servable: Servable, request: regression_pb2.RegressionRequest) -> regression_pb2.RegressionResponse:
    """Answers a Regress request that is meant for this version.

    Raises:
        RequestError: there is no such signature, it is none of a regressor, or the model refuses the examples.
    """
    signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
    result = regressions(servable, signature, serialized_examples(request.input))
    return regression_pb2.RegressionResponse(result=result, model_spec=spec_of(servable, signature))


def check_tasks(request: inference_pb2.MultiInferenceRequest) -> model_pb2.ModelSpec:
    """The model that all tasks of a MultiInference request ask.

    Raises:
        RequestError: there are no tasks, or of several models, or two of one signature.
    """
    if not request.tasks:
        raise invalid("Inference request must have at least one task.")
    signatures = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in request.tasks]
    for position, (task, signature) in enumerate(zip(request.tasks, signatures, strict=True)):
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        if signature in signatures[:position]:
            raise invalid(f"Duplicate evaluation of signature: {signature}")
        if task.method_name not in (CLASSIFY_METHOD, REGRESS_METHOD):
            raise RequestError("UNIMPLEMENTED", f"Unsupported signature method_name: {task.method_name}")
    return request.tasks[0].model_spec


def multi_inference(servable: Servable, request: inference_pb2.MultiInferenceRequest) -> inference_pb2.MultiInferenceResponse:
    """Answers a MultiInference request whose tasks are checked and meant for this version: the same examples to several signatures.

    Raises:
        RequestError: as `classify` and `regress`.
    """
    examples = serialized_examples(request.input)
    response = inference_pb2.MultiInferenceResponse()
    for task in request.tasks:
        signature = task.model_spec.signature_name or DEFAULT_SIGNATURE
        result = response.results.add(model_spec=spec_of(servable, signature))
        if task.method_name == CLASSIFY_METHOD:
            result.classification_result.CopyFrom(classifications(servable, signature, examples))
        else:
            result.regression_result.CopyFrom(regressions(servable, signature, examples))
    return response


def serialized_examples(given: input_pb2.Input) -> list[bytes]:
    """The serialized tf.Examples of a request, each with the features of its context, if there is one, that it lacks itself.

    Raises:
        RequestError: there are none.
    """
    if given.WhichOneof("kind") == "example_list_with_context":
        # One message after the other is their merger, in which the later one's features go first.
        context = given.example_list_with_context.context.SerializeToString()
        found = [context + example.SerializeToString() for example in given.example_list_with_context.examples]
    else:
        found = [example.SerializeToString() for example in given.example_list.examples]
    if not found:
        raise invalid("Input is empty.")
    return found


def classifications(servable: Servable, signature: str, examples: Sequence[bytes]) -> classification_pb2.ClassificationResult:
    """Classes of examples with their scores, in the order that the signature has them."""
    definition = definition_of(servable, signature)
    if len(definition.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    known = [name for name in (CLASSES, SCORES) if name in definition.outputs]
    if not known:
        raise unfit(f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}"', definition, servable)
    answers = ask(servable, signature, definition, "classification", examples)
    columns = {name: checked_matrix(name, answers[name], len(examples)) for name in known}
    sizes = {name: column.shape[1] for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {sizes[CLASSES]} vs. {sizes[SCORES]}")
    result = classification_pb2.ClassificationResult()
    for row in range(len(examples)):
        labels = columns[CLASSES][row].tolist() if CLASSES in columns else [b""] * sizes[SCORES]
        scores = columns[SCORES][row].tolist() if SCORES in columns else [0.0] * sizes[CLASSES]
        one = result.classifications.add()
        for label, score in zip(labels, scores, strict=True):
            one.classes.add(label=text(label), score=score)
    return result


def regressions(servable: Servable, signature: str, examples: Sequence[bytes]) -> regression_pb2.RegressionResult:
    """A number for each example."""
    definition = definition_of(servable, signature)
    if len(definition.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if OUTPUTS not in definition.outputs:
        raise unfit("No regression outputs found in SignatureDef", definition, servable)
    values = ask(servable, signature, definition, "regression", examples)[OUTPUTS]
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
        raise invalid(f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {list(values.shape)}")
    if len(values) != len(examples):
        raise invalid(f"Input batch size did not match output batch size: {len(examples)} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT. Got: {values.dtype}")
    return regression_pb2.RegressionResult(regressions=[regression_pb2.Regression(value=value) for value in values.ravel().tolist()])


def definition_of(servable: Servable, signature: str) -> Any:
    """The SignatureDef of a signature.

    Raises:
        RequestError: there is none.
    """
    if signature not in servable.definitions:
        known = ", ".join(sorted(name for name in servable.definitions if not name.startswith("__")))
        raise invalid(f"No signature was found with the name: {signature}. Signatures: {known}.")
    return servable.definitions[signature]


def ask(servable: Servable, signature: str, definition: Any, kind: str, examples: Sequence[bytes]) -> Mapping[str, np.ndarray]:
    """A signature's outputs to serialized tf.Examples.

    Raises:
        RequestError: it takes something else, or refuses the examples.
    """
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if INPUTS not in definition.inputs:
        raise unfit(f"No {kind} inputs found in SignatureDef", definition, servable)
    if definition.inputs[INPUTS].dtype != tf.string.as_datatype_enum:
        raise invalid(f"Expected the input {INPUTS} to take serialized tf.Examples, DT_STRING.")
    return servable.predict(signature, {INPUTS: np.array(examples, object)})


def checked_matrix(name: str, values: np.ndarray, rows: int) -> np.ndarray:
    """Classes or scores as they must be: strings or floats, [rows, classes].

    Raises:
        RequestError: they are not.
    """
    if values.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {list(values.shape)}")
    dtype, word = (np.dtype(object), "DT_STRING") if name == CLASSES else (np.dtype(np.float32), "DT_FLOAT")
    if values.dtype != dtype:
        raise invalid(f"Expected {name} Tensor of {word}. Got: {values.dtype}")
    if len(values) != rows:
        raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(values)}")
    return values


def unfit(what: str, definition: Any, servable: Servable) -> RequestError:
    """A signature without what the method needs; says which may have it."""
    fit = sorted(name for name, other in servable.definitions.items() if INPUTS in other.inputs) or ["none"]
    taken, given = (", ".join(sorted(names)) for names in (definition.inputs, definition.outputs))
    return RequestError(
        "FAILED_PRECONDITION", f"{what}: it takes {taken} and gives {given}. Signatures that take {INPUTS}: {', '.join(fit)}."
    )


def text(label: bytes) -> str:
    """The name of a class.

    Raises:
        RequestError: it is not UTF-8, which the message's field must be.
    """
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise invalid(f"Expected names of classes in UTF-8, received {label!r}") from None


def spec_of(servable: Servable, signature: str) -> model_pb2.ModelSpec:
    """Who answered."""
    return model_pb2.ModelSpec(name=servable.model, version={"value": servable.version}, signature_name=signature)
