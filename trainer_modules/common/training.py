"""Training under a distribution strategy, from the Trainer component's arguments to a SavedModel and its history."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.utils import io_utils

from trainer_modules.common import signatures
from trainer_modules.common.input_data import (
    Rows,
    evaluation_batches,
    load_rows,
    read_examples,
    shuffled_batches,
    steps_per_epoch,
    steps_per_execution,
)
from trainer_modules.common.strategies import make_strategy

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

Hparams = Mapping[str, Any]
BuildModel = Callable[[Hparams], keras.Model]
Initialise = Callable[[keras.Model, Hparams], None]
History = dict[str, Any]

GOLDEN_EXAMPLES = 256


class Fit(Protocol):
    """How a model is built and trained: `fit`, or another function with its arguments and results."""

    def __call__(
        self,
        build_model: BuildModel,
        hparams: Hparams,
        train: Rows,
        validation: Rows,
        *,
        seed: int,
        strategy: str,
        initialise: Initialise | None,
    ) -> tuple[keras.Model, History]: ...


def run(
    fn_args: FnArgs,
    build_model: BuildModel,
    label: str,
    initialise: Initialise | None = None,
    learn: Fit | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> None:
    """What a model's run_fn does: trains, exports, and records how it went.

    Writes the SavedModel to `fn_args.serving_model_dir`, and to `fn_args.model_run_dir` `history.json` and `golden/`: raw
    examples with the in-memory model's answers, which exports are later held to (docs/architecture.md).

    Args:
        fn_args: of TFX's Trainer; its custom_config holds `hparams`, `seed`, `strategy` and perhaps `class_names`, and the best of a
            search, if there was one, replaces hyperparameters of the same name.
        build_model: makes the compiled model from hyperparameters.
        label: name of the label among the transformed features.
        initialise: gives a new model weights that it is to start from, e.g. of a file that the hyperparameters name.
        learn: trains the model where `fit` would not do.
        dtypes: see load_rows.
    """
    config = fn_args.custom_config
    hparams = dict(config["hparams"]) | tuned_values(fn_args.hyperparameters)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = load_rows(fn_args.train_files, transform, label, dtypes)
    validation = load_rows(fn_args.eval_files, transform, label, dtypes)

    model, history = (learn or fit)(
        build_model, hparams, train, validation, seed=config["seed"], strategy=config["strategy"], initialise=initialise
    )

    # The export is a copy in plain float32 variables, whatever strategy or precision trained them.
    keras.config.set_dtype_policy("float32")
    exported = build_model(hparams)
    exported.set_weights(model.get_weights())
    schema = io_utils.parse_pbtxt_file(fn_args.schema_path, schema_pb2.Schema())
    serving = signatures.ServingTransform(transform, signatures.serving_feature_spec(schema))
    signatures.export(exported, serving, fn_args.serving_model_dir, config.get("class_names", ()))

    record = Path(fn_args.model_run_dir)
    record.mkdir(parents=True, exist_ok=True)
    (record / "history.json").write_text(json.dumps(history | {"hparams": hparams, "parameters": model.count_params()}, indent=1))
    write_golden(model, validation, fn_args.eval_files, record / "golden")


def fit(
    build_model: BuildModel,
    hparams: Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "default",
    initialise: Initialise | None = None,
) -> tuple[keras.Model, History]:
    """Builds and trains a model.

    Args:
        build_model: makes the compiled model.
        hparams: for build_model, initialise and fit_model.
        train: rows to learn from.
        validation: rows to measure after each epoch.
        seed: of weights, dropout and the order of rows.
        strategy: name of a distribution strategy.
        initialise: gives the new model weights that it is to start from.

    Returns:
        The trained model, and what fit_model returns.
    """
    keras.utils.set_random_seed(seed)
    distribution = make_strategy(strategy)
    with distribution.scope():
        model = build_model(hparams)
        if initialise:
            initialise(model, hparams)
    return model, fit_model(model, hparams, train, validation, seed=seed, distribution=distribution)


def fit_model(
    model: keras.Model, hparams: Hparams, train: Rows, validation: Rows, *, seed: int, distribution: tf.distribute.Strategy
) -> History:
    """Trains a model that is built.

    Args:
        model: built and compiled in the strategy's scope.
        hparams: `epochs`, `batch_size` (over all replicas), `learning_rate`, `schedule` and, where there is one,
            `steps_per_epoch` (at most so many batches; 0 for all rows) are read.
        train: rows to learn from.
        validation: rows to measure after each epoch.
        seed: of the order of rows.
        distribution: the strategy.

    Returns:
        {epochs, seconds, examples_per_second, replicas, metrics: {name: one value per epoch}}.
    """
    # Given a dict with more than its inputs, Keras would take them by position.
    train, validation = (dataclasses.replace(rows, features=signatures.select(model, rows.features)) for rows in (train, validation))
    epochs = hparams["epochs"]
    most_steps = hparams.get("steps_per_epoch", 0)
    batches = shuffled_batches(train, hparams["batch_size"], seed, epochs, most_steps)
    steps = steps_per_epoch(train, hparams["batch_size"], most_steps)
    if distribution.num_replicas_in_sync > 1:
        # Neither works over several replicas in Keras 3.
        model.jit_compile, model.steps_per_execution = False, 1
    else:
        model.steps_per_execution = steps_per_execution(steps)

    started = time.perf_counter()
    history = model.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=evaluation_batches(validation, distribution.num_replicas_in_sync),
        callbacks=[
            keras.callbacks.LearningRateScheduler(schedule(hparams)),
            keras.callbacks.LambdaCallback(on_epoch_end=log_epoch(epochs)),
        ],
        shuffle=False,  # the batches are; Keras would warn
        verbose=0,
    )
    seconds = time.perf_counter() - started
    examples = epochs * steps * min(hparams["batch_size"], train.count)
    return {
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "examples_per_second": round(examples / seconds, 1),
        "replicas": distribution.num_replicas_in_sync,
        "metrics": {name: [float(value) for value in values] for name, values in history.history.items()},
    }


def log_epoch(epochs: int) -> Callable[[int, Mapping[str, float]], None]:
    """Tells the log of each epoch, so that a training of hours can be followed there."""

    def log(epoch: int, logs: Mapping[str, float]) -> None:
        logging.info("epoch %d of %d: %s", epoch + 1, epochs, ", ".join(f"{name} {value:.4g}" for name, value in logs.items()))

    return log


def schedule(hparams: Hparams) -> Callable[[int], float]:
    """The learning rate of each epoch.

    Args:
        hparams: `schedule` is "constant", or "cosine" for half a cosine from `learning_rate` towards 0 over `epochs`
            (Loshchilov and Hutter, 2017, without restarts), which takes the noise out of the last epochs.

    Returns:
        From the number of an epoch, counted from 0, to its rate.

    Raises:
        ValueError: there is no such schedule.
    """
    if hparams["schedule"] == "constant":
        return lambda epoch: float(hparams["learning_rate"])
    if hparams["schedule"] == "cosine":
        return lambda epoch: float(hparams["learning_rate"] * (1 + math.cos(math.pi * epoch / hparams["epochs"])) / 2)
    raise ValueError(f"there is no learning rate schedule {hparams['schedule']!r}. Known: constant, cosine.")


def tuned_values(hyperparameters: Any) -> dict[str, Any]:
    """The values of the best trial of a search (KerasTuner's config, as the Trainer passes it), or none."""
    return dict(hyperparameters["values"]) if hyperparameters else {}


def write_golden(model: keras.Model, rows: Rows, patterns: list[str], folder: Path) -> None:
    """Records raw examples and the trained model's answers to them, made in memory.

    Args:
        model: the trained model.
        rows: the split, transformed, in file order.
        patterns: the split's TFRecord files.
        folder: gets `examples.tfrecord` and `outputs.npz` (float32 arrays by output name).
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = min(GOLDEN_EXAMPLES, rows.count)
    with tf.io.TFRecordWriter(str(folder / "examples.tfrecord")) as writer:
        for example in read_examples(patterns, limit=count).as_numpy_iterator():
            writer.write(example)
    first = Rows({name: column[:count] for name, column in rows.features.items()}, rows.labels[:count], count)
    answers = [signatures.answers(model, features) for features, _ in evaluation_batches(first)]
    outputs: dict[str, Any] = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    np.savez(folder / "outputs.npz", **outputs)
