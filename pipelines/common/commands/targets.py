"""What `submit` and `job` share: the options that say where runs are, and waiting for one."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import click

from pipelines.common.commands.options import is_debug, print_json, together
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.quiet import NOWHERE, quiet
from pipelines.common.remote.kubeflow import Kubeflow
from pipelines.common.remote.submitting import SUCCEEDED, Interrupted, Run, Service, Show, Unreachable, follow
from pipelines.common.remote.target import KUBEFLOW, TARGETS, VERTEX
from pipelines.common.remote.vertex import Vertex

SERVICES: dict[str, type[Vertex] | type[Kubeflow]] = {VERTEX: Vertex, KUBEFLOW: Kubeflow}


def http_address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An address without the slash at its end.

    Raises:
        UsageError: it has no http.
    """
    if value and not value.startswith(("https://", "http://")):
        raise UsageError(f"expected --host to be an http(s) address, received {value!r}.")
    return value and value.rstrip("/")


# Those of `service`.
target_options = together(
    click.option("--target", type=click.Choice(TARGETS), required=True, help="Who runs it."),
    click.option("--project", metavar="ID", help="Vertex AI's: project."),
    click.option("--region", metavar="NAME", help="Vertex AI's: region, such as europe-west4."),
    click.option("--host", metavar="URL", callback=http_address, help="Kubeflow's: address of its API."),
    click.option("--namespace", metavar="NAME", help="Kubeflow's: namespace of the runs, where there are several users."),
)


def service(target: str, options: dict[str, Any]) -> Service:
    """Who runs pipelines, from the options.

    Args:
        target: VERTEX or KUBEFLOW.
        options: by the names of its attributes; empty where they were not given.

    Raises:
        UsageError: one is missing, or is the other target's.
    """
    kind = SERVICES[target]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value and name not in fields:
            raise UsageError(f"expected no {option} with --target {target}, which has no such thing.")
        required = name in fields and fields[name].default is fields[name].default_factory is dataclasses.MISSING
        if required and not value:
            raise UsageError(f"expected {option} with --target {target}. Add it.")
    return kind(**{name: value for name, value in options.items() if value})


def arguments(target: str, options: dict[str, Any]) -> str:
    """The options of `service` as typed."""
    return " ".join(
        [f"--target {target}", *(f"--{name} {options[name]}" for name in ("project", "region", "host", "namespace") if options[name])]
    )


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE by name.

    Raises:
        UsageError: one is none, or a name has two values.
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise UsageError(f"expected {option} NAME=VALUE, received {each!r}.")
        if name in found:
            raise UsageError(f"expected one value for {option} {name}, received {found[name]!r} and {value!r}.")
        found[name] = value
    return found


@contextlib.contextmanager
def asking(as_json: bool) -> Iterator[Show]:
    """Hides what the clients say, unless --debug was given.

    Args:
        as_json: whether standard output is for JSON alone.

    Yields:
        What shows a line to the user.
    """
    with quiet(None if is_debug() else NOWHERE) as (out, err):
        yield lambda line: click.echo(line, file=err if as_json else out)


def wait(where: Service, run: str, again: str, as_json: bool) -> Run:
    """Follows a run to its end, showing its nodes.

    Args:
        where: it runs.
        run: id.
        again: the command that waits for it too.
        as_json: whether standard output is for JSON alone.

    Raises:
        DarsenaError: it can't be followed any more, or Ctrl-C was pressed; it goes on.
    """
    try:
        with asking(as_json) as show:
            return follow(where, run, show)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; the run goes on. To wait again: {again}") from error
    except Unreachable as error:
        raise DarsenaError(f"{error} The run may go on. To wait again: {again}") from error


def end(where: Service, run: str, found: Run, as_json: bool) -> None:
    """Tells how a run ended.

    Raises:
        DarsenaError: not well.
    """
    if as_json:
        print_json({"run": run, "address": where.address(run), **dataclasses.asdict(found)})
    elif found.state == SUCCEEDED:
        click.echo(f"{run} {found.state}")
    if found.state != SUCCEEDED:
        raise DarsenaError(f"{run} {found.state}: {found.reason or 'no reason was told'}. Look at {where.address(run)}")
