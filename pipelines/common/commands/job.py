"""`darsena job RUN --target vertex|kubeflow`: how far a run is that `darsena submit` sent, and where its logs are."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from pipelines.common.commands.options import Command, debug_option, json_option, print_json
from pipelines.common.commands.targets import arguments, asking, end, service, target_options, wait
from pipelines.common.errors import DarsenaError, UsageError

EXAMPLES = (
    "darsena job RUN --target vertex --project my-project --region europe-west4",
    "darsena job RUN --target kubeflow --host http://localhost:8080 --wait",
    "darsena job RUN --target vertex --project my-project --region europe-west4 --logs",
)


@click.command("job", cls=Command, examples=EXAMPLES)
@click.argument("run")
@target_options
@click.option("--wait", "waits", is_flag=True, help="Until the run has ended, showing its nodes.")
@click.option("--logs", is_flag=True, help="Instead: commands that print the logs of its nodes.")
@json_option
@debug_option
def command(run: str, target: str, waits: bool, logs: bool, as_json: bool, **options: Any) -> None:
    """A run on Vertex AI or Kubeflow Pipelines: its state and its nodes'.

    Exit codes: 0 told (with --wait: succeeded), 1 there is none (with --wait: failed), 2 wrong usage.
    """
    if waits and logs:
        raise UsageError("expected --wait or --logs, received both.")
    where = service(target, options)
    if logs:
        with asking(as_json):
            commands = where.logs(run)
        if not commands:
            raise DarsenaError(f"expected nodes of {run} with logs, received none: no container has begun yet. Try again later.")
        if as_json:
            print_json(commands)
        else:
            click.echo("\n".join(commands))
        return
    if waits:
        end(where, run, wait(where, run, f"darsena job {run} {arguments(target, options)} --wait", as_json), as_json)
        return
    with asking(as_json):
        found = where.status(run)
    if as_json:
        print_json({"run": run, "address": where.address(run), **dataclasses.asdict(found)})
        return
    click.echo(f"{run} {found.state}" + (f": {found.reason}" if found.reason else ""))
    for node, state in found.nodes.items():
        click.echo(f"{node}  {state}")
