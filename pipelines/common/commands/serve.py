"""`darsena serve [MODEL...]`: a local server of what was pushed."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from pipelines.common.commands.options import (
    GRPC_PORT,
    LOOPBACK,
    REST_PORT,
    Command,
    ModelName,
    debug_option,
    is_debug,
    root_option,
    trust_option,
)
from pipelines.common.commands.stopping import stop_signal
from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.layout import model_names, serving_dir, versions
from pipelines.common.quiet import NOWHERE, quiet
from pipelines.common.trust import trusted_keys
from serving.process import end

if TYPE_CHECKING:
    from serving.server import ModelServer

PORT = click.IntRange(0, 65535)


@click.command("serve", cls=Command, examples=("darsena serve", "darsena serve {model} --rest-port 9501 --grpc-port 9500"))
@click.argument("models", type=ModelName(), nargs=-1, metavar="[MODEL]...")
@root_option
@click.option("--host", default=LOOPBACK, metavar="ADDRESS", show_default=True, help="Address to listen on.")
@click.option("--grpc-port", type=PORT, default=GRPC_PORT, metavar="PORT", show_default=True, help="0 takes a free one.")
@click.option("--rest-port", type=PORT, default=REST_PORT, metavar="PORT", show_default=True, help="0 takes a free one.")
@click.option(
    "--binary",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    metavar="PATH",
    help="Run this tensorflow_model_server instead.",
)
@trust_option
@click.option("--batching", is_flag=True, help="Answer requests that come at the same time together.")
@click.option(
    "--log-requests",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Log a share of the answered requests there, for darsena monitor.",
)
@click.option("--log-share", type=click.FloatRange(0, 1), default=0.1, metavar="SHARE", show_default=True, help="From 0 to 1.")
@debug_option
def command(
    models: tuple[ModelConfig, ...],
    root: Path,
    host: str,
    grpc_port: int,
    rest_port: int,
    binary: Path | None,
    trust: tuple[Path, ...],
    batching: bool,
    log_requests: Path | None,
    log_share: float,
) -> None:
    """Serve the pushed models (all of them by default) over the TF Serving API, gRPC and REST.

    A version pushed while it runs is picked up; one that nobody signed who is trusted, or that was changed since, is not served.
    Ctrl-C or SIGTERM stops it.
    """
    trusted = trusted_keys(trust)
    names = pushed(root, [model.name for model in models])
    if binary:
        if log_requests:
            raise UsageError("expected no --log-requests with --binary: tensorflow_model_server is told by its models.config what to log.")
        become(binary, root, names, host, grpc_port, rest_port, batching)
    if not is_loopback(host):
        click.echo(f"darsena: warning: {host} is no loopback address: whoever reaches this machine can use the server.", err=True)
    with stop_signal() as stop, quiet(None if is_debug() else NOWHERE) as (out, err), told(err):
        server = started(root / "serving", names, host, grpc_port, rest_port, batching, trusted, log_requests, log_share)
        try:
            click.echo(announcement(server.served(), host, server.grpc_port, server.rest_port), out)
            stop.wait()
        finally:
            server.stop()
    click.echo("stopped.")
    end()


def become(binary: Path, root: Path, names: list[str], host: str, grpc_port: int, rest_port: int, batching: bool) -> NoReturn:
    """Replaces this process by the real server, with the configuration that `darsena serving-config` writes for it.

    Raises:
        DarsenaError: it can't be run, or its configuration can't be written.
        UsageError: it was given an address, or port 0, which it does not take.
    """
    from pipelines.common.commands.serving_config import served, write
    from serving.deployment.files import Options, configuration, server_flags

    if host != LOOPBACK or 0 in (grpc_port, rest_port):
        raise UsageError("expected no --host, and ports other than 0, with --binary: tensorflow_model_server has no such options.")
    folder = (root / "serving-config" / "binary").absolute()
    models = [served(root, name, str(serving_dir(root, name).absolute())) for name in names]
    write(folder, configuration(models, Options(str(root))))
    click.echo(f"darsena: warning: {binary.name} listens on all of this machine's addresses.", err=True)
    command = [str(binary), f"--port={grpc_port}", f"--rest_api_port={rest_port}", *server_flags(batching, config=str(folder))]
    try:
        os.execv(binary, command)  # it is what the user asked to run
    except OSError as error:
        raise DarsenaError(f"expected {binary} to be a program for this machine, received: {error.strerror}.") from error


@contextlib.contextmanager
def told(err: TextIO) -> Iterator[None]:
    """A block in which `err` is told of versions that the server takes up, or cannot load."""
    handler = logging.StreamHandler(err)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("serving")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def started(
    folder: Path,
    names: list[str],
    host: str,
    grpc_port: int,
    rest_port: int,
    batching: bool,
    trusted: list[Path],
    log_requests: Path | None,
    log_share: float,
) -> ModelServer:
    """A server that answers.

    Raises:
        DarsenaError: it cannot start.
    """
    from serving.batching import Batching
    from serving.errors import ServingError
    from serving.request_log import Logging
    from serving.server import ModelServer

    together = Batching() if batching else None
    request_log = Logging(log_requests, log_share) if log_requests else None
    server = ModelServer(folder, names, host, grpc_port, rest_port, batching=together, trusted=trusted, request_log=request_log)
    try:
        server.start()
    except ServingError as error:
        raise DarsenaError(str(error)) from error
    return server


def pushed(root: Path, wanted: list[str]) -> list[str]:
    """The models to serve: those wanted, or all that have a version.

    Raises:
        DarsenaError: there is nothing to serve.
    """
    names = wanted or [name for name in model_names() if versions(root, name)]
    missing = [name for name in names if not versions(root, name)]
    if missing or not names:
        what, first = (" and ".join(missing), missing[0]) if missing else ("a model", "MODEL")
        raise DarsenaError(f"expected a pushed version of {what} under {root / 'serving'}, found none. Make one with: darsena run {first}")
    return names


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def announcement(served: Mapping[str, int], host: str, grpc_port: int, rest_port: int) -> str:
    """What to tell the user once the server answers."""
    model = next(iter(served))
    rest = f"http://{host}:{rest_port}"
    lines = [
        f"serving {', '.join(f'{name} version {version}' for name, version in served.items())}",
        f"  gRPC  {host}:{grpc_port}",
        f"  REST  {rest}/v1/models/",
        f"  try   curl {rest}/v1/models/{model}/metadata",
        f"        darsena predict {model} FILE --server {rest}",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)
