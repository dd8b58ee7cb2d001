"""Distribution strategies by name, with a clear error where one cannot be had."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

NAMES = ("default", "one_device", "mirrored", "multi_worker", "tpu")


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The tf.distribute strategy of that name.

    Args:
        name: "default" (one device, chosen by TensorFlow), "one_device" (the first GPU, else the CPU), "mirrored" (all GPUs of this
            machine, else all its logical CPUs), "multi_worker" (the workers of the TF_CONFIG environment variable), or "tpu"
            (the TPU that TPU_NAME names, or the one attached).

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
        return tf.distribute.MirroredStrategy([device.name for device in gpus or tf.config.list_logical_devices("CPU")])
    if name == "multi_worker":
        cluster = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
        if not cluster.get("worker"):
            raise RuntimeError(
                "expected the TF_CONFIG environment variable to list the workers of the cluster, it does not. "
                "Set it on every worker, or use --strategy mirrored."
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        if not os.environ.get("TPU_NAME") and not tf.config.list_physical_devices("TPU"):
            raise RuntimeError(
                "expected a TPU (attached, or named by the TPU_NAME environment variable), found none. Use --strategy default or mirrored."
            )
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", "local"))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    raise ValueError(f"there is no distribution strategy {name!r}. Known: {', '.join(NAMES)}.")
