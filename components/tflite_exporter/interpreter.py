"""Answers of TFLite models by LiteRT, as on a device: no TensorFlow.

Run as `python -m components.tflite_exporter.interpreter INPUTS.npz FILE…` it writes the answers of each FILE beside it, as
`<name>.npz`. It prints the name of each format before it asks it, and at last the latencies as JSON. A process of its own, because
a bad model can crash the interpreter.
"""

from __future__ import annotations

import functools
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from components.arrays import load_arrays, save_arrays

WARM_UP_CALLS = 20
TIMED_CALLS = 200
# Of the warm-up and of the timed calls each, at most.
SECONDS = 3


THREADS = (1, 2)


def answer(file: Path, inputs: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[float]]:
    """Asks a TFLite model of batch 1, row by row.

    Args:
        file: the model, with the signature `serving_default`.
        inputs: by name, at least one row each.

    Returns:
        The outputs by name, as many rows; and the median time of one call in milliseconds, on one thread and on two.
    """
    from ai_edge_litert.interpreter import Interpreter

    runners = [Interpreter(str(file), num_threads=threads).get_signature_runner("serving_default") for threads in THREADS]
    runner = runners[0]
    rows = len(next(iter(inputs.values())))
    answers = [runner(**{name: values[row : row + 1] for name, values in inputs.items()}) for row in range(rows)]
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    one_row = {name: values[:1] for name, values in inputs.items()}
    return outputs, [median_milliseconds(functools.partial(each, **one_row)) for each in runners]


def median_milliseconds(call: Callable[[], object]) -> float:
    """The median time of TIMED_CALLS calls after WARM_UP_CALLS others, in milliseconds; of fewer where they take long."""
    timed(call, WARM_UP_CALLS)
    return statistics.median(timed(call, TIMED_CALLS)) * 1000


def timed(call: Callable[[], object], calls: int) -> list[float]:
    """Seconds of each call: so many, or as many as begin within SECONDS."""
    times: list[float] = []
    while len(times) < calls and sum(times) < SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def main(arguments: list[str]) -> None:
    """The command line, see the head of this module."""
    inputs = load_arrays(Path(arguments[0]))
    latencies = {}
    for file in map(Path, arguments[1:]):
        print(file.stem, flush=True)  # noqa: T201
        outputs, latencies[file.stem] = answer(file, inputs)
        save_arrays(file.with_suffix(".npz"), outputs)
    print(json.dumps(latencies))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
