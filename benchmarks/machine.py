"""What tables say of where their figures are from."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

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


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
