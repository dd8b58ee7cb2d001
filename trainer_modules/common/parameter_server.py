"""Training with a parameter server: a coordinator hands out batches, and workers take their steps on variables that the server keeps.

No worker waits for another (M. Li et al., "Scaling Distributed Machine Learning with the Parameter Server", OSDI 2014). So a slow or
lost one holds up nobody, each learns from weights that are a few steps old, and no two trainings end in the same weights.

    python -m trainer_modules.common.parameter_server

serves as the worker or the parameter server that TF_CONFIG describes, on a machine of its own.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer_modules.common import cluster, workers

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from tfx.components.trainer.fn_args_utils import FnArgs

    from trainer_modules.common.input_data import Rows
    from trainer_modules.common.training import BuildModel, Folders, History, Initialise

NAME = "parameter_server"
CHIEF, SERVER, WORKER = "chief", "ps", "worker"
# Batches that wait in the coordinator's memory at most.
QUEUED = 256
Task = tuple[str, int]


def train(fn_args: FnArgs) -> None:
    """Trains by a coordinator, one parameter server and workers on loopback.

    A worker that dies is started again, and its step is done by another one meanwhile. With the server the weights are lost: then all
    start again from the last checkpoint.

    Args:
        fn_args: of TFX's Trainer; custom_config holds `run_fn` (dotted path) and `workers` (how many).

    Raises:
        RuntimeError: the training has an error of its own, or processes were lost too often.
    """
    count, given = fn_args.custom_config["workers"], workers.written(fn_args)
    workers.persist(lambda: together(given, count))


def together(fn_args: str, count: int) -> workers.Failure | None:
    """Runs the processes until the coordinator has ended; returns who was lost or failed, None if it ended well."""
    context = multiprocessing.get_context("spawn")
    chief, server, *rest = cluster.free_addresses(count + 2)
    addresses = {CHIEF: [chief], SERVER: [server], WORKER: list(rest)}
    reason, told = context.Pipe(duplex=False)
    running: dict[Task, Any] = {}

    def start(task: Task) -> None:
        config = json.dumps({"cluster": addresses, "task": {"type": task[0], "index": task[1]}})
        if task[0] == CHIEF:
            running[task] = context.Process(target=workers.work, args=(fn_args, config, told), name="coordinator")
        else:
            running[task] = context.Process(target=serve_here, args=(config,), name=f"{task[0]}-{task[1]}")
        running[task].start()

    try:
        for task in [(kind, index) for kind in (SERVER, WORKER, CHIEF) for index in range(len(addresses[kind]))]:
            start(task)
        told.close()
        restarts = 0
        while True:
            multiprocessing.connection.wait([process.sentinel for process in running.values()])
            for task in [task for task, process in running.items() if not process.is_alive()]:
                code = running[task].exitcode
                if task[0] == CHIEF:
                    return ("the coordinator", code, workers.why(code, reason)) if code else None
                if task[0] == SERVER or restarts == workers.RESTARTS:
                    who = "the parameter server" if task[0] == SERVER else f"worker {task[1]} of {count}"
                    return who, workers.LOST, f"it ended with {code}"
                restarts += 1
                log.warning("worker %d of %d was lost (it ended with %s) and is started again", task[1], count, code)
                start(task)
    finally:
        for process in running.values():
            process.kill()
            process.join()


def serve_here(config: str) -> None:
    """A process of `together` that serves."""
    threading.Thread(target=workers.end_with_parent, daemon=True).start()
    os.environ[cluster.VARIABLE] = config
    serve()


def serve() -> None:
    """Serves as the task that TF_CONFIG describes, until the process is ended."""
    import tensorflow as tf

    task = json.loads(os.environ[cluster.VARIABLE])["task"]
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    tf.distribute.Server(resolver.cluster_spec(), job_name=task["type"], task_index=int(task["index"]), protocol="grpc").join()


def described(environment: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """Addresses by kind of the cluster whose coordinator this process is.

    Raises:
        RuntimeError: TF_CONFIG describes none.
    """
    try:
        found = json.loads(environment.get(cluster.VARIABLE, "{}"))
        addresses = {kind: list(found["cluster"][kind]) for kind in (CHIEF, SERVER, WORKER)}
        here = found["task"]["type"]
    except (ValueError, TypeError, KeyError):
        here = None
    if here != CHIEF:
        raise RuntimeError(
            f"expected {cluster.VARIABLE} of the {CHIEF} of a cluster that has {SERVER} and {WORKER} too, received "
            f"{environment.get(cluster.VARIABLE, '')[:200]!r}. On one machine, give --workers N."
        )
    return addresses


def make_strategy() -> tf.distribute.Strategy:
    """The strategy of the cluster, once all of it can be reached.

    Raises:
        RuntimeError: TF_CONFIG describes no such cluster.
        TimeoutError: a process did not come.
    """
    import tensorflow as tf

    addresses = described()
    reach([*addresses[SERVER], *addresses[WORKER]])
    return tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())


def reach(addresses: list[str], seconds: float = cluster.PEER_SECONDS) -> None:
    """Waits until something listens at each address: TensorFlow would wait for ever.

    Raises:
        TimeoutError: nothing came in time.
    """
    deadline = time.monotonic() + seconds
    for address in addresses:
        while not listens(address):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"expected a process at {address}, after {seconds:g} s none had come. Check that it runs and can be reached; "
                    "DARSENA_PEER_SECONDS sets the time."
                )
            time.sleep(0.1)


def listens(address: str) -> bool:
    """Whether something takes a connection."""
    try:
        socket.create_connection(cluster.parts(address), timeout=1).close()
    except OSError:
        return False
    return True


def fit(
    build_model: BuildModel,
    hparams: Mapping[str, Any],
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    distribution: tf.distribute.Strategy,
    initialise: Initialise | None,
    folders: Folders,
) -> tuple[keras.Model, History]:
    """Builds and trains a model as training.fit does; every batch is one worker's.

    Returns:
        A copy of the trained model in this process, and the history; its `replicas` are the workers.

    Raises:
        FloatingPointError: a loss is no finite number.
    """
    import numpy as np
    import tensorflow as tf

    from trainer_modules.common import input_data, precision, progress, signatures

    with distribution.scope():
        model = build_model(hparams)
        if initialise:
            initialise(model, hparams)
        model.optimizer.build(model.trainable_variables)
    precision.check_outputs(model)
    # It is measured and exported: variables of the server's can be read, but not saved from here.
    here = build_model(hparams)
    train, validation = (dataclasses.replace(rows, features=signatures.select(here, rows.features)) for rows in (train, validation))

    @tf.function
    def step(features: Any, labels: Any) -> Any:
        def replica(features: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = model.compute_loss(features, labels, model(features, training=True))
                scaled = model.optimizer.scale_loss(loss)
            model.optimizer.apply(tape.gradient(scaled, model.trainable_variables), model.trainable_variables)
            return loss

        return distribution.run(replica, args=(features, labels))

    coordinator = tf.distribute.coordinator.ClusterCoordinator(distribution)
    epochs, most_steps, size = hparams["epochs"], hparams.get("steps_per_epoch", 0), min(hparams["batch_size"], train.count)
    variables = {"model": model.variables, "optimizer": model.optimizer.variables}
    found = progress.Progress(epochs, variables, folders.checkpoint)
    batches = iter(input_data.shuffled_batches(train, size, seed, epochs, most_steps, first=found.done))
    steps, rate = input_data.steps_per_epoch(train, size, most_steps), progress.schedule(hparams)
    for epoch in range(found.done, epochs):
        model.optimizer.learning_rate.assign(rate(epoch))
        losses = []
        for number in range(1, steps + 1):
            losses.append(coordinator.schedule(step, args=next(batches)))
            if number % QUEUED == 0 or number == steps:
                coordinator.join()
        here.set_weights(model.get_weights())
        measured = here.evaluate(input_data.evaluation_batches(validation), return_dict=True, verbose=0)
        loss = float(np.mean([each.fetch() for each in losses]))
        found.end_epoch({"loss": loss} | {f"val_{name}": value for name, value in measured.items()})
    here.set_weights(model.get_weights())
    return here, found.history(steps * size, len(described()[WORKER]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    serve()
