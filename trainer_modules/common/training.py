"""Training under a distribution strategy, from the Trainer component's arguments to a SavedModel and its history."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.utils import io_utils

from trainer_modules.common import checkpoints, jobs, parameter_server, precision, serving_transform, several_workers, signatures, workers
from trainer_modules.common.input_data import (
    Rows,
    evaluation_batches,
    load_rows,
    read_examples,
    shuffled_batches,
    steps_per_epoch,
    steps_per_execution,
)
from trainer_modules.common.progress import Progress, schedule
from trainer_modules.common.strategies import check_batch, for_replicas, is_chief, make_strategy

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

Hparams = Mapping[str, Any]
BuildModel = Callable[[Hparams], keras.Model]
Initialise = Callable[[keras.Model, Hparams], None]
History = dict[str, Any]

GOLDEN_EXAMPLES = 256


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a training may leave things; None for nowhere, as in a search.

    Attributes:
        checkpoint: its state, to go on from after it was killed (checkpoints.py).
        record: an artifact's folder: a section of the report (findings.Section), such as samples after each epoch.
    """

    checkpoint: Path | None = None
    record: Path | None = None


NOWHERE = Folders()


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
        folders: Folders = NOWHERE,
    ) -> tuple[keras.Model, History]: ...


def run(
    fn_args: FnArgs,
    build_model: BuildModel,
    label: str,
    initialise: Initialise | None = None,
    learn: Fit | None = None,
    dtypes: Mapping[str, str] | None = None,
    endpoints: signatures.Endpoints | None = None,
    inputs: serving_transform.OwnInputs | None = None,
) -> None:
    """What a model's run_fn does: trains, exports, and records how it went.

    Writes the SavedModel to `fn_args.serving_model_dir`, and to `fn_args.model_run_dir` `history.json` and `golden/`: raw
    examples with the in-memory model's answers, which exports are later held to (docs/architecture.md). Killed and run again, the
    training goes on from its last checkpoint.

    Args:
        fn_args: of TFX's Trainer; its custom_config holds `hparams`, `seed`, `strategy` and perhaps `workers`, `train_on`, `precision`,
            `scale_batch`, `run_fn`, `task`, `class_names` and `checkpoint` (a folder), and the best of a search, if there was one,
            replaces hyperparameters of the same name.
        build_model: makes the compiled model from hyperparameters.
        label: name of the label among the transformed features.
        initialise: gives a new model weights that it is to start from, e.g. of a file that the hyperparameters name.
        learn: trains the model where `fit` would not do.
        dtypes: see load_rows.
        endpoints: signatures beside those that every model has.
        inputs: what the model is served with, where that is no feature of the examples that it learns from.
    """
    config = fn_args.custom_config
    asynchronous = config["strategy"] == parameter_server.NAME
    if learn and asynchronous:
        raise ValueError(f"expected another --strategy for a model with a training loop of its own, received {config['strategy']}.")
    if workers.wanted(config):
        (jobs if config.get("train_on") else parameter_server if asynchronous else workers).train(fn_args)
        return
    # Before all else: a worker joins the others while TensorFlow has done nothing yet.
    make_strategy(config["strategy"])
    chief, exactness = is_chief(), config.get("precision", "float32")
    hparams = for_replicas(config, dict(config["hparams"]) | tuned_values(fn_args.hyperparameters))
    precision.use(exactness)
    record = Path(fn_args.model_run_dir)
    record.mkdir(parents=True, exist_ok=True)
    folders = Folders(checkpoint_of(config, hparams), record if chief else None)
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = load_rows(fn_args.train_files, transform, label, dtypes)
    validation = load_rows(fn_args.eval_files, transform, label, dtypes)

    model, history = (learn or fit)(
        build_model,
        hparams,
        train,
        validation,
        seed=config["seed"],
        strategy=config["strategy"],
        initialise=initialise,
        folders=folders,
    )

    if not chief:
        return

    # The export is a copy in plain float32 variables, whatever strategy or precision trained them.
    precision.use("float32")
    exported = build_model(hparams)
    exported.set_weights(model.get_weights())
    schema = io_utils.parse_pbtxt_file(fn_args.schema_path, schema_pb2.Schema())
    serving = inputs or serving_transform.ServingTransform(transform, serving_transform.serving_feature_spec(schema))
    signatures.export(
        exported, serving, fn_args.serving_model_dir, config.get("class_names", ()), endpoints, config.get("task") == "regression"
    )

    if inputs:
        features, examples = inputs.golden(GOLDEN_EXAMPLES, config["seed"])
    else:
        features = {name: column[:GOLDEN_EXAMPLES] for name, column in validation.features.items()}
        examples = list(read_examples(fn_args.eval_files, GOLDEN_EXAMPLES).as_numpy_iterator())
    rows = Rows(features, tf.zeros(len(examples)), len(examples))
    trained = answers(model, rows)
    if exactness == "float32":
        write_golden(trained, examples, record / "golden")
    else:
        golden = answers(exported, rows)
        history["largest_difference_from_float32"] = precision.largest_difference(golden, trained)
        write_golden(golden, examples, record / "golden")
    notes = {"hparams": hparams, "parameters": model.count_params(), "precision": exactness}
    (record / "history.json").write_text(json.dumps(history | notes, indent=1))
    checkpoints.clear(folders.checkpoint)


