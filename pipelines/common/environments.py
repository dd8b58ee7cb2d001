"""Python environments of their own, for packages that this one can't hold: installed once from a hash-locked file into the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.resources.abc import Traversable
from pathlib import Path

from pipelines.common.checks import REPOSITORY
from pipelines.common.downloads import cache_folder
from pipelines.common.errors import DarsenaError
from pipelines.common.folders import made_once

BOOTSTRAP = REPOSITORY / ".build/bootstrap/bin/uv"  # where `make setup` puts it
SECONDS = 1800


def python_in_cache(lock: Traversable, name: str, what: str) -> Path:
    """The Python of an environment with what a lock has, made the first time.

    Args:
        lock: requirements with checksums.
        name: of the folder in the cache.
        what: the packages are, for messages.

    Raises:
        DarsenaError: there is no uv, or it can't install what the lock has.
    """
    content = lock.read_bytes()
    folder = cache_folder() / name / hashlib.sha256(content).hexdigest()[:12]
    python = folder / "bin/python"

    def make(place: Path) -> None:
        requirements = place / "requirements.lock"
        requirements.write_bytes(content)
        install(place, requirements, what)

    made_once(folder, python.is_file, make)
    return python


def install(place: Path, requirements: Path, what: str) -> None:
    """Makes the environment: with uv, its settings those of the user, the checksums verified.

    Raises:
        DarsenaError: there is no uv, or it failed.
    """
    uv = str(BOOTSTRAP) if BOOTSTRAP.is_file() else shutil.which("uv")
    if uv is None:
        raise DarsenaError(f"expected uv, which installs {what}, in {BOOTSTRAP} or on the PATH, found none. Run make setup.")
    commands = [
        [sys.executable, "-m", "venv", "--without-pip", str(place)],
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", str(requirements)],
    ]
    for command in commands:
        try:
            done = subprocess.run(
                command, env={**os.environ, "VIRTUAL_ENV": str(place)}, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DarsenaError(f"expected uv to install {what} within {SECONDS} s, it did not. Try again.") from error
        if done.returncode:
            said = " / ".join(line.strip() for line in done.stderr.strip().splitlines()[:4] if line.strip()).rstrip(".")
            raise DarsenaError(
                f"expected uv to install {what}, received: {said or done.returncode}. Look at the network, at the free space of the cache "
                "(3 GB, DARSENA_CACHE names another) and at uv's index (UV_DEFAULT_INDEX), and try again."
            )
