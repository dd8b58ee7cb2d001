"""The limit: threads of one process that call a SavedModel's signature `raw`, nothing between.

    python -m benchmarks.serving.in_process SAVED_MODEL

The first line of its output is what the model makes of `pictures(3)`. Then each line of its input, `ROWS CLIENTS SECONDS`, is
answered with a line: requests/s, p50 and p99 in ms, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import astuple

import numpy as np

from benchmarks.serving.load import Speed, speed


def pictures(rows: int) -> np.ndarray:
    """Random uint8 [rows, 28, 28]."""
    return np.random.default_rng(rows).integers(0, 256, (rows, 28, 28), dtype=np.uint8)


def main(folder: str) -> None:
    """Reads lines until there are no more."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["raw"]

    def ask(images: np.ndarray) -> np.ndarray:
        (answer,) = signature(image=tf.constant(images)).values()
        found: np.ndarray = answer.numpy()
        return found

    print(json.dumps(ask(pictures(3)).tolist()), flush=True)
    for line in sys.stdin:
        rows, clients, seconds = line.split()
        print(json.dumps(astuple(measure(ask, pictures(int(rows)), int(clients), float(seconds)))), flush=True)


def measure(ask: Callable[[np.ndarray], np.ndarray], images: np.ndarray, clients: int, seconds: float) -> Speed:
    """As `load.measure`, in threads."""
    milliseconds: list[float] = []
    started = time.perf_counter() + seconds / 10
    end = started + seconds

    def keep_asking() -> None:
        while (asked := time.perf_counter()) < end:
            ask(images)
            if started <= asked and (answered := time.perf_counter()) <= end:
                milliseconds.append(1000 * (answered - asked))

    threads = [threading.Thread(target=keep_asking) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return speed(milliseconds, seconds)


if __name__ == "__main__":
    main(sys.argv[1])
