"""What every model must do, as checks: each model's own test names its known rows and calls them."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from components.golden import compare
from components.tflite_exporter.converters import CONVERTERS, SERVED, TRANSFORMED, convertible
from components.tflite_exporter.interpreter import answer
from serving import operations
from tests.transform_fixture import analyse
from trainer_modules.common import precision, serving_transform, signatures, training
from trainer_modules.common.input_data import Rows

# Largest difference of an answer. No class agreement here: a model of one step is sure of nothing.
TOLERANCES = {"float32": 1e-5, "float16": 5e-3, "dynamic": 0.05, "int8": 0.05}


@dataclasses.dataclass(frozen=True)
class Case:
    """What a model's test brings.

    Attributes:
        module: the trainer module.
        schema: text proto of its schema.
        examples: serialized tf.Examples with labels, a few dozen at least.
        transformed: what preprocessing must make of the first rows, by transformed feature.
        hparams: hyperparameters without randomness during training (no dropout), of a small model.
        label: name of the transformed label; empty without one.
        complete: whether `transformed` names all transformed features, so that any other is one too many.
        transform_hparams: names of the hyperparameters that preprocessing takes.
    """

    module: ModuleType
    schema: str
    examples: Sequence[bytes]
    transformed: Mapping[str, Any]
    hparams: Mapping[str, Any]
    label: str
    complete: bool = True
    transform_hparams: Sequence[str] = ()


def check_model(case: Case, folder: Path) -> None:
    """Holds a model to the contract of docs/architecture.md; `folder` is empty and takes what the check writes."""
    prepared = prepare(case, folder)
    model = check_one_step(case, prepared.rows)
    check_saved(model, prepared, case.examples, folder)
    check_replicas(case, prepared.rows)
    check_precision(case, prepared.rows)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What Transform makes of a case's examples.

    Attributes:
        transform: its output.
        schema: the case's.
        rows: the examples, transformed.
    """

    transform: tft.TFTransformOutput
    schema: schema_pb2.Schema
    rows: Rows


def prepare(case: Case, folder: Path) -> Prepared:
    """Runs a case's preprocessing, and holds it to the known rows."""
    preprocessing_fn = case.module.preprocessing_fn
    if case.transform_hparams:
        config = {"hparams": {name: case.hparams[name] for name in case.transform_hparams}}
        preprocessing_fn = functools.partial(preprocessing_fn, custom_config=config)
    transform, schema = analyse(preprocessing_fn, case.schema, case.examples, folder / "transform")
    layer = transform.transform_features_layer()
    features = dict(layer(tf.io.parse_example(tf.constant(case.examples), transform.raw_feature_spec())))
    assert set(case.transformed) == set(features) or (not case.complete and set(case.transformed) < set(features))
    check_preprocessing(features, case.transformed)
    inputs = {name: value for name, value in features.items() if name != case.label}
    labels = tf.reshape(features[case.label], [-1]) if case.label else tf.zeros(len(case.examples))
    return Prepared(transform, schema, Rows(inputs, labels, len(case.examples)))


def check_saved(
    model: keras.Model,
    prepared: Prepared,
    examples: Sequence[bytes],
    folder: Path,
    formats: Sequence[str] = tuple(CONVERTERS),
    class_names: Sequence[str] = (),
    endpoints: signatures.Endpoints | None = None,
) -> None:
    """The model, saved and exported, answers as it does in memory."""
    expected = {name: np.asarray(value) for name, value in signatures.answers(model, prepared.rows.features).items()}
    serving = serving_transform.ServingTransform(prepared.transform, serving_transform.serving_feature_spec(prepared.schema))
    signatures.export(model, serving, folder / "model", class_names, endpoints)
    operations.checked(folder / "model")
    inputs = check_signatures(folder / "model", examples, expected)
    check_exports(folder / "model", folder / "exports", inputs, expected, formats)


