"""A training by several machines that a service brings up: a TFJob of Kubernetes (tf_job.py), or a CustomJob of Vertex AI (custom_job.py).

Each machine runs `python -m trainer_modules.common.workers`. What the Trainer reads and writes is where all of them find it at the same
path, or is copied there and back. Trials of a search are such jobs too, of one machine each (trials.py).
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trainer_modules.common import workers

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

ARGUMENTS = "fn_args.json"
COMMAND = ["python", "-m", "trainer_modules.common.workers"]
# Of the arguments of a Trainer or Tuner: what is read, and what is made.
PATTERNS, FOLDERS, MADE = (
    ("train_files", "eval_files"),
    ("transform_output", "transform_graph_path"),
    ("serving_model_dir", "model_run_dir"),
)
SECONDS = 10.0  # between two looks at a job


class Job(Protocol):
    """A job that has been made; its methods raise RuntimeError where the service refuses."""

    def ended(self) -> str | None:
        """None as long as it trains, then empty, or why it failed."""

    def lost(self, reason: str) -> bool:
        """Whether it failed for a worker that lost the others, and nobody but us has them all started again."""

    def remove(self) -> None:
        """Ends it."""


def read(file: Path) -> dict[str, Any]:
    """The description of a job, to be passed to `train`.

    Args:
        file: like kubeflow/tfjob.yaml or kubeflow/customjob.yaml.

    Raises:
        ValueError: it is neither.
    """
    import yaml

    try:
        found = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"expected {file} to be like kubeflow/tfjob.yaml or kubeflow/customjob.yaml, could not read it ({error})."
        ) from error
    service(found).check(found, file)
    return dict(found)


def service(job: Any) -> Any:
    """The module of who runs such a job.

    Raises:
        ValueError: nobody does.
    """
    from trainer_modules.common import custom_job, tf_job

    if isinstance(job, Mapping):
        if "kind" in job:
            return tf_job
        if "jobSpec" in job:
            return custom_job
    raise ValueError("expected a job like kubeflow/tfjob.yaml (with `kind`) or kubeflow/customjob.yaml (with `jobSpec`), received neither.")


def train(fn_args: FnArgs) -> None:
    """Trains by a job and waits for its end; the job is removed if this process is stopped before.

    Args:
        fn_args: of TFX's Trainer; custom_config holds `run_fn`, `workers` (how many) and `train_on`: `job`, of `read`, `folder`, which
            all machines see, and `copied`, whether they see nothing else of this one's.

    Raises:
        RuntimeError: the service refuses the job, or the job failed.
    """
    given = fn_args.custom_config
    with shared(fn_args, given["train_on"]) as (seen, folder):
        arguments = folder / ARGUMENTS
        arguments.write_text(workers.written(seen))
        run(given["train_on"]["job"], name_of(given["run_fn"]), given["workers"], [*COMMAND, str(arguments)])


def run(job: Mapping[str, Any], name: str, count: int, command: Sequence[str], stop: threading.Event | None = None) -> None:
    """Has a job made, and waits for its end; it is removed if this process is stopped before.

    Args:
        job: of `read`.
        name: of `name_of`.
        count: of machines.
        command: that each runs.
        stop: set by another thread that wants the job's end.

    Raises:
        RuntimeError: the service refuses the job, or the job failed.
    """
    for attempt in range(1 + workers.RESTARTS):
        made = service(job).make(job, name if not attempt else f"{name}-{attempt}", count, command)
        reason = waited(made, stop or threading.Event())
        if not reason:
            return
        if not made.lost(reason) or attempt == workers.RESTARTS:
            raise RuntimeError(f"expected {made} to train to the end, it failed: {reason}")
        log.warning("%s lost a worker (%s); all start again from the last checkpoint", made, reason)


def waited(job: Job, stop: threading.Event) -> str:
    """Waits for the end of a job; returns why it failed, empty if it did not."""
    log.info("%s was made", job)
    try:
        while (reason := job.ended()) is None:
            if stop.is_set():
                raise RuntimeError(f"{job} was not waited for.")
            pause()
    except BaseException:
        job.remove()
        raise
    return reason


@contextlib.contextmanager
def shared(fn_args: FnArgs, train_on: Mapping[str, Any]) -> Iterator[tuple[FnArgs, Path]]:
    """A Trainer's or Tuner's arguments as the machines of a job see them.

    Args:
        fn_args: of the component.
        train_on: its `folder` is what all machines see; with `copied`, they see nothing else of what the arguments name.

    Yields:
        The arguments, and a new folder in that one; where the arguments name copies in it, what was made there is copied back at the end.
    """
    Path(train_on["folder"]).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=train_on["folder"], ignore_cleanup_errors=True) as name:
        place = Path(name)
        # The machines' user need not be this one, and what it made may then not be this one's to remove.
        place.chmod(0o777)
        if not train_on.get("copied"):
            yield fn_args, place
            return
        seen = copy.copy(fn_args)
        for which in PATTERNS:
            setattr(seen, which, [copied(Path(each), place / which / str(index)) for index, each in enumerate(getattr(fn_args, which))])
        seen.schema_path = copied(Path(fn_args.schema_path), place / "schema")
        for which in (each for each in FOLDERS if getattr(fn_args, each, None)):
            # TFX has two names for one.
            setattr(seen, which, str(shutil.copytree(getattr(fn_args, which), place / "transform_graph", dirs_exist_ok=True)))
        made = [which for which in MADE if getattr(fn_args, which, None)]
        for which in made:
            setattr(seen, which, str(place / which))
        yield seen, place
        for which in made:
            shutil.copytree(place / which, getattr(fn_args, which), dirs_exist_ok=True)


def copied(pattern: Path, folder: Path) -> str:
    """Copies the files of a pattern; returns the pattern of the copies."""
    folder.mkdir(parents=True)
    for file in pattern.parent.glob(pattern.name):
        shutil.copy(file, folder)
    return str(folder / pattern.name)


def name_of(function: str) -> str:
    """A name that no other job has, from the dotted path of a model's function."""
    return f"{function.split('.')[-2].replace('_', '-')}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def told(error: Exception) -> str:
    """What a service says of a refused request, in short."""
    try:
        return str(json.loads(getattr(error, "body", "") or "")["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return " ".join(str(error).split())[:300].rstrip(".")


def pause() -> None:
    """Waits between two looks."""
    time.sleep(SECONDS)
