"""The SavedModel of a trained model: signatures that all run the Transform graph (docs/architecture.md).

    serving_default   serialized tf.Examples of raw features               -> the model's output
    raw               named dense tensors, the raw features a client has   -> the same
    decode            serialized tf.Examples of raw features               -> the inputs of raw
    transform         serialized tf.Examples of raw features               -> the inputs of model
    model             the model's own inputs, transformed features         -> the model's output
    classify          serialized tf.Examples, as TF Serving's Classify     -> names of all classes, and their probabilities
                      sends them (where the classes have names)
    regress           serialized tf.Examples, as TF Serving's Regress      -> the predictions
                      sends them (where the model predicts one number)
    top_classes       the inputs of raw                                    -> names of the likeliest classes, and their probabilities
                                                                              (where several classes have names)

Exported with `keras.export.ExportArchive`: `tf.saved_model.save` of a Keras 3 model loads in Python but not in TF Serving.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from trainer_modules.common.serving_transform import OwnInputs, ServingTransform, Tensors

TOP_CLASSES = 5
SENT = [tf.TensorSpec([None], tf.string, name="inputs")]  # tf.Examples, by the name that TF Serving's Classify and Regress give them


Serving = ServingTransform | OwnInputs
# From a model, what serves it and the names of its classes to signatures by name, each traced (see `named`).
Endpoints = Callable[[keras.Model, Serving, Sequence[str]], Mapping[str, tf.types.experimental.PolymorphicFunction]]


def export(
    model: keras.Model,
    serving: Serving,
    folder: Path | str,
    class_names: Sequence[str] = (),
    endpoints: Endpoints | None = None,
    regression: bool = False,
) -> None:
    """Writes the SavedModel.

    Args:
        model: a functional model whose inputs are a dict of transformed features; see `answers`.
        serving: the Transform graph for serving.
        folder: to write into.
        class_names: in the order of the model's outputs, if they are probabilities of several classes; of two, the second's may be
            its only output.
        endpoints: further signatures.
        regression: whether the model's one output, [N, 1], is a predicted number.
    """
    inputs = {tensor.name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in model.inputs}

    def ask(features: Tensors) -> dict[str, tf.Tensor]:
        return answers(model, features)

    def answer(decoded: Tensors) -> dict[str, tf.Tensor]:
        return ask(serving.transform(decoded))

    def decode(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return serving.decode(serving.parse(examples))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(serving.loaded)
    examples = [tf.TensorSpec([None], tf.string, name="examples")]
    archive.add_endpoint("serving_default", lambda examples: answer(decode(examples)), input_signature=examples)
    archive.add_endpoint("raw", named(answer, serving.signature))
    archive.add_endpoint("decode", lambda examples: renamed(decode(examples)), input_signature=examples)
    archive.add_endpoint(
        "transform", lambda examples: renamed(select(model, serving.transform(decode(examples)))), input_signature=examples
    )
    archive.add_endpoint("model", named(ask, inputs))
    size = model.outputs[0].shape[-1] if len(model.outputs) == 1 else 0
    further = dict(endpoints(model, serving, class_names)) if endpoints else {}
    if class_names and size in (1, len(class_names)):
        further |= answers_with_names(answer, decode, serving, class_names, size)
    if regression and size == 1:
        further["regress"] = tf.function(lambda inputs: {"outputs": next(iter(answer(decode(inputs)).values()))}, input_signature=SENT)
    for name, function in further.items():
        archive.add_endpoint(name, function)
    archive.write_out(str(folder), verbose=False)


def answers_with_names(
    answer: Callable[[Tensors], dict[str, tf.Tensor]],
    decode: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    serving: Serving,
    class_names: Sequence[str],
    size: int,
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """The signatures `classify` and, of several probabilities, `top_classes`.

    Args:
        answer: the model's one output, from what a client sends.
        decode: tf.Examples to what a client sends.
        serving: the Transform graph for serving.
        class_names: in the order of the outputs; of two, the second's may be the only output.
        size: how many outputs there are.
    """

    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        (scores,) = answer(decode(inputs)).values()
        if size == 1:
            scores = tf.concat([1 - scores, scores], axis=1)
        return {"classes": tf.broadcast_to(tf.constant(list(class_names)), tf.shape(scores)), "scores": scores}

    def rank(decoded: Tensors) -> dict[str, tf.Tensor]:
        (probabilities,) = answer(decoded).values()
        scores, places = tf.math.top_k(probabilities, min(TOP_CLASSES, len(class_names)))
        return {"labels": tf.gather(tf.constant(list(class_names)), places), "scores": scores}

    found = {"classify": tf.function(classify, input_signature=SENT)}
    return found | {"top_classes": named(rank, serving.signature)} if size == len(class_names) else found


def answers(model: keras.Model, features: Tensors) -> dict[str, tf.Tensor]:
    """What a model makes of transformed features: its outputs by name where it has a dict of them, else its one by its layer's name."""
    found = model(select(model, features), training=False)
    return dict(found) if isinstance(found, Mapping) else {model.output_names[0]: found}


def named(
    function: Callable[[Tensors], dict[str, tf.Tensor]], specs: Mapping[str, tf.TensorSpec]
) -> tf.types.experimental.PolymorphicFunction:
    """A traced function of features as arguments, which signatures want, from one of a dict of them."""
    features = {argument_name(name): name for name in specs}

    def call(**arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        return function({features[argument]: tensor for argument, tensor in arguments.items()})

    traced = tf.function(call)
    traced.get_concrete_function(
        **{argument_name(name): tf.TensorSpec(spec.shape, spec.dtype, name=argument_name(name)) for name, spec in specs.items()}
    )
    return traced


def renamed(features: Tensors) -> dict[str, tf.Tensor]:
    """Features by the names that they have as arguments of a signature."""
    return {argument_name(name): tensor for name, tensor in features.items()}


def argument_name(feature: str) -> str:
    """The name of a feature as an argument of a signature, which takes letters, digits and underscores: income.log is income_log."""
    return re.sub(r"\W", "_", feature, flags=re.ASCII)


def select(model: keras.Model, features: Tensors) -> dict[str, tf.Tensor]:
    """The features that are inputs of the model, in its inputs' types."""
    return {tensor.name: tf.cast(features[tensor.name], tensor.dtype) for tensor in model.inputs}
