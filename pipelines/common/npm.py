"""npm packages that a command needs: installed once from a lock file into the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path

from pipelines.common.downloads import cache_folder
from pipelines.common.errors import DarsenaError
from pipelines.common.folders import made_once

MANIFESTS = ("package.json", "package-lock.json")
SECONDS = 600


def in_cache(manifests: Traversable, name: str, what: str, missing: Callable[[Path], Path | None], otherwise: str = "") -> Path:
    """The packages as the lock has them, installed into the cache the first time.

    Args:
        manifests: folder with package.json and package-lock.json.
        name: of the folder in the cache.
        what: the packages are, for messages.
        missing: from a node_modules folder to the first file that it lacks.
        otherwise: what else a user can do without npm, to end messages with.

    Returns:
        The node_modules folder.

    Raises:
        DarsenaError: there is no npm, or it fails.
    """
    contents = {file: (manifests / file).read_bytes() for file in MANIFESTS}
    folder = cache_folder() / name / hashlib.sha256(b"".join(contents.values())).hexdigest()[:12]

    def make(place: Path) -> None:
        for file, content in contents.items():
            (place / file).write_bytes(content)
        install(place, what, otherwise)
        if (lacking := missing(place / "node_modules")) is not None:
            raise DarsenaError(f"expected {lacking} among what npm installed, there is none. Delete {folder.parent} and try again.")

    made_once(folder, lambda: missing(folder / "node_modules") is None, make)
    return folder / "node_modules"


def install(place: Path, what: str, otherwise: str) -> None:
    """Runs `npm ci`, with the user's settings; the lock's checksums are verified.

    Raises:
        DarsenaError: there is no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DarsenaError(
            f"expected npm, which installs {what}, found none. Install Node.js with npm (Debian, Ubuntu: apt install npm){otherwise}."
        )
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    try:
        done = subprocess.run(command, cwd=place, env=os.environ, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DarsenaError(f"expected npm to install {what} within {SECONDS} s, it did not. Try again{otherwise}.") from error
    lines = [line for line in done.stderr.strip().splitlines() if "complete log" not in line and "/_logs/" not in line]
    if done.returncode:
        raise DarsenaError(
            f"expected npm to install {what}, received: {' / '.join(lines[:4]) or done.returncode}. Look at npm's settings "
            f"(npm config list){otherwise}."
        )
