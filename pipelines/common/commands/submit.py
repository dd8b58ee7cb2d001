"""`darsena submit FILE|MODEL --target vertex|kubeflow`: sends what `darsena compile` wrote, or would write, to who runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands import compile as compiling
from pipelines.common.commands.options import Command, ModelName, debug_option, json_option, print_json, root_option
from pipelines.common.commands.targets import arguments, asking, end, pairs, service, target_options, wait
from pipelines.common.config import ModelConfig
from pipelines.common.errors import UsageError
from pipelines.common.remote.submitting import check, read, with_parameters

EXAMPLES = (
    "darsena submit {model} --target vertex --pipeline-root gs://bucket/darsena --image IMAGE --project my-project --region europe-west4 "
    "--wait",
    "darsena submit {model} --target kubeflow --pipeline-root minio://mlpipeline/darsena --image IMAGE --volume darsena "
    "--host http://localhost:8080",
    "darsena submit job.json --target vertex --project my-project --region europe-west4 --wait",
    "darsena submit pipeline.yaml --target kubeflow --host http://localhost:8080 --parameter data=/mnt/darsena/data/new",
    'darsena submit job.json --target vertex --project my-project --region europe-west4 --cron "0 3 * * *"',
)
# Names of the options that only a MODEL is compiled with.
COMPILING = {param.name for param in compiling.command.params} - {"model", "target", "out", "as_json", "debug"}


class Submit(Command):
    """A command whose --help has what a MODEL is compiled with in a section of its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Adds the options."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for title, compiles in (("Options", False), ("With a MODEL, as of compile", True)):
            with formatter.section(title):
                records = [option.get_help_record(ctx) for option in options if (option.name in COMPILING) is compiles]
                formatter.write_dl([record for record in records if record])


class FileOrModel(click.ParamType):
    """A file, as its Path; where there is none, a model's name, turned into its ModelConfig."""

    name = "file or model"

    def convert(self, value: str | Path | ModelConfig, param: click.Parameter | None, ctx: click.Context | None) -> Path | ModelConfig:
        """The file, or the model's configuration.

        Raises:
            UsageError: there is neither; the message suggests a model.
        """
        if not isinstance(value, str):
            return value
        file = Path(value)
        if file.exists() and not file.is_dir():
            return file
        try:
            return ModelName().convert(value, param, ctx)
        except UsageError as error:
            expected = "a FILE that `darsena compile` wrote, or the name of a MODEL"
            raise UsageError(f"expected {expected}, received {value!r}: there is no such file, and {error}") from error

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names of models that begin with what was typed; where none does, files."""
        from click.shell_completion import CompletionItem

        return ModelName().shell_complete(ctx, param, incomplete) or [CompletionItem(incomplete, type="file")]


@click.command("submit", cls=Submit, examples=EXAMPLES)
@click.argument("what", type=FileOrModel())
@target_options
@click.option("--service-account", metavar="NAME", help="That the run gets.  [default: the target's]")
@click.option("--experiment", metavar="NAME", help="Kubeflow's: where the run is listed; made if need be.  [default: Default]")
@click.option("--label", multiple=True, metavar="NAME=VALUE", help="Vertex AI's: a label of the run (repeatable).")
@click.option("--parameter", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline (repeatable).")
@click.option("--wait", "waits", is_flag=True, help="Until the run has ended, showing its nodes.")
@click.option("--cron", metavar="TIMES", help='Start runs again and again: five fields of cron, such as "0 3 * * *".')
@compiling.compile_options
@root_option
@json_option
@debug_option
def command(
    what: Path | ModelConfig,
    target: str,
    label: tuple[str, ...],
    parameter: tuple[str, ...],
    waits: bool,
    cron: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a pipeline on Vertex AI or Kubeflow Pipelines, once or on a schedule.

    WHAT is a FILE that `darsena compile` wrote, which is sent as it is; or the name of a MODEL, whose pipeline is compiled first: to the
    same as `darsena compile MODEL` writes with the same options.

    Exit codes: 0 sent (with --wait: succeeded), 1 refused or failed, 2 wrong usage; nothing was sent then.
    """
    if cron and waits:
        raise UsageError("expected --wait or --cron, received both: a schedule has no end.")
    if cron and len(cron.split()) != 5:
        raise UsageError(f"expected --cron to have five fields (minute, hour, day, month, weekday), received {cron!r}.")
    how = {name: options.pop(name) for name in COMPILING}
    where = service(target, options | {"label": pairs("--label", label)})
    given = pairs("--parameter", parameter)
    if isinstance(what, Path):
        refuse_compiling(what)
        job = read(what, target)
    else:
        job, here, there = compiling.compiled(what, target, **how)
        if not (as_json or "data" in given):
            click.echo(f"data      {here} is to be at {there}")
    job = with_parameters(job, given)
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


def refuse_compiling(file: Path) -> None:
    """Raises UsageError if an option was given that only a MODEL is compiled with."""
    context = click.get_current_context()
    for param in context.command.params:
        if param.name in COMPILING and context.get_parameter_source(param.name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(
                f"expected no {param.opts[0]} with {file}, which is compiled already. Leave it out, or name a MODEL instead of the file."
            )


def tell(kind: str, name: str, address: str, as_json: bool) -> None:
    """What was made, and where to look."""
    if as_json:
        print_json({kind: name, "address": address})
    else:
        click.echo(f"{kind:8}  {name}\nlook at   {address}")