def checkpoint_of(config: Mapping[str, Any], hparams: Hparams) -> Path | None:
    """The folder of a training's state: under the run's `checkpoint`, one for hyperparameters that a search may have found."""
    if not config.get("checkpoint"):
        return None
    return Path(config["checkpoint"]) / hashlib.sha256(json.dumps(hparams, sort_keys=True).encode()).hexdigest()[:12]


def fit(
    build_model: BuildModel,
    hparams: Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "single",
    initialise: Initialise | None = None,
    folders: Folders = NOWHERE,
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
        folders: where it may leave things.

    Returns:
        The trained model, and what fit_model returns.
    """
    keras.utils.set_random_seed(seed)
    distribution = make_strategy(strategy)
    if strategy == parameter_server.NAME:
        return parameter_server.fit(
            build_model, hparams, train, validation, seed=seed, distribution=distribution, initialise=initialise, folders=folders
        )
    with distribution.scope():
        model = build_model(hparams)
        if initialise:
            initialise(model, hparams)
    return model, fit_model(model, hparams, train, validation, seed=seed, distribution=distribution, checkpoint=folders.checkpoint)


def fit_model(
    model: keras.Model,
    hparams: Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    distribution: tf.distribute.Strategy,
    checkpoint: Path | None = None,
) -> History:
    """Trains a model that is built, from its checkpoint on if there is one.

    Args:
        model: built and compiled in the strategy's scope.
        hparams: `epochs`, `batch_size` (over all replicas), `learning_rate`, `schedule` and, where there is one,
            `steps_per_epoch` (at most so many batches; 0 for all rows) are read.
        train: rows to learn from.
        validation: rows to measure after each epoch.
        seed: of the order of rows.
        distribution: the strategy.
        checkpoint: folder for the training's state; None to keep none.

    Returns:
        {epochs, seconds, examples_per_second, replicas, metrics: {name: one value per epoch}}.

    Raises:
        FloatingPointError: a loss is no finite number.
        ValueError: the replicas can't share a batch equally.
    """
    # Given a dict with more than its inputs, Keras would take them by position.
    train, validation = (dataclasses.replace(rows, features=signatures.select(model, rows.features)) for rows in (train, validation))
    epochs = hparams["epochs"]
    most_steps = hparams.get("steps_per_epoch", 0)
    size = min(hparams["batch_size"], train.count)
    check_batch(size, distribution.num_replicas_in_sync)
    precision.check_outputs(model)
    with distribution.scope():
        model.optimizer.build(model.trainable_variables)
    if isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy):
        several_workers.prepare(model, distribution, train)
    progress = Progress(epochs, {"model": model.variables, "optimizer": model.optimizer.variables}, checkpoint)
    batches = shuffled_batches(train, hparams["batch_size"], seed, epochs, most_steps, first=progress.done)
    steps = steps_per_epoch(train, hparams["batch_size"], most_steps)
    if distribution.num_replicas_in_sync > 1:
        # Neither works over several replicas in Keras 3.
        model.jit_compile, model.steps_per_execution = False, 1
    else:
        model.steps_per_execution = steps_per_execution(steps)

    model.fit(
        batches,
        initial_epoch=progress.done,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=evaluation_batches(validation, distribution.num_replicas_in_sync),
        callbacks=[
            keras.callbacks.LearningRateScheduler(schedule(hparams)),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: progress.end_epoch(logs)),
        ],
        shuffle=False,  # the batches are; Keras would warn
        verbose=0,
    )
    return progress.history(steps * size, distribution.num_replicas_in_sync)


def tuned_values(hyperparameters: Any) -> dict[str, Any]:
    """The values of the best trial of a search (KerasTuner's config, as the Trainer passes it), or none."""
    return dict(hyperparameters["values"]) if hyperparameters else {}


def answers(model: keras.Model, rows: Rows) -> dict[str, np.ndarray]:
    """What a model in memory answers to rows, by output name."""
    parts = [signatures.answers(model, features) for features, _ in evaluation_batches(rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_golden(outputs: Mapping[str, np.ndarray], examples: Sequence[bytes], folder: Path) -> None:
    """Records raw examples and the trained model's answers to them, made in memory.

    Args:
        outputs: answers by name.
        examples: as many serialized tf.Examples.
        folder: gets `examples.tfrecord` and `outputs.npz` (float32 arrays by output name).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "examples.tfrecord")) as writer:
        for example in examples:
            writer.write(example)
    arrays: dict[str, Any] = dict(outputs)
    np.savez(folder / "outputs.npz", **arrays)
