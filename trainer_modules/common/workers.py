"""A training by several processes of this machine: started, watched, and all started again from the last checkpoint if one dies.

    python -m trainer_modules.common.workers FN_ARGS.json

trains as one worker of the cluster that TF_CONFIG describes, on a machine of its own: FN_ARGS.json holds what the Trainer component gives
a run_fn, as `written` makes it.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trainer_modules.common.cluster import VARIABLE, Cluster, free_addresses, from_environment
from trainer_modules.common.strategies import OF_SEVERAL

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

# What of the Trainer's arguments a run_fn of ours reads.
TAKEN = (
    "train_files",
    "eval_files",
    "transform_output",
    "schema_path",
    "serving_model_dir",
    "model_run_dir",
    "custom_config",
    "hyperparameters",
)
RESTARTS = 3
# A process that did not end well: its name, its exit code (negative: of a signal), and why.
Failure = tuple[str, int, str]
# A worker that ends with this has lost the others, or was taken away: all start again. With any other it has an error of its own.
LOST = 138  # what Kubeflow's training operator takes as worth another try


def wanted(config: Mapping[str, Any]) -> bool:
    """Whether a Trainer is to start workers, rather than be one."""
    # A node of a pipeline on Vertex AI is a cluster of its own, of one machine.
    return config["strategy"] in OF_SEVERAL and config.get("workers", 0) > 1 and from_environment() is None


def written(fn_args: FnArgs) -> str:
    """What a run_fn reads of a Trainer's arguments, as JSON."""
    return json.dumps({name: getattr(fn_args, name) for name in TAKEN}, default=list)


def train(fn_args: FnArgs) -> None:
    """Trains by workers on loopback: each runs the model's run_fn.

    Args:
        fn_args: of TFX's Trainer; custom_config holds `run_fn` (dotted path) and `workers` (how many).

    Raises:
        RuntimeError: a worker has an error of its own, or they were lost too often.
    """
    count = fn_args.custom_config["workers"]
    given = written(fn_args)
    persist(lambda: together(given, free_addresses(count)))


def persist(attempt: Callable[[], Failure | None]) -> None:
    """Attempts a training of several processes until one has ended well.

    Args:
        attempt: starts all of them, from the last checkpoint if there is one; returns None if they ended well.

    Raises:
        RuntimeError: a process has an error of its own, or they were lost too often.
    """
    for _ in range(1 + RESTARTS):
        failed = attempt()
        if failed is None:
            return
        who, code, reason = failed
        if code > 0 and code != LOST:
            raise RuntimeError(f"{who}: {reason}")
        log.warning("%s was lost (%s); all start again from the last checkpoint", who, reason)
    raise RuntimeError(f"expected to train to the end, processes were lost {1 + RESTARTS} times; the last time, {who}: {reason}")


def together(fn_args: str, addresses: Sequence[str]) -> Failure | None:
    """Runs the workers until all have ended well, or one has not: then the others are killed.

    Returns:
        The first that did not; None if all did.
    """
    context = multiprocessing.get_context("spawn")
    workers, reasons = [], []
    for index in range(len(addresses)):
        reason, told = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(fn_args, Cluster(tuple(addresses), index).config(), told), name=f"worker-{index}")
        worker.start()
        told.close()
        workers.append(worker)
        reasons.append(reason)
    try:
        left = {worker.sentinel: index for index, worker in enumerate(workers)}
        while left:
            for sentinel in multiprocessing.connection.wait(list(left)):
                index = left.pop(sentinel)  # type: ignore[arg-type]
                workers[index].join()
                code = workers[index].exitcode
                if code:
                    return f"worker {index} of {len(addresses)}", code, why(code, reasons[index])
        return None
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def why(code: int, reason: multiprocessing.connection.Connection) -> str:
    """One line on why a worker ended."""
    try:
        return str(reason.recv())
    except EOFError:
        return f"it ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with code {code}"


def work(fn_args: str, config: str, told: multiprocessing.connection.Connection) -> None:
    """One worker's process."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ[VARIABLE] = config
    try:
        run(fn_args)
    except Exception as error:  # noqa: BLE001 (whatever it is, this process ends with it)
        told.send(f"{type(error).__name__}: {' '.join(str(error).split())[:400]}")
        end_with(error)
    os._exit(0)


def end_with(error: Exception) -> NoReturn:
    """Ends this process, and tells the log why; not in order, since TensorFlow would wait for the others."""
    logging.error("worker failed", exc_info=error)
    sys.stderr.flush()
    os._exit(LOST if is_loss(error) else 1)


def end_with_parent() -> None:
    """Ends this process as soon as the one that started it has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    if parent:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(LOST)


def is_loss(error: Exception) -> bool:
    """Whether an error says that other workers are gone, and nothing of the training."""
    import tensorflow as tf

    return isinstance(error, (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, TimeoutError))


def run(fn_args: str) -> None:
    """Runs the run_fn that a Trainer's arguments name."""
    given = types.SimpleNamespace(**json.loads(fn_args))
    module, _, name = given.custom_config["run_fn"].rpartition(".")
    getattr(importlib.import_module(module), name)(given)


def main() -> None:
    """The command line, see the head of this module."""
    if len(sys.argv) != 2:
        raise SystemExit("expected one argument: the file of a Trainer's arguments.")
    logging.basicConfig(level=logging.INFO)
    try:
        run(Path(sys.argv[1]).read_text())
    except Exception as error:  # noqa: BLE001 (whatever it is, this process ends with it)
        end_with(error)


if __name__ == "__main__":
    main()
