"""Learning on top of a frozen body: its features are computed once for each example, and only what follows them is trained on those.

That gives the same weights as training the whole model with a frozen body does, in a fraction of the time: the body is run once
instead of once an epoch. Then, if asked for, the last layers of the body are trained with the rest, at a lower rate (fine-tuning).
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer_modules.common import backbones, progress, signatures, training
from trainer_modules.common.input_data import Rows, evaluation_batches
from trainer_modules.common.strategies import make_strategy

FEATURES = "features"
# The features computed last: for which weights (their hash) and of which splits. Searches train many heads on the same.
Memory = dict[str, tuple[tuple[Rows, Rows], tuple[Rows, Rows]]]


def learn(
    build_model: training.BuildModel,
    hparams: training.Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "single",
    initialise: training.Initialise | None = None,
    folders: training.Folders = training.NOWHERE,
    memory: Memory | None = None,
) -> tuple[keras.Model, training.History]:
    """Builds a model and trains what of it is not frozen: a `training.Fit`.

    Args:
        build_model: makes the compiled model. Its layers named "features…" end the frozen part; what follows them is the head. A model
            without anything to train is only measured.
        hparams: as for `training.fit`, and `fine_tune_epochs`, `fine_tune_layers` (of its backbone, from the end) and
            `fine_tune_rate` (the learning rate of those epochs).
        train: rows to learn from.
        validation: rows to measure after each epoch.
        seed: of weights, dropout and the order of rows.
        strategy: name of a distribution strategy.
        initialise: gives the new model weights that it is to start from.
        folders: where it may leave things; only the training of the head goes on from a checkpoint.
        memory: keeps the features for the next call with the same rows and the same frozen weights.

    Returns:
        The trained model, and the history as of `training.fit_model`; epochs of fine-tuning follow the others.
    """
    keras.utils.set_random_seed(seed)
    distribution = make_strategy(strategy)
    with distribution.scope():
        model = build_model(hparams)
        if initialise:
            initialise(model, hparams)
        if not model.trainable_weights:
            return model, measured(model, validation, distribution)
        body, head = split(model)
    started = time.perf_counter()
    names = [tensor.name for tensor in head.inputs]
    features = [renamed(rows, names) for rows in remembered(body, (train, validation), {} if memory is None else memory)]
    seconds = time.perf_counter() - started
    history = training.fit_model(head, hparams, *features, seed=seed, distribution=distribution, checkpoint=folders.checkpoint)
    if hparams["fine_tune_epochs"] and hparams["fine_tune_layers"]:
        with distribution.scope():
            backbones.unfreeze(backbones.backbone_of(model), hparams["fine_tune_layers"])
            model.compile_from_config(model.get_compile_config())
        tuning = {**hparams, "epochs": hparams["fine_tune_epochs"], "learning_rate": hparams["fine_tune_rate"]}
        history = joined(history, training.fit_model(model, tuning, train, validation, seed=seed + 1, distribution=distribution))
    return model, history | {"feature_seconds": round(seconds, 3)}


def split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The frozen part of a model, up to its layers "features…", and the head after those, compiled as the model is.

    Returns:
        A model from the whole model's inputs to a list of features, and one from them to the whole model's output; they share its
        layers.
    """
    features = [layer.output for layer in model.layers if layer.name.startswith(FEATURES)]
    body = keras.Model({tensor.name: tensor for tensor in model.inputs}, features)
    head = keras.Model(features, model.outputs[0])
    head.compile_from_config(model.get_compile_config())
    return body, head


def renamed(rows: Rows, names: Sequence[str]) -> Rows:
    """The rows with other names of their features."""
    return dataclasses.replace(rows, features=dict(zip(names, rows.features.values(), strict=True)))


def remembered(body: keras.Model, splits: tuple[Rows, Rows], memory: Memory) -> tuple[Rows, Rows]:
    """The features of both splits, from memory where they were computed with the same weights."""
    hashed = hashlib.sha256(repr([(type(layer).__name__, layer.name in body.output_names) for layer in body.layers]).encode())
    for weight in body.get_weights():
        hashed.update(weight.tobytes())
    key = hashed.hexdigest()
    if key in memory:
        known, features = memory[key]
        if known[0] is splits[0] and known[1] is splits[1]:
            return features
    memory.clear()
    features = (computed(body, splits[0]), computed(body, splits[1]))
    memory[key] = (splits, features)
    return features


def computed(body: keras.Model, rows: Rows) -> Rows:
    """The rows with the body's features in place of its inputs."""
    given = dataclasses.replace(rows, features=signatures.select(body, rows.features))
    call = tf.function(lambda inputs: body(inputs, training=False), reduce_retracing=True)
    batches = [call(inputs) for inputs, _ in evaluation_batches(given)]
    columns = [tf.concat(parts, axis=0) for parts in zip(*batches, strict=True)]
    return dataclasses.replace(rows, features={str(number): column for number, column in enumerate(columns)})


def measured(model: keras.Model, validation: Rows, distribution: tf.distribute.Strategy) -> training.History:
    """The history of a model that has nothing to learn: its metrics on the validation split."""
    given = dataclasses.replace(validation, features=signatures.select(model, validation.features))
    started = time.perf_counter()
    metrics = model.evaluate(evaluation_batches(given, distribution.num_replicas_in_sync), return_dict=True, verbose=0)
    seconds = time.perf_counter() - started
    found = {f"val_{name}": [float(value)] for name, value in metrics.items()}
    return progress.history(found, epochs=0, seconds=seconds, examples=validation.count, replicas=distribution.num_replicas_in_sync)


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> training.History:
    """The history of two trainings, one after the other."""
    seconds = first["seconds"] + second["seconds"]
    examples = sum(part["seconds"] * part["examples_per_second"] for part in (first, second))
    metrics = {name: values + second["metrics"][name] for name, values in first["metrics"].items()}
    epochs = first["epochs"] + second["epochs"]
    return progress.history(metrics, epochs=epochs, seconds=seconds, examples=examples, replicas=first["replicas"])
