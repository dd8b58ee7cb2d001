"""Options and arguments that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from pipelines.common import databases
from pipelines.common.config import ModelConfig
from pipelines.common.engines.options import ENGINES
from pipelines.common.layout import load_model, model_names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Function = TypeVar("Function", bound=Callable[..., Any])
LOOPBACK = "127.0.0.1"
GRPC_PORT = 8500
REST_PORT = 8501


class Command(click.Command):
    """A command whose help ends in examples to copy.

    Args:
        examples: command lines; {model} in them becomes the name of a model there is.
    """

    def __init__(self, *args: Any, examples: tuple[str, ...], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Adds the examples."""
        model = (model_names() or ["MODEL"])[0]
        with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
            for example in self.examples:
                formatter.write_text(example.format(model=model))


class ModelName(click.ParamType):
    """A model's name, turned into its ModelConfig."""

    name = "model"

    def convert(self, value: str | ModelConfig, param: click.Parameter | None, ctx: click.Context | None) -> ModelConfig:
        """The model's configuration.

        Raises:
            UsageError: there is no such model; the message suggests one.
        """
        return value if isinstance(value, ModelConfig) else load_model(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names that begin with what was typed."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in model_names() if name.startswith(incomplete)]


def absolute(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    """The path from the file system's root: what runs leave behind refers to itself by absolute paths."""
    return value.absolute()


model_argument = click.argument("model", type=ModelName())
root_option = click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path("darsena_root"),
    callback=absolute,
    metavar="DIR",
    help="Folder with everything runs leave behind.  [default: ./darsena_root]",
)


def to_database(ctx: click.Context, param: click.Parameter, value: str | None) -> databases.Database | None:
    """The database of --metadata."""
    return databases.parsed(value) if value else None


metadata_option = click.option(
    "--metadata",
    envvar=databases.URL,
    callback=to_database,
    metavar="URL",
    help="Database server of ML Metadata (see docs/cli.md).  [default: a file under the root]",
)
beam_option = click.option(
    "--beam", type=click.Choice(list(ENGINES)), default="direct", show_default=True, help="The engine of the data work."
)
beam_options_option = click.option(
    "--beam-option", "beam_options", multiple=True, metavar="NAME=VALUE", help="Of the engine (repeatable; see docs/engines.md)."
)
trust_option = click.option(
    "--trust",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A public key that signatures may be by, beside your own (repeatable).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def remember_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Keeps --debug for `is_debug`, whichever level of the command line it was given at."""
    ctx.meta[__name__] = ctx.meta.get(__name__, False) or value


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=remember_debug, help="Show tracebacks and the libraries' own messages."
)


def together(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """One decorator that gives a command several options, in this order."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def is_debug() -> bool:
    """Whether --debug was given to the command that is running."""
    return bool(click.get_current_context().meta.get(__name__))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, default=str))


def console(stream: TextIO | None = None) -> Console:
    """A rich console on a stream (standard output by default); where that is no terminal, wide enough for the tables."""
    from rich.console import Console

    return Console(file=stream, width=None if (stream or sys.stdout).isatty() else 140)


def plain_table(*columns: str) -> Table:
    """An empty table without lines."""
    from rich.table import Table

    return Table(*columns, box=None, header_style="bold", pad_edge=False)
