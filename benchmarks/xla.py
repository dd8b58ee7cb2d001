"""`make bench-scale`, middle part: where compiling by XLA pays.

    python -m benchmarks.xla [--rounds 3]

Networks that are compiled and run by Keras's `fit` learn random examples of the shapes they take, once compiled by XLA, once not, each
time in a process of its own. Two trainings of different length are timed and subtracted, which leaves compilation out; what that took
beyond the steps of the shorter one is given apart.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmarks.machine import alone, table

if TYPE_CHECKING:
    import keras

    from trainer_modules.common.input_data import Rows

# Examples of an epoch: a second or a few of training.
COUNTS = {
    "mnist_softmax": 60_000,
    "mnist_mlp": 60_000,
    "mnist_lenet": 8_192,
    "cifar10_cnn": 1_024,
    "imdb_cnn": 512,
    "sentiment_bilstm": 8_192,
}
SHORT, LONG = 1, 6
# Token ids and class labels below this: what every one of the networks knows.
KNOWN = {"tokens": 1_000, "labels": 2}


def random_rows(model: keras.Model, count: int) -> Rows:
    """Examples of the shapes and types that a network takes."""
    import tensorflow as tf

    from trainer_modules.common.input_data import Rows

    def values(tensor: Any) -> tf.Tensor:
        integer = tf.as_dtype(tensor.dtype).is_integer
        drawn = tf.random.stateless_uniform([count, *tensor.shape[1:]], [1, 2], maxval=KNOWN["tokens"] if integer else 1.0)
        return tf.cast(drawn, tensor.dtype)

    return Rows({each.name: values(each) for each in model.inputs}, tf.range(count, dtype=tf.int64) % KNOWN["labels"], count)


def learned(name: str, xla: bool, epochs: int) -> float:
    """Seconds of a training in this process."""
    from pipelines.common.layout import load_model
    from trainer_modules.common import training

    module = importlib.import_module(f"trainer_modules.{name}")
    hparams = {**load_model(name).hparams, "epochs": epochs}

    def build_model(hparams: dict[str, Any]) -> keras.Model:
        model = module.build_model(hparams)
        model.jit_compile = xla
        return model

    rows = random_rows(module.build_model(hparams), COUNTS[name])
    few = random_rows(module.build_model(hparams), hparams["batch_size"])
    _, history = training.fit(build_model, hparams, rows, few, seed=1)
    return float(history["seconds"])


def one(name: str, xla: bool) -> dict[str, float]:
    """Examples a second, and seconds of compilation."""
    short, long = (learned(name, xla, epochs) for epochs in (SHORT, LONG))
    epoch = (long - short) / (LONG - SHORT)
    return {"per_second": COUNTS[name] / epoch, "compilation": short - SHORT * epoch}


def in_a_process(name: str, xla: bool) -> dict[str, float]:
    """The same in a process of its own."""
    found: dict[str, float] = alone("benchmarks.xla", "--one", name, int(xla), TF_CPP_MIN_LOG_LEVEL="3")
    return found


def lines(rounds: int) -> Iterator[list[str]]:
    """A line for each network: medians over rounds in which both take turns."""
    for name in COUNTS:
        found = [(in_a_process(name, xla=False), in_a_process(name, xla=True)) for _ in range(rounds)]
        without, compiled = (statistics.median(pair[which]["per_second"] for pair in found) for which in (0, 1))
        gain = statistics.median(on["per_second"] / off["per_second"] for off, on in found)
        slower = statistics.median(on["compilation"] - off["compilation"] for off, on in found)
        yield [f"`{name}`", f"{without:,.0f}", f"{compiled:,.0f}", f"{gain:.2f}×", f"{slower:+.1f}"]


def xla_table(rounds: int) -> str:
    """The table in Markdown."""
    return table(["network", "examples/s without", "examples/s with XLA", "gain", "s more to compile"], list(lines(rounds)))


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], bool(int(arguments.one[1])))))
    else:
        print(xla_table(arguments.rounds))


if __name__ == "__main__":
    main()