def check_preprocessing(features: Mapping[str, tf.Tensor], known: Mapping[str, Any]) -> None:
    """The transformed features of the first rows are the known ones."""
    for name, values in known.items():
        np.testing.assert_allclose(np.asarray(features[name])[: len(values)], values, rtol=1e-6, atol=1e-6, err_msg=name)


def check_one_step(case: Case, rows: Rows) -> keras.Model:
    """One training step gives a finite loss and moves every weight by a finite amount, but for those of frozen layers."""
    keras.utils.set_random_seed(1)
    model = case.module.build_model(case.hparams)
    before = [weight.copy() for weight in model.get_weights()]
    loss = model.train_on_batch(signatures.select(model, rows.features), rows.labels)
    assert np.all(np.isfinite(loss)), f"loss {loss}"
    for old, new, variable in zip(before, model.get_weights(), model.weights, strict=True):
        assert np.all(np.isfinite(new)), f"{variable.path} is not finite after one step"
        frozen = any(variable is weight for layer in model.layers if not layer.trainable for weight in layer.weights)
        assert np.any(new != old) != frozen, f"{variable.path} {'is frozen and moved' if frozen else 'did not move'}"
    return model


def check_signatures(model_dir: Path, examples: Sequence[bytes], expected: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Save, reload: raw examples, what a client sends and transformed features give what the model gave in memory.

    Returns:
        The inputs that TFLite takes.
    """
    loaded = tf.saved_model.load(str(model_dir))

    def ask(signature: str, inputs: Mapping[str, tf.Tensor]) -> None:
        answers = loaded.signatures[signature](**inputs)
        assert set(answers) == set(expected)
        for name, values in expected.items():
            bound = 1e-6 * max(1.0, float(np.abs(values).max()))
            np.testing.assert_allclose(answers[name], values, atol=bound, err_msg=f"{name} of {signature}")

    ask("serving_default", {"examples": tf.constant(examples)})
    for signature, source in (SERVED, TRANSFORMED):
        ask(signature, loaded.signatures[source](examples=tf.constant(examples)))
    _, source = convertible(loaded)
    return {name: value.numpy() for name, value in loaded.signatures[source](examples=tf.constant(examples)).items()}


def check_exports(
    model_dir: Path, out_dir: Path, inputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], formats: Sequence[str]
) -> None:
    """The TFLite formats agree within each one's tolerance."""
    out_dir.mkdir()
    for name in formats:
        answers, _ = answer(CONVERTERS[name](model_dir, out_dir, inputs), inputs)
        found = compare(expected, answers)
        assert found.problem == "" and found.relative_diff <= TOLERANCES[name], f"{name}: {found}"


def check_precision(case: Case, rows: Rows) -> None:
    """Trained in mixed precision, it answers in float32, and a float32 copy of it answers alike."""
    hparams = dict(case.hparams) | {"epochs": 1}
    try:
        precision.use("bfloat16")
        model, _ = training.fit(case.module.build_model, hparams, rows, rows, seed=3)
    finally:
        precision.use("float32")
    assert {weight.dtype for weight in model.weights if weight.dtype.startswith(("float", "bfloat"))} == {"float32"}
    copy = case.module.build_model(hparams)
    copy.set_weights(model.get_weights())
    expected, found = training.answers(copy, rows), training.answers(model, rows)
    assert {values.dtype for values in found.values()} == {values.dtype for values in expected.values()}
    assert 0 < precision.largest_difference(expected, found) < 0.05


def check_replicas(case: Case, rows: Rows) -> None:
    """Two replicas of MirroredStrategy learn what one device learns."""
    hparams = dict(case.hparams) | {"epochs": 1, "batch_size": max(2, rows.count // 4 * 2)}
    one, _ = training.fit(case.module.build_model, hparams, rows, rows, seed=3)
    two, history = training.fit(case.module.build_model, hparams, rows, rows, seed=3, strategy="mirrored")
    assert history["replicas"] == 2
    for a, b, variable in zip(one.get_weights(), two.get_weights(), one.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(np.abs(a).max())), err_msg=variable.path)
