"""Trials of a search at the same time: each in a process of this machine, or by a job on a machine of its own.

    python -m trainer_modules.common.trials FOLDER

trains one on such a machine: FOLDER has `fn_args.json`, what the Tuner component gives a tuner_fn, and `values.json`, the trial's
hyperparameters, and gets `metrics.json`, one value per epoch of each metric.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import multiprocessing
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_modules.common import jobs, workers

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs

Metrics = dict[str, list[float]]
TrainTrial = Callable[["keras_tuner.HyperParameters"], Metrics]
# What of the Tuner's arguments a tuner_fn of ours reads.
TAKEN = ("train_files", "eval_files", "transform_graph_path", "schema_path", "custom_config")
ARGUMENTS, VALUES, METRICS = jobs.ARGUMENTS, "values.json", "metrics.json"
COMMAND = ["python", "-m", "trainer_modules.common.trials"]
SECONDS = 0.5  # between two looks at whether a trial is still wanted


@contextlib.contextmanager
def trainer(fn_args: FnArgs, train_trial: TrainTrial) -> Iterator[TrainTrial]:
    """What trains the trials of a search.

    Args:
        fn_args: of TFX's Tuner; custom_config holds `tuner_fn` (dotted path) and perhaps `parallel_trials` (how many at a time) and
            `train_on` (see jobs.train).
        train_trial: trains in this process.

    Yields:
        The same, where trials are neither parallel nor elsewhere; else a function that several threads may call.
    """
    config, stop = fn_args.custom_config, threading.Event()
    try:
        if config.get("train_on"):
            with jobs.shared(fn_args, config["train_on"]) as (seen, folder):
                given = written(seen)
                yield lambda hp: by_a_job(config, given, hp.values, folder, stop)
        elif config.get("parallel_trials", 1) > 1:
            given = written(fn_args)
            yield lambda hp: in_a_process(given, hp.values, stop)
        else:
            yield train_trial
    except BaseException:
        stop.set()
        raise


def written(fn_args: FnArgs) -> str:
    """What a tuner_fn reads of a Tuner's arguments, as JSON; a trial's process searches nothing."""
    taken = {name: getattr(fn_args, name) for name in TAKEN}
    taken["custom_config"] = dict(fn_args.custom_config) | {"parallel_trials": 1, "train_on": {}}
    return json.dumps(taken, default=list)


def in_a_process(fn_args: str, values: Mapping[str, Any], stop: threading.Event) -> Metrics:
    """Trains a trial in a process of this machine, which is killed when `stop` is set.

    Raises:
        RuntimeError: it failed.
    """
    context = multiprocessing.get_context("spawn")
    result, told = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(fn_args, values, told), daemon=True)
    process.start()
    told.close()
    try:
        while not result.poll(SECONDS) and not stop.is_set():
            pass
        metrics, reason = (None, "it was stopped") if stop.is_set() else result.recv()
    except EOFError:
        metrics, reason = None, "its process ended without an answer"
    finally:
        process.kill()
        process.join()
    if metrics is None:
        raise RuntimeError(reason)
    found: Metrics = metrics
    return found


def work(fn_args: str, values: Mapping[str, Any], told: Connection) -> None:
    """The process of a trial."""
    threading.Thread(target=workers.end_with_parent, daemon=True).start()
    try:
        told.send((trained(fn_args, values), ""))
    except Exception as error:  # noqa: BLE001 (whatever it is, the trial has failed)
        told.send((None, f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"))


def by_a_job(config: Mapping[str, Any], fn_args: str, values: Mapping[str, Any], place: Path, stop: threading.Event) -> Metrics:
    """Trains a trial by a job of one machine.

    Args:
        config: of the Tuner; holds `tuner_fn` and `train_on`.
        fn_args: of the Tuner, as the machine sees them.
        values: of the trial's hyperparameters.
        place: a folder that the machine sees too.
        stop: set when nobody wants the trial any more.

    Raises:
        RuntimeError: the service refuses the job, or it failed.
    """
    job = config["train_on"]["job"]
    with tempfile.TemporaryDirectory(dir=place, prefix="trial-") as name:
        folder = Path(name)
        (folder / ARGUMENTS).write_text(fn_args)
        (folder / VALUES).write_text(json.dumps(values))
        jobs.run(job, jobs.name_of(config["tuner_fn"]), 1, [*COMMAND, name], stop)
        found: Metrics = json.loads((folder / METRICS).read_text())
        return found


def trained(fn_args: str, values: Mapping[str, Any]) -> Metrics:
    """Trains a trial in this process.

    Args:
        fn_args: as `written`.
        values: of the searched hyperparameters.
    """
    given = types.SimpleNamespace(**json.loads(fn_args))
    module, _, name = given.custom_config["tuner_fn"].rpartition(".")
    with tempfile.TemporaryDirectory() as given.working_dir:
        search = getattr(importlib.import_module(module), name)(given).tuner
        hp = search.oracle.get_space()
        hp.values = dict(values)
        metrics: Metrics = search.train_trial(hp)
    return metrics


def main() -> None:
    """The command line, see the head of this module."""
    if len(sys.argv) != 2:
        raise SystemExit("expected one argument: the folder of a trial.")
    logging.basicConfig(level=logging.INFO)
    folder = Path(sys.argv[1])
    metrics = trained((folder / ARGUMENTS).read_text(), json.loads((folder / VALUES).read_text()))
    part = folder / f"{METRICS}.part"
    part.write_text(json.dumps(metrics))
    part.replace(folder / METRICS)


if __name__ == "__main__":
    main()
