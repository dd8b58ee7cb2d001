"""Runs of `darsena` that can be killed at a chosen node. `reliability.crashes` starts this in a process of its own:

    python -m reliability.victim

It imports TFX once. For each line of its standard input, {"arguments": [...], "events": FILE}, a fork of it runs `darsena` with the
arguments; it prints the fork's process id at once, and its exit code when it has ended. Into the file goes a line for each node that
starts or ends: "Trainer started", "Trainer complete".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock


def main() -> None:
    """The loop over the lines of standard input."""
    # Imported, and not used: TensorFlow does not survive a fork once it has worked.
    from pipelines.common import cli, graph, runs  # noqa: F401
    from reporting import terminal

    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(run(asked["arguments"], Path(asked["events"]), terminal, cli))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(arguments: list[str], events: Path, terminal: Any, cli: Any) -> int:
    """Runs `darsena` in this process, whose output goes beside the file of events; returns the exit code."""
    from trainer_modules.common import checkpoints

    for stream, name in ((0, os.devnull), (1, f"{events}.out"), (2, f"{events}.err")):
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, stream)

    class Progress(terminal.Progress):
        """The display, with its events in the file."""

        def started(self, node_id: str) -> None:
            super().started(node_id)
            tell(f"{node_id} started")

        def finished(self, node_id: str, state: str, seconds: float, note: str = "") -> None:
            super().finished(node_id, state, seconds, note)
            tell(f"{node_id} {state}")

    def tell(event: str) -> None:
        with events.open("a") as file:
            file.write(f"{event}\n")

    # The state of a training of seconds is worth saving here.
    with mock.patch.object(terminal, "Progress", Progress), mock.patch.object(checkpoints, "SECONDS", 0.0):
        code: int = cli.main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
