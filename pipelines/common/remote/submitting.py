"""Sending a compiled pipeline, and following its run: what Vertex AI (vertex.py) and Kubeflow Pipelines (kubeflow.py) have in common."""

from __future__ import annotations

import dataclasses
import datetime
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pipelines.common.errors import INTERRUPTED, DarsenaError, UsageError
from pipelines.common.remote import checks
from pipelines.common.remote.target import KUBEFLOW

Job = dict[str, Any]
Show = Callable[[str], None]
Answer = TypeVar("Answer")

SUCCEEDED, FAILED = "succeeded", "failed"
# Vertex AI and Kubeflow spell it differently.
ENDED = (SUCCEEDED, FAILED, "cancelled", "canceled", "skipped")
SECONDS = 15.0  # between two looks at a run
TRIES = 10
TIMEOUT = 60.0  # of a request, in seconds
# What the values of parameters are in JSON; those of type STRING are taken as typed.
TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}
# By HTTP's status codes, which the names of gRPC's correspond to.
TRANSIENT = (502, 503, 504)
ADVICE = {
    401: "Sign in again: the credentials are not, or no longer, valid.",
    403: "Have this account given the right, or use another one.",
    404: "Check the names in the command.",
    429: "A quota is used up: let other runs end, compile with less (--cpu, --memory, --accelerator), or have the quota raised.",
}


class Unreachable(DarsenaError):
    """The target gave no answer, for a reason that may pass."""


class Interrupted(DarsenaError):
    """Nobody waits any more for a run that goes on."""

    exit_code = INTERRUPTED


@dataclasses.dataclass(frozen=True)
class Run:
    """How far a run is.

    Attributes:
        state: in lower case; one of ENDED if it has ended.
        nodes: states by name.
        reason: why it failed, with the nodes that did; empty otherwise.
    """

    state: str
    nodes: Mapping[str, str]
    reason: str = ""


class Service(Protocol):
    """Who runs pipelines. Every method raises DarsenaError for what it refuses, Unreachable where it does not answer."""

    def submit(self, job: Job, show: Show) -> str:
        """Starts a run, never two, and returns its id."""

    def schedule(self, job: Job, cron: str) -> str:
        """Has runs started at the times that five fields of cron say, and returns the schedule's id."""

    def status(self, run: str) -> Run:
        """How far a run is."""

    def logs(self, run: str) -> list[str]:
        """Commands that print what the nodes of a run have logged."""

    def address(self, run: str) -> str:
        """The page of a run."""

    def schedule_address(self, schedule: str) -> str:
        """The page of a schedule."""


def read(file: Path, target: str) -> Job:
    """The job in a file that `darsena compile` wrote.

    Args:
        file: of that target.
        target: VERTEX or KUBEFLOW.

    Returns:
        A job as compile_job() returns it; one of Kubeflow, whose file has no values, gets them by with_parameters().

    Raises:
        UsageError: the file is something else.
    """
    import yaml

    try:
        text = file.read_text()
        if target == KUBEFLOW:
            spec, *platforms = yaml.safe_load_all(text)
            job = {"pipelineSpec": spec, **(platforms[0] if platforms else {})}
        else:
            job = json.loads(text)
        if not {"root", "components", "deploymentSpec", "pipelineInfo"} <= set(job["pipelineSpec"]):
            raise ValueError("it has no pipeline specification")
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise UsageError(f"expected {file} to be what `darsena compile --target {target}` writes, could not read it ({error}).") from error
    return job


def with_parameters(job: Job, given: Mapping[str, str]) -> Job:
    """The job with values for all parameters: those given, else those in the job, else the defaults of its specification.

    Raises:
        UsageError: a parameter is not there, has a value of another type, or ends with none.
    """
    defined = job["pipelineSpec"]["root"].get("inputDefinitions", {}).get("parameters", {})
    known = ", ".join(sorted(defined)) or "none"
    unknown = sorted(set(given) - set(defined))
    if unknown:
        raise UsageError(f"the pipeline has no parameter {', '.join(unknown)}. It has {known}.")
    values = {name: each["defaultValue"] for name, each in defined.items() if "defaultValue" in each}
    values |= job.get("runtimeConfig", {}).get("parameterValues", {})
    values |= {name: typed(name, text, defined[name]["parameterType"]) for name, text in given.items()}
    missing = sorted(set(defined) - set(values))
    if missing:
        raise UsageError(f"expected a value for every parameter ({known}), received none for {', '.join(missing)}. Add --parameter.")
    return job | {"runtimeConfig": job.get("runtimeConfig", {}) | {"parameterValues": values}}


def typed(name: str, text: str, kind: str) -> Any:
    """A parameter's value from what was typed.

    Raises:
        UsageError: it is of another type.
    """
    if kind not in TYPES:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise UsageError(f"expected --parameter {name} to be a {kind} in JSON's notation, received {text!r}.")
    return value


def check(job: Job, target: str) -> None:
    """Raises UsageError for a job that the target could not run (checks.py)."""
    try:
        checks.check_job(job, target)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{error} Compile it again with `darsena compile`.") from error


def new_name(job: Job) -> str:
    """A name for a run that no other has: it can be told from others when an answer got lost."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    return f"{job['pipelineSpec']['pipelineInfo']['name']}-{now}-{secrets.token_hex(3)}"


def refused(who: str, status: int | None, reason: str) -> DarsenaError:
    """What to tell of a failed request.

    Args:
        who: was asked.
        status: HTTP's code.
        reason: in the words of who was asked.

    Returns:
        Unreachable if the reason may pass.
    """
    reason = " ".join(reason.split()).rstrip(".")
    if status in TRANSIENT:
        return Unreachable(f"{who} does not answer ({reason}).")
    return DarsenaError(f"{who} refused: {reason}. {ADVICE.get(status or 0, '')}".rstrip())


def failure(names: Iterable[str], messages: Iterable[str]) -> str:
    """Failed nodes and why, each once."""
    return ": ".join(filter(None, (", ".join(dict.fromkeys(names)), "; ".join(filter(None, dict.fromkeys(messages))))))


def persist(ask: Callable[[], Answer], show: Show) -> Answer:
    """Asks until there is an answer; only for what may be asked twice.

    Raises:
        Unreachable: there was none TRIES times in a row.
    """
    for _ in range(TRIES - 1):
        try:
            return ask()
        except Unreachable as error:
            show(f"{error} Trying again.")
            pause()
    try:
        return ask()
    except Unreachable as error:
        raise Unreachable(f"{error} Gave up after {TRIES} tries.") from error


def follow(service: Service, run: str, show: Show) -> Run:
    """Waits until a run has ended, and shows the state of each node whenever it changes.

    Raises:
        Unreachable: the service gives no answer any more; the run may go on.
    """
    states: Mapping[str, str] = {}
    while True:
        found = persist(lambda: service.status(run), show)
        for node, state in found.nodes.items():
            if states.get(node) != state:
                show(f"{node}  {state}")
        states = found.nodes
        if found.state in ENDED:
            return found
        pause()


def pause() -> None:
    """Waits between two looks."""
    time.sleep(SECONDS)
