"""Processes that outlive the command that started them: told apart from others that got their number later, and ended in order."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Process:
    """A process that was started.

    Attributes:
        name: what it is.
        pid: its number, which is also its group's.
        started: when it started, in ticks since the machine did: another process may have its number later.
    """

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return ticks(self.pid) == self.started


def ticks(pid: int) -> int | None:
    """When a process started; None if there is none, or it has ended and only its parent has not noticed."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def start(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Starts a process in a group of its own, with its output in a file."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=dict(environment)
        )
    return Process(name, child.pid, ticks(child.pid) or -1)


def stop(processes: Sequence[Process], seconds: float) -> None:
    """Ends processes and what they started: SIGTERM, and SIGKILL for those that are left after a time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
        if wait(lambda: not any(process.alive for process in processes), seconds):
            return


def wait(done: Callable[[], bool], seconds: float) -> bool:
    """Whether something came true within a time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def answers(address: str, seconds: float = 2) -> bool:
    """Whether somebody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds):
            return True
    except (OSError, ValueError):
        return False
