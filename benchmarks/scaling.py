"""`make bench-scale`: how training scales over devices and processes, where XLA pays, and how the cost of a run grows with its data.

    python -m benchmarks.scaling [--rounds 3] [--write docs/scaling.md]

The convolutional network of the digits learns 8,192 random pictures in batches of 256: on one device, over virtual CPUs in one process,
over processes, and over GPUs where there are any. All CPUs of this machine do the work in every case, so what is seen is what it costs
to share it. Two trainings of different length are timed and subtracted, which leaves compilation out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.growth import SIZES, growth_table
from benchmarks.machine import alone, commit, machine, table
from benchmarks.xla import xla_table

MODULE = "mnist_lenet"
PICTURES, BATCH, SHORT, LONG = 8192, 256, 1, 4
CPU_CASES = (("single", 1), ("mirrored", 1), ("mirrored", 2), ("mirrored", 4), ("multiworker", 2))
NETWORK = Path("/proc/net/dev")


def learned(strategy: str, epochs: int) -> dict[str, Any]:
    """The history of a training in this process."""
    import importlib

    import tensorflow as tf

    from pipelines.common.layout import load_model
    from trainer_modules.common import training
    from trainer_modules.common.input_data import Rows

    hparams = {**load_model(MODULE).hparams, "batch_size": BATCH, "epochs": epochs, "dropout": 0.0}
    pictures = tf.random.stateless_uniform([PICTURES, 28, 28], [1, 2])
    rows = Rows({"image": pictures}, tf.range(PICTURES, dtype=tf.int64) % 10, PICTURES)
    few = Rows({"image": pictures[:BATCH]}, rows.labels[:BATCH], BATCH)
    build_model = importlib.import_module(f"trainer_modules.{MODULE}").build_model
    model, history = training.fit(build_model, hparams, rows, few, seed=1, strategy=strategy)
    return history | {"parameters": model.count_params()}


def timed(strategy: str) -> dict[str, Any]:
    """Pictures a second of a training without its compilation, and bytes over loopback for each step."""
    short, before = learned(strategy, SHORT), loopback_bytes()
    long = learned(strategy, LONG)
    moved = loopback_bytes() - before
    pictures = (LONG - SHORT) * PICTURES
    return {
        "per_second": pictures / (long["seconds"] - short["seconds"]),
        "replicas": long["replicas"],
        "parameters": long["parameters"],
        "bytes_per_step": moved / (LONG * (PICTURES // BATCH)),
    }


def loopback_bytes() -> int:
    """Bytes that this machine has sent to itself so far."""
    line = next(each for each in NETWORK.read_text().splitlines() if each.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def run_fn(fn_args: Any) -> None:
    """What each process of the several does: the chief writes what it found."""
    from trainer_modules.common.strategies import is_chief, make_strategy

    config = fn_args.custom_config
    make_strategy("multiworker")
    found = timed("multiworker")
    if is_chief():
        Path(config["result"]).write_text(json.dumps(found))


def one(strategy: str, count: int) -> dict[str, Any]:
    """A case, in this process or in those that it starts."""
    if strategy == "multiworker":
        from trainer_modules.common import workers

        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            config = {"run_fn": "benchmarks.scaling.run_fn", "workers": count, "result": str(result), "strategy": strategy}
            taken = dict.fromkeys(workers.TAKEN)
            workers.train(types.SimpleNamespace(**taken | {"custom_config": config}))  # type: ignore[arg-type]
            found: dict[str, Any] = json.loads(result.read_text())
            return found
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    return timed(strategy)


def gpu_cases() -> list[tuple[str, int]]:
    """Cases of the GPUs that are there."""
    command = [sys.executable, "-c", "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"]
    count = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    counts = [number for number in (1, 2, 4, 8) if number <= count]
    return [("single", 1), *(("mirrored", number) for number in counts)] if count else []


def in_a_process(strategy: str, count: int, gpus: bool) -> dict[str, Any]:
    """A case in a process of its own, which sees only so many GPUs."""
    visible = ",".join(map(str, range(count))) if gpus else "-1"
    found: dict[str, Any] = alone("benchmarks.scaling", "--one", strategy, count, CUDA_VISIBLE_DEVICES=visible, TF_CPP_MIN_LOG_LEVEL="3")
    return found


def lines(cases: list[tuple[str, int]], rounds: int, gpus: bool) -> Iterator[list[str]]:
    """A line for each case: medians over rounds in which the cases take turns."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            found[case].append(in_a_process(*case, gpus))
    base = statistics.median(each["per_second"] for each in found[cases[0]])
    for (strategy, count), each in found.items():
        rate = statistics.median(one["per_second"] for one in each)
        devices = count if gpus else 1
        ring = 2 * (count - 1) * 4 * each[0]["parameters"]
        sent = statistics.median(one["bytes_per_step"] for one in each)
        kind = ("GPU", "GPUs") if gpus else ("process", "processes") if strategy == "multiworker" else ("device", "devices")
        what = f"`{strategy}`, {count} {kind[count > 1]}"
        measured = f"{sent / 1e6:.2f}" if strategy == "multiworker" else "–"
        yield [what, f"{rate:,.0f}", f"{rate / base / devices:.2f}", f"{ring / 1e6:.2f}", measured]


HEAD = """# Scaling

`make bench-scale`, {date}, {machine}, commit {commit}.

## Over devices and processes

`mnist_lenet`, {pictures:,} pictures in batches of {batch} over all replicas, medians of {rounds} rounds in which the cases take turns. All
cores of the machine work in every case: over virtual CPUs there is nothing to gain, and the efficiency is what sharing the work costs.
What a ring of replicas has to exchange is twice the weights for each but one; what processes sent is what went over loopback.

"""
XLA = """
## With XLA

Networks that Keras's `fit` trains, on random examples, medians of {rounds} rounds in which both take turns. Keras compiles by XLA where
there is a GPU or TPU and one replica, and not where there are only CPUs; Darsena leaves that to it.

"""
GROWTH = """
## With the data

A run of `house_prices`, one epoch, on 5,000 generated rows and multiples of them, each in a process of its own: seconds, the exponent of
growth between the two largest (1 is linear), and the most memory that the process held during the node. It keeps what it has imported
and read, so the memory of a node includes that of those before it.

"""


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=lambda path: Path(path).absolute(), default=Path("bench_root/growth").absolute())
    parser.add_argument("--write", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], int(arguments.one[1]))))
        return
    gpus = gpu_cases()
    cases = [*lines(list(CPU_CASES), arguments.rounds, gpus=False), *(lines(gpus, arguments.rounds, gpus=True) if gpus else ())]
    columns = ["strategy", "pictures/s", "efficiency", "MB to exchange, each step", "MB sent, each step"]
    head = HEAD.format(
        date=datetime.date.today(), machine=machine(), commit=commit(), pictures=PICTURES, batch=BATCH, rounds=arguments.rounds
    )
    devices = head + table(columns, cases) + "\n"
    compiled = XLA.format(rounds=arguments.rounds) + xla_table(arguments.rounds) + "\n"
    found = devices + compiled + GROWTH + growth_table(list(SIZES), arguments.root) + "\n"
    print(found)
    if arguments.write:
        arguments.write.write_text(found)


if __name__ == "__main__":
    main()
