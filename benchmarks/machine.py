"""What tables say of where their figures are from."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
DARSENA = str(REPOSITORY / ".venv/bin/darsena")


def machine() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}"


def commit() -> str:
    """The commit that is checked out, short."""
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()


def alone(module: str, *arguments: object, **environment: str) -> Any:
    """What a module answers as the last line of its output, in JSON, when it runs in a process of its own.

    Args:
        module: dotted path.
        arguments: of its command line.
        environment: variables beside those that are there.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
