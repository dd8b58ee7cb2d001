"""`darsena doctor`: is everything there that a run needs?"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from pipelines.common.commands.options import GRPC_PORT, LOOPBACK, REST_PORT, Command, debug_option, json_option, print_json, root_option
from pipelines.common.errors import ExitCode

MARKS = {"ok": ("green", "ok"), "warning": ("yellow", "note"), "problem": ("red", "PROBLEM")}


@click.command("doctor", cls=Command, examples=("darsena doctor",))
@root_option
@json_option
@debug_option
def command(root: Path, as_json: bool) -> int:
    """Check Python, glibc, packages, disk, devices and ports, and say what to do about each problem.

    Exits with 1 if something keeps pipelines from running.
    """
    from pipelines.common import checks

    lock = (checks.REPOSITORY / "requirements.lock").read_text()
    found = [
        checks.python(),
        checks.glibc(),
        checks.packages(checks.locked_versions(lock), checks.installed_versions()),
        checks.disk("clone", checks.REPOSITORY),
        checks.root_folder(root),
        checks.devices(),
        checks.port(GRPC_PORT, LOOPBACK, "--grpc-port"),
        checks.port(REST_PORT, LOOPBACK, "--rest-port"),
    ]
    healthy = all(check.status != checks.PROBLEM for check in found)
    if as_json:
        print_json({"ok": healthy, "checks": [dataclasses.asdict(check) for check in found]})
    else:
        for check in found:
            colour, mark = MARKS[check.status]
            click.echo(f"{click.style(mark.ljust(8), fg=colour)}{check.name.ljust(10)}  {check.found}")
            if check.advice:
                click.echo(f"{'':20}→ {check.advice}")
    return ExitCode.OK if healthy else ExitCode.FAILED
