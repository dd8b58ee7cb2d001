"""Distribution strategies by name, with a clear error where one cannot be had."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer_modules.common import cluster

if TYPE_CHECKING:
    import tensorflow as tf

NAMES = ("auto", "single", "mirrored", "multiworker", "parameter_server", "tpu")
# Of several processes.
OF_SEVERAL = ("multiworker", "parameter_server")
# Of one device at most, and so of any training.
OF_ONE = ("auto", "single")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
PROBE_SECONDS = 10


def resolve(name: str) -> str:
    """What "auto" comes to here; other names are what they are.

    Raises:
        ValueError: the name is unknown.
    """
    import tensorflow as tf  # here, so that the command line can list the names without it

    if name not in NAMES:
        raise ValueError(f"there is no distribution strategy {name!r}. Known: {', '.join(NAMES)}.")
    if name != "auto":
        return name
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return "tpu"
    if cluster.from_environment():
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "single"


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The tf.distribute strategy of that name; asked again, the same one.

    Args:
        name: "single" (one device, the first GPU if there is one), "mirrored" (all GPUs of this machine, else all its logical CPUs),
            "multiworker" (the processes of TF_CONFIG's cluster), "parameter_server" (likewise, see parameter_server.py), "tpu" (the TPU
            that the TPU_NAME environment variable names, or the one attached), or "auto": a TPU, a cluster or several GPUs where they
            are there, else one device.

    Returns:
        The strategy; build and compile models in its scope.

    Raises:
        ValueError: the name is unknown, or TF_CONFIG is not what TensorFlow takes.
        RuntimeError: the devices the strategy needs are not there.
        TimeoutError: a worker did not come.
    """
    import tensorflow as tf

    name = resolve(name)
    if name == "mirrored":
        return mirrored(devices())
    if name == "multiworker":
        return multiworker()
    if name == "parameter_server":
        return parameter_server()
    if name == "tpu":
        return tpu_strategy(os.environ.get("TPU_NAME", ""))
    return tf.distribute.get_strategy()


def devices() -> tuple[str, ...]:
    """Names of those that "mirrored" keeps replicas on."""
    import tensorflow as tf

    return tuple(device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))


def check(name: str, workers: int, batch_size: int | None) -> None:
    """Refuses what could only fail later: for a command that is about to begin.

    Args:
        name: of the strategy.
        workers: processes to start for those of several; 0 for none.
        batch_size: over all replicas; None where there is none.

    Raises:
        ValueError: something is missing for the strategy, or the replicas can't share a batch.
        RuntimeError: the devices are not there.
    """
    check_workers(name, workers)
    alone = name in OF_ONE or name == "parameter_server"  # every batch is one worker's
    replicas = workers if name == "multiworker" else 1 if alone else make_strategy(name).num_replicas_in_sync
    if batch_size:
        check_batch(batch_size, replicas)


def check_workers(name: str, workers: int) -> None:
    """Refuses a number of processes without a strategy that they are for, and such a one without a number.

    Raises:
        ValueError: one is missing.
    """
    if (name in OF_SEVERAL) != (workers > 1):
        several = " or ".join(OF_SEVERAL)
        raise ValueError(f"expected --strategy {several} and --workers N with N at least 2 together, received {name} and {workers}.")


def check_batch(size: int, replicas: int) -> None:
    """Refuses a batch that replicas can't share equally.

    Raises:
        ValueError: they can't; the message names sizes that would do.
    """
    if size % replicas:
        below = size // replicas * replicas
        near = f"{below} or {below + replicas}" if below else f"{replicas}"
        raise ValueError(f"expected a batch_size that {replicas} replicas can share equally, received {size}. Set it to {near}.")


