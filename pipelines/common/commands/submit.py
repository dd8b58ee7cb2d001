"""`darsena submit FILE --target vertex|kubeflow`: sends what `darsena compile` wrote to who runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import Command, debug_option, json_option, print_json
from pipelines.common.commands.targets import arguments, asking, end, pairs, service, target_options, wait
from pipelines.common.errors import UsageError
from pipelines.common.remote.submitting import check, read, with_parameters

EXAMPLES = (
    "darsena submit job.json --target vertex --project my-project --region europe-west4 --wait",
    "darsena submit pipeline.yaml --target kubeflow --host http://localhost:8080 --parameter data=/mnt/darsena/data/new",
    'darsena submit job.json --target vertex --project my-project --region europe-west4 --cron "0 3 * * *"',
)


@click.command("submit", cls=Command, examples=EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@target_options
@click.option("--service-account", metavar="NAME", help="That the run gets.  [default: the target's]")
@click.option("--experiment", metavar="NAME", help="Kubeflow's: where the run is listed; made if need be.  [default: Default]")
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="Vertex AI's: a label of the run (repeatable).")
@click.option("--parameter", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline (repeatable).")
@click.option("--wait", "waits", is_flag=True, help="Until the run has ended, showing its nodes.")
@click.option("--cron", metavar="TIMES", help='Start runs again and again: five fields of cron, such as "0 3 * * *".')
@json_option
@debug_option
def command(
    file: Path,
    target: str,
    label: tuple[str, ...],
    parameter: tuple[str, ...],
    waits: bool,
    cron: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a compiled pipeline on Vertex AI or Kubeflow Pipelines, once or on a schedule.

    Exit codes: 0 sent (with --wait: succeeded), 1 refused or failed, 2 wrong usage; nothing was sent then.
    """
    if cron and waits:
        raise UsageError("expected --wait or --cron, received both: a schedule has no end.")
    if cron and len(cron.split()) != 5:
        raise UsageError(f"expected --cron to have five fields (minute, hour, day, month, weekday), received {cron!r}.")
    where = service(target, options | {"label": pairs("--label", label)})
    job = with_parameters(read(file, target), pairs("--parameter", parameter))
    check(job, target)
    if cron:
        with asking(as_json):
            schedule = where.schedule(job, cron)
        tell("schedule", schedule, where.schedule_address(schedule), as_json)
        return
    with asking(as_json) as show:
        run = where.submit(job, show)
    if not (waits and as_json):
        tell("run", run, where.address(run), as_json)
    if waits:
        end(where, run, wait(where, run, f"darsena job {run} {arguments(target, options)} --wait", as_json), as_json)


def tell(kind: str, name: str, address: str, as_json: bool) -> None:
    """What was made, and where to look."""
    if as_json:
        print_json({kind: name, "address": address})
    else:
        click.echo(f"{kind:8}  {name}\nlook at   {address}")
