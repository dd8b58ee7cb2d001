"""Options of `run` and `compile` that have several processes or machines train, and what can't go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.common.commands.options import together
from pipelines.common.errors import UsageError
from trainer_modules.common import strategies

# Each says how to search.
OF_A_SEARCH = ("trials", "time_limit", "parallel_trials")

machine_options = together(
    click.option("--strategy", type=click.Choice(strategies.NAMES), default="auto", show_default=True, help="How training is distributed."),
    click.option(
        "--workers",
        type=click.IntRange(min=2),
        callback=lambda _context, _parameter, value: value or 0,
        metavar="N",
        help="Processes of --strategy multiworker or parameter_server.",
    ),
    click.option("--tune", is_flag=True, help="Search hyperparameters first."),
    click.option("--trials", type=click.IntRange(min=1), default=5, metavar="N", show_default=True, help="At most so many of a search."),
    click.option("--parallel-trials", type=click.IntRange(min=1), default=1, metavar="N", show_default=True, help="So many at a time."),
    click.option(
        "--train-on",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Have these workers or trials on machines of their own: kubeflow/tfjob.yaml, customjob.yaml.",
    ),
)


def check(strategy: str, workers: int, tune: bool) -> None:
    """Refuses what can't go together, for the command that is running.

    Raises:
        UsageError: it can't.
    """
    context = click.get_current_context()
    if not tune:
        for name in OF_A_SEARCH:
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                option = name.replace("_", "-")
                raise UsageError(f"expected --tune with --{option}, which says how to search. Add it, or leave out --{option}.")
    elif strategy in strategies.OF_SEVERAL:
        raise UsageError(f"expected another --strategy than {strategy} with --tune, whose trials train in one process each. Tune first.")
    try:
        strategies.check_workers(strategy, workers)
    except ValueError as error:
        raise UsageError(str(error)) from error


def train_on(file: Path | None, strategy: str, tune: bool, folder: Path, copied: bool = False) -> dict[str, Any]:
    """`train_on` of a RunConfig.

    Args:
        file: of a job; None for this machine.
        strategy: of training.
        tune: whether there is a search.
        folder: that all machines see.
        copied: whether they see nothing else of a node's.

    Raises:
        UsageError: the file is none of a job, or there is nothing for it to do.
    """
    if file is None:
        return {}
    if strategy != "multiworker" and not tune:
        raise UsageError(f"expected --train-on with --strategy multiworker or --tune, received --strategy {strategy}.")
    from trainer_modules.common import jobs

    try:
        return {"job": jobs.read(file), "folder": str(folder), "copied": copied}
    except ValueError as error:
        raise UsageError(str(error)) from error