def scaled(hparams: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Hyperparameters for so many replicas, each of which takes the batch that one device was set for.

    The batch and the learning rate grow alike, and the rate rises over the first epochs to what it comes to (P. Goyal et al., "Accurate,
    Large Minibatch SGD", arXiv:1706.02677; there for SGD, and a rule of thumb for others).

    Args:
        hparams: with `batch_size` and `learning_rate`.
        replicas: how many.

    Returns:
        All of them, and `warm_up_from`, the share of the rate to begin with (progress.schedule).
    """
    return {
        **hparams,
        "batch_size": hparams["batch_size"] * replicas,
        "learning_rate": hparams["learning_rate"] * replicas,
        "warm_up_from": 1 / replicas,
    }


def for_replicas(config: Mapping[str, Any], hparams: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters `scaled` for the strategy of a Trainer's configuration, if that asks for it."""
    return scaled(hparams, make_strategy(config["strategy"]).num_replicas_in_sync) if config.get("scale_batch") else hparams


def check_one_device(name: str, what: str) -> None:
    """Refuses a strategy of several devices for what is learned on one.

    Args:
        name: of the strategy.
        what: is learned, and perhaps how long it takes, for the message.

    Raises:
        ValueError: the strategy is of several devices.
    """
    if name not in OF_ONE:
        raise ValueError(f"expected --strategy {' or '.join(OF_ONE)} for {what} on one device, received {name}.")


def is_chief() -> bool:
    """Whether this process writes what was learned: the only one, or the first of a cluster's."""
    found = cluster.from_environment()
    return found is None or found.is_chief


def share_of(batch: Any, size: int) -> Any:
    """This replica's share of a batch; for functions that a strategy runs.

    Args:
        batch: of all replicas, nested tensors whose first axis is the batch.
        size: of the whole batch, which divides evenly among the replicas.
    """
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    each = size // context.num_replicas_in_sync
    first = tf.cast(context.replica_id_in_sync_group, tf.int32) * each
    return tf.nest.map_structure(lambda tensor: tensor[first : first + each], batch)


@functools.cache
def mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """The strategy that keeps replicas on these devices; one for the whole process, as for the trials of a search.

    Each MirroredStrategy numbers its collective operations from the start, and TensorFlow takes those of the same number for the same
    operation: a second one in a process fails as soon as its model's shapes differ from the first one's.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(devices))


@functools.cache
def multiworker() -> tf.distribute.Strategy:
    """The strategy of TF_CONFIG's cluster, after all of its workers have met; one for the whole process, which joins it once.

    Raises:
        RuntimeError: TF_CONFIG names no cluster.
        TimeoutError: a worker did not come.
    """
    import tensorflow as tf

    found = cluster.from_environment()
    if not found:
        raise RuntimeError(
            f"expected {cluster.VARIABLE} with a cluster of at least two workers, which Kubernetes' TFJob and Vertex AI set, found none. "
            "On one machine, give --workers N."
        )
    cluster.meet(found)
    return tf.distribute.MultiWorkerMirroredStrategy()


@functools.cache
def parameter_server() -> tf.distribute.Strategy:
    """The strategy of TF_CONFIG's cluster with a parameter server; one for the whole process, which joins it once."""
    from trainer_modules.common.parameter_server import make_strategy

    return make_strategy()


@functools.cache
def tpu_strategy(address: str) -> tf.distribute.Strategy:
    """The strategy of a TPU.

    Args:
        address: its name or "grpc://host:port"; empty for the one attached to this machine.

    Raises:
        RuntimeError: there is none, or it does not answer.
    """
    import tensorflow as tf

    if not address and not tf.config.list_physical_devices("TPU"):
        raise RuntimeError(
            "expected a TPU (attached, or named by the TPU_NAME environment variable), found none. Use --strategy single or mirrored."
        )
    if address.startswith("grpc://"):
        # TensorFlow itself would wait for minutes.
        host, _, port = address.removeprefix("grpc://").partition(":")
        try:
            socket.create_connection((host, int(port or 8470)), PROBE_SECONDS).close()
        except (OSError, ValueError) as error:
            raise RuntimeError(f"expected a TPU at TPU_NAME={address}, it does not answer ({error}). Check the address.") from error
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(address or "local")
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)
