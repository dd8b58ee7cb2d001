"""Flink and Beam's job server for it: installed once by Maven into the cache, each jar held to its checksum."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

from pipelines.common.downloads import cache_folder, content_sha256
from pipelines.common.errors import DarsenaError
from pipelines.common.folders import made_once

SECONDS = 1800
OTHERWISE = "or start a Flink cluster of your own and name it with --beam-option job_endpoint=HOST:PORT (docs/engines.md)"


def locked() -> dict[str, str]:
    """SHA-256 by the jar's name, as committed in jars.lock."""
    lines = (files("pipelines.common.engines") / "jars.lock").read_text().splitlines()
    return {name: checksum for checksum, name in (line.split() for line in lines)}


def java() -> str:
    """The java program.

    Raises:
        DarsenaError: there is none.
    """
    found = shutil.which("java")
    if found is None:
        raise DarsenaError(f"expected java, which Flink runs in, found none. Install Java 17 (apt install default-jre), {OTHERWISE}.")
    return found


def in_cache() -> Path:
    """The folder of jars, made the first time.

    Raises:
        DarsenaError: there is no Maven, it fails, or a jar isn't the one that was locked.
    """
    pom = (files("pipelines.common.engines") / "pom.xml").read_bytes()
    wanted = locked()
    folder = cache_folder() / "flink" / hashlib.sha256(pom + repr(wanted).encode()).hexdigest()[:12]

    def make(place: Path) -> None:
        (place / "pom.xml").write_bytes(pom)
        install(place)
        check(place / "jars", wanted)

    made_once(folder, lambda: all((folder / "jars" / name).is_file() for name in wanted), make)
    return folder / "jars"


def install(place: Path) -> None:
    """Runs Maven with the user's settings; the jars are in `place`/jars afterwards.

    Raises:
        DarsenaError: there is no Maven, or it failed.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise DarsenaError(f"expected mvn (Maven), which installs Flink, found none. Install it (apt install maven), {OTHERWISE}.")
    command = [maven, "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={place / 'jars'}"]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DarsenaError(f"expected Maven to install Flink within {SECONDS} s, it did not. Try again, {OTHERWISE}.") from error
    if done.returncode:
        said = next((line for line in done.stdout.splitlines() if "ERROR" in line), f"exit code {done.returncode}")
        raise DarsenaError(f"expected Maven to install Flink, received: {said}. Look at Maven's settings and the network, {OTHERWISE}.")


def check(folder: Path, wanted: dict[str, str]) -> None:
    """Raises DarsenaError unless the folder has the jars that were locked, and no others."""
    found = {path.name: content_sha256(path) for path in folder.glob("*.jar")}
    for name in sorted(wanted.keys() | found.keys()):
        locked_as, received = wanted.get(name, "none"), found.get(name, "none")
        if locked_as != received:
            raise DarsenaError(
                f"expected {name} with the SHA-256 that jars.lock has ({locked_as}), received {received}. "
                "Look at where Maven gets its jars from, and try again."
            )
