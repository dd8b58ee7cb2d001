"""The `darsena` command: finds the subcommand, loads only that one, and turns every failure into one line and an exit code.

Nothing here, or in what `list` and `--help` load, imports TensorFlow or NumPy.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

import click

from components.errors import DataRejected
from pipelines.common.commands.options import debug_option
from pipelines.common.errors import INTERRUPTED, DarsenaError, ExitCode, UsageError
from pipelines.common.hyperparameters import suggestion
from serving.errors import ServingError

COMMANDS = (
    "list",
    "new",
    "collect",
    "run",
    "status",
    "lineage",
    "report",
    "compare",
    "promote",
    "rollback",
    "verify",
    "sign",
    "serve",
    "monitor",
    "serving-config",
    "compile",
    "submit",
    "job",
    "predict",
    "batch",
    "flink",
    "web",
    "tfjs",
    "doctor",
)


class Commands(click.Group):
    """A group whose commands are the modules of `pipelines/common/commands/`, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of a user's first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The `command` of the command's module.

        Raises:
            UsageError: there is no such command; the message suggests one.
        """
        if cmd_name not in COMMANDS:
            raise UsageError(f"there is no command {cmd_name!r}. {suggestion(cmd_name, list(COMMANDS))}")
        found: click.Command = importlib.import_module(f"pipelines.common.commands.{cmd_name.replace('-', '_')}").command
        return found


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="darsena")
@debug_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """TensorFlow models from raw data to a served, blessed, versioned release.

    \b
    Example:
      darsena list
      darsena run MODEL
      darsena serve
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        The exit code (docs/cli.md).
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in arguments
    if not debug:
        sys.excepthook = unforeseen
    try:
        return int(cli.main(arguments, prog_name="darsena", standalone_mode=False) or ExitCode.OK)
    except click.exceptions.Abort:
        complain("interrupted.")
        return INTERRUPTED
    except (DarsenaError, DataRejected, ServingError, click.ClickException) as error:
        if debug:
            traceback.print_exc()
        complain(message(error))
        return exit_code(error)


def message(error: Exception) -> str:
    """What to tell the user of an expected failure."""
    if isinstance(error, click.UsageError) and error.ctx:
        return f"{error.format_message()} See '{error.ctx.command_path} --help'."
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def exit_code(error: Exception) -> int:
    """The exit code of an expected failure."""
    if isinstance(error, DataRejected):
        return ExitCode.DATA_REJECTED
    return int(getattr(error, "exit_code", ExitCode.FAILED))


def complain(text: str) -> None:
    """One line on standard error."""
    click.echo(f"darsena: {' '.join(text.split())}", err=True)


def unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The interpreter's last resort (sys.excepthook) for failures that nobody expected: one line; it then exits with 1."""
    complain(f"{kind.__name__}: {error}. Add --debug for the traceback.")
