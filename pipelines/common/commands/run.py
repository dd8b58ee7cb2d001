"""`darsena run MODEL`: one run of a model's pipeline."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import click

from components.imports import uncollected
from pipelines.common import databases, hyperparameters
from pipelines.common.commands import machines
from pipelines.common.commands.options import (
    Command,
    beam_option,
    beam_options_option,
    console,
    debug_option,
    is_debug,
    json_option,
    metadata_option,
    model_argument,
    print_json,
    root_option,
)
from pipelines.common.config import Data, ModelConfig, RunConfig
from pipelines.common.engines import checks
from pipelines.common.errors import ExitCode, UsageError
from pipelines.common.layout import load_model, model_names, runs_dir
from pipelines.common.quiet import log_file, quiet
from pipelines.common.trust import require_key
from trainer_modules.common.strategies import PRECISIONS


class RunCommand(Command):
    """A command whose --help, given a model's name too, tells that model's hyperparameters, data and reference."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps the arguments for `format_epilog`, because --help takes effect before they are parsed."""
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Adds the part about the model, and the examples."""
        for name in [name for name in ctx.meta.get(__name__, []) if name in model_names()][:1]:
            model = load_model(name)
            with formatter.section(f"Hyperparameters of {name}, for --set"):
                formatter.write_dl([(key, described(default)) for key, default in model.hparams.items()])
            if model.presets:
                with formatter.section(f"Presets of {name}, for --preset"):
                    formatter.write_dl([(key, preset.description) for key, preset in model.presets.items()])
            about = {"learns": model.learns, "data": model.data.description, "PATH": model.data.formats, "reference": model.reference}
            with formatter.section(f"About {name}"):
                formatter.write_dl(list(about.items()))
        super().format_epilog(ctx, formatter)


def described(default: Any) -> str:
    """Type and default of a hyperparameter."""
    return f"{type(default).__name__}, default {default if default != '' else 'empty'}"


class Duration(click.ParamType):
    """A time such as 90s, 10m or 1h, turned into seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds.

        Raises:
            UsageError: it is not a number of seconds, minutes or hours, or is nothing.
        """
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", value.strip())
        seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
        if not seconds:
            raise UsageError(f"expected {param.opts[0] if param else 'a time'} to be a time such as 90s, 10m or 1h, received {value!r}.")
        return seconds


EXAMPLES = ("darsena run {model}", "darsena run {model} --data full --epochs 10", "darsena run {model} --help")


@click.command("run", cls=RunCommand, examples=EXAMPLES)
@model_argument
@click.option("--data", default="sample", metavar="sample|full|PATH", show_default=True, help="Embedded sample, full data, or your own.")
@root_option
@metadata_option
@click.option("--runner", type=click.Choice(["local", "beam"]), default="local", show_default=True, help="Who runs the components.")
@beam_option
@beam_options_option
@machines.machine_options
@click.option(
    "--precision", type=click.Choice(list(PRECISIONS)), default="float32", show_default=True, help="Of the training's arithmetic."
)
@click.option("--scale-batch", is_flag=True, help="Batch and learning rate times the number of replicas.")
@click.option("--preset", default="", metavar="NAME", help="A variant of the model (see `run MODEL --help`).")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A hyperparameter (repeatable; see `run MODEL --help`).")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="The same as --set epochs=N.")
@click.option("--time-limit", type=Duration(), default=0.0, metavar="TIME", help="Begin no trial after 90s, 10m, 1h.  [default: none]")
@click.option("--bless", is_flag=True, help="Push the model though the Evaluator does not bless it; takes --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the records.")
@click.option("--no-cache", is_flag=True, help="Answer no component from an earlier run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=42, show_default=True, metavar="N", help="Of all random choices.")
@json_option
@debug_option
def command(
    model: ModelConfig,
    data: str,
    root: Path,
    settings: tuple[str, ...],
    epochs: int | None,
    preset: str,
    bless: bool,
    reason: str,
    no_cache: bool,
    train_on: Path | None,
    beam: str,
    beam_options: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """From raw data to a blessed and pushed model.

    Exit codes: 0 blessed and pushed, 1 failed, 2 wrong usage, 3 not blessed, 4 not blessed as the data was rejected.
    """
    if bless != bool(reason.strip()):
        raise UsageError("expected --bless and --reason together, received one of them: a blessing by hand is kept with its reason.")
    machines.check(options["strategy"], options["workers"], options["tune"])
    job = machines.train_on(train_on, options["strategy"], options["tune"], root / "jobs")
    databases.check(options["metadata"])
    engine = checks.checked(checks.chosen(beam, beam_options), root)
    require_key()
    hparams, found = resolved(model, preset, overrides(settings, epochs), data, root)
    kept: dict[str, Any] = {"preset": preset, "engine": engine, "cache": not no_cache, "bless": reason.strip()}
    run = RunConfig(root=root, data=found, hparams=hparams, train_on=job, **kept, **options)
    log = None if is_debug() else log_file(root, f"run-{model.name}")
    with quiet(log) as (out, err):
        record = run_pipeline(model, run, err if as_json else out, checked=bool(settings))
    if as_json:
        print_json(record)
    if record["exit_code"] != ExitCode.OK:
        trace = runs_dir(root, model.name) / record["run_id"] / "traceback.txt"
        if log is None and trace.is_file():
            click.echo(trace.read_text(), err=True)
        where = f" Log: {log}" if log else ""
        click.echo(f"darsena: {record['verdict']}: {record['reason'].rstrip('.')}.{where}", err=True)
    return int(record["exit_code"])


def resolved(model: ModelConfig, preset: str, settings: Mapping[str, str], data: str, root: Path) -> tuple[dict[str, Any], Data]:
    """Hyperparameters and data of a run, both as they are to be.

    Args:
        model: what to make.
        preset: name of a variant; empty for none.
        settings: hyperparameters as typed, by name.
        data: "sample", "full" or a path.
        root: of the runs.
    """
    chosen = model.with_preset(preset)
    hparams = chosen.with_overrides(settings)
    from pipelines.common.data import resolve_data

    found = resolve_data(chosen.data, data, root)
    if model.prepare:
        hparams, found = model.prepare(hparams, found)
    if hparams.get("classes") == 0:
        hparams["classes"] = len(found.class_names)
    return hparams, found


def overrides(settings: tuple[str, ...], epochs: int | None) -> dict[str, str]:
    """Hyperparameters as typed, by name.

    Raises:
        UsageError: a setting is not NAME=VALUE, or a hyperparameter is set twice.
    """
    return hyperparameters.settings("--set", (*settings, *([f"epochs={epochs}"] if epochs else [])))


def run_pipeline(model: ModelConfig, run: RunConfig, terminal: TextIO, *, checked: bool) -> dict[str, Any]:
    """Runs the pipeline and shows it as it goes.

    Args:
        model: what to make.
        run: where and how.
        terminal: where to show progress and the summary.
        checked: whether to see first that a model can be built with these hyperparameters.

    Returns:
        The record of the run.

    Raises:
        UsageError: no model can be.
    """
    from rich.live import Live
    from rich.spinner import Spinner

    screen = console(terminal)
    # Not console.status(): it would redirect what libraries print back to the terminal.
    spinner = Live(
        Spinner("dots", "loading TensorFlow and TFX"), console=screen, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with spinner, uncollected():
        from pipelines.common import graph, runs
        from reporting import terminal as view

        check_devices(run)
        if checked:
            check_hparams(model, run.hparams)
    record = runs.execute(model, run, lambda nodes: view.Progress(nodes, graph.DESCRIPTIONS, screen))
    screen.print(view.summary(record))
    return record


def check_devices(run: RunConfig) -> None:
    """Asks for the devices once, so that what is missing is told before the data is read.

    Raises:
        UsageError: the strategy can't be had, or a batch can't be shared.
    """
    from trainer_modules.common import strategies

    try:
        strategies.check(run.strategy, run.workers, None if run.scale_batch else run.hparams.get("batch_size"))
    except (ValueError, RuntimeError) as error:
        raise UsageError(str(error)) from error


def check_hparams(model: ModelConfig, hparams: Mapping[str, Any]) -> None:
    """Builds the model once, so that hyperparameters it can't have are told before the data is read.

    Raises:
        UsageError: it can't be built.
    """
    import keras

    try:
        importlib.import_module(model.trainer_module).build_model(hparams)
    except ValueError as error:
        # Keras adds the tensors that it was given.
        reason = " ".join(str(error).partition("Arguments received")[0].split())
        raise UsageError(f"{model.name} can't be built with these hyperparameters: {reason}") from error
    finally:
        # Layers are named by their number in the process.
        keras.backend.clear_session()
