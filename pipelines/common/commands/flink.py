"""`darsena flink up|down|status`: a Flink cluster on this machine, for `--beam flink`."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.common.commands.options import Command, debug_option, json_option, print_json, root_option
from pipelines.common.engines import cluster
from pipelines.common.errors import DarsenaError, ExitCode

EXAMPLES = ("darsena flink up", "darsena run {model} --beam flink", "darsena flink down")


@click.command("flink", cls=Command, examples=EXAMPLES)
@click.argument("action", type=click.Choice(["up", "down", "status"]), metavar="up|down|status")
@root_option
@json_option
@debug_option
def command(action: str, root: Path, as_json: bool) -> int:
    """A Flink cluster on this machine, which `--beam flink` finds under the same root.

    One JobManager, two TaskManagers, Beam's job server and a pool of Python workers, on loopback. The first `up` installs Flink with
    Maven into the cache. Exit code of `status`: 1 where no whole cluster runs.
    """
    if action == "down":
        there = cluster.down(root)
        told = {"state": "down", "was_there": there}
        text = "stopped" if there else f"no cluster under {root}"
    else:
        found = cluster.up(root) if action == "up" else cluster.read(root)
        told, text = described(found)
    if as_json:
        print_json(told)
    elif action == "status" and told["state"] != "up":
        raise DarsenaError(f"expected a whole Flink cluster under {root}, {text}. Start it: darsena flink up --root {root}.")
    else:
        click.echo(text)
    return ExitCode.OK if action == "down" or told["state"] == "up" else ExitCode.FAILED


def described(found: cluster.Cluster | None) -> tuple[dict[str, object], str]:
    """A cluster for machines, and in words."""
    if found is None:
        return {"state": "down"}, "none was started"
    told: dict[str, object] = {
        "state": "partly up" if found.dead else "up",
        "rest": found.rest,
        "job_endpoint": found.job_endpoint,
        "worker_pool": found.worker_pool,
        "task_managers": found.task_managers(),
        "dead": found.dead,
        "pids": {process.name: process.pid for process in found.processes},
    }
    if found.dead:
        return told, f"{' and '.join(found.dead)} ended"
    return told, f"up: job server {found.job_endpoint}, {told['task_managers']} TaskManagers, pages at http://{found.rest}"
