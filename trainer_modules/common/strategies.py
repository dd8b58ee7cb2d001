"""Distribution strategies by name, with a clear error where one cannot be had."""

from __future__ import annotations

import functools
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

NAMES = ("default", "one_device", "mirrored", "tpu")
PROBE_SECONDS = 10


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The tf.distribute strategy of that name.

    Args:
        name: "default" (one device, chosen by TensorFlow), "one_device" (the first GPU, else the CPU), "mirrored" (all GPUs of this
            machine, else all its logical CPUs), or "tpu" (the TPU that the TPU_NAME environment variable names, or the one attached).

    Returns:
        The strategy; build and compile models in its scope.

    Raises:
        ValueError: the name is unknown.
        RuntimeError: the devices the strategy needs are not there.
    """
    import tensorflow as tf  # here, so that the command line can list the names without it

    gpus = tf.config.list_logical_devices("GPU")
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(gpus[0].name if gpus else "/cpu:0")
    if name == "mirrored":
        return mirrored(tuple(device.name for device in gpus or tf.config.list_logical_devices("CPU")))
    if name == "tpu":
        return tpu_strategy(os.environ.get("TPU_NAME", ""))
    raise ValueError(f"there is no distribution strategy {name!r}. Known: {', '.join(NAMES)}.")


def check_one_device(name: str, what: str) -> None:
    """Refuses a strategy of several devices for what is learned on one.

    Args:
        name: of the strategy.
        what: is learned, and perhaps how long it takes, for the message.

    Raises:
        ValueError: the strategy is of several devices.
    """
    if name not in ("default", "one_device"):
        raise ValueError(f"expected --strategy default or one_device for {what} on one device, received {name}.")


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
            "expected a TPU (attached, or named by the TPU_NAME environment variable), found none. Use --strategy default or mirrored."
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
