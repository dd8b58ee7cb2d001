"""Work that may crash, hang or clash with this process, done in another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_LONGEST_REASON = 400


class ChildFailed(RuntimeError):
    """The other process did not end well.

    Attributes:
        reason: one line: its error, the signal that ended it, or the time it was given.
        last_line: the last line it printed, which says what it was at.
    """

    def __init__(self, reason: str, last_line: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last_line = last_line


def run_module(module: str, arguments: Sequence[str], folder: Path, timeout: float) -> str:
    """Runs `python -m module arguments…` on the CPU and waits for it.

    Args:
        module: dotted path.
        arguments: of its command line.
        folder: an existing folder for its temporary files, so that the caller can remove them whatever happens.
        timeout: seconds it may take.

    Returns:
        What it printed.

    Raises:
        ChildFailed: it ended with an error or by a signal, or took longer than it may.
    """
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return run_program([sys.executable, "-W", "ignore", "-m", module, *arguments], folder, timeout, {"PYTHONPATH": path})


def run_program(command: Sequence[str], folder: Path, timeout: float, variables: Mapping[str, str]) -> str:
    """The same for any program.

    Args:
        command: it and its arguments.
        folder: see `run_module`.
        timeout: seconds it may take.
        variables: of its environment, beside those of this process.
    """
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # This process may hold the whole memory of the accelerators.
        "CUDA_VISIBLE_DEVICES": "-1",
        **variables,
    }
    try:
        done = subprocess.run(list(command), capture_output=True, env=environment, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise ChildFailed(f"it took longer than {timeout:g} s", _last_line(late.stdout)) from None
    if done.returncode:
        raise ChildFailed(_reason(done.returncode, done.stderr), _last_line(done.stdout))
    return done.stdout.decode()


def _last_line(output: bytes | None) -> str:
    lines = (output or b"").decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line), "")


def _reason(code: int, stderr: bytes) -> str:
    """One line on why a process ended with `code`: 139 is what a shell in between makes of signal 11."""
    number = -code if code < 0 else code - 128
    if number in signal.valid_signals():
        return f"it crashed ({signal.Signals(number).name})"
    text = stderr.decode(errors="replace").strip()
    error = text.rpartition("Traceback (most recent call last):")[2]
    lines = [line for line in error.split("\n") if line and not line.startswith(" ")]
    return " ".join(" ".join(lines).split())[:_LONGEST_REASON] or f"it ended with code {code}"
