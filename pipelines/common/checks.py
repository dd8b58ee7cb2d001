"""What `darsena doctor` looks at: each check says what it found and, where that is a problem, what to do about it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from pipelines.common.data import LEAST_FREE_BYTES, check_root
from pipelines.common.errors import DarsenaError

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE = "python:3.11-slim-trixie"
NEEDED_GLIBC = (2, 39)
COMFORTABLE_BYTES = 2 * 2**30  # of the full data of any model, and some runs on it
DEVICES_SECONDS = 120
DEVICES = (
    "import json, tensorflow as tf; "
    "print(json.dumps([tf.__version__] + [d.name.replace('/physical_device:', '') for d in tf.config.list_physical_devices()]))"
)

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclasses.dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: of the check.
        status: OK, WARNING (something is limited) or PROBLEM (nothing runs until it is solved).
        found: what there is.
        advice: what to do about it, if anything.
    """

    name: str
    status: str
    found: str
    advice: str = ""


def python() -> Check:
    """Python 3.11 on Linux x86-64, the one platform TFX's wheels are locked for."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] == (3, 11) and (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return Check("python", OK, found)
    return Check("python", PROBLEM, found, f"Darsena needs Python 3.11 on Linux x86-64: use them, or the container image {IMAGE}.")


def glibc() -> Check:
    """The C library, and whether it is the private one that `make setup` builds on older systems."""
    version = (os.confstr("CS_GNU_LIBC_VERSION") or "unknown").removeprefix("glibc ")
    private = str(REPOSITORY / ".runtime") in Path("/proc/self/maps").read_text()
    found = version + (" (private runtime in .runtime)" if private else " (the system's)")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= NEEDED_GLIBC:
        return Check("glibc", OK, found)
    return Check("glibc", PROBLEM, found, f"TFX's wheels need glibc 2.39: run 'make setup', or use the container image {IMAGE}.")


def locked_versions(lock: str) -> dict[str, str]:
    """Versions by normalised name, from the text of a requirements.lock."""
    return {normalised(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE)}


def installed_versions() -> dict[str, str]:
    """Versions by normalised name of what is installed for this Python (not of what packages carry inside, as setuptools does)."""
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return {normalised(found.metadata["Name"]): found.version for found in importlib.metadata.distributions(path=folders)}


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(locked: Mapping[str, str], installed: Mapping[str, str]) -> Check:
    """Installed packages against the lock file."""
    wrong = [
        f"{name} {installed.get(name, 'missing')} (locked: {version})" for name, version in locked.items() if installed.get(name) != version
    ]
    if not wrong:
        return Check("packages", OK, f"all {len(locked)} as in requirements.lock")
    shown = "; ".join(wrong[:10]) + (f"; and {len(wrong) - 10} more" if len(wrong) > 10 else "")
    return Check("packages", PROBLEM, shown, "Delete .venv and run 'make setup'.")


def disk(name: str, folder: Path) -> Check:
    """Free space of the disk a folder is on, or will be on."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:.1f} GB free for {folder}"
    if free < LEAST_FREE_BYTES:
        return Check(name, PROBLEM, found, f"A run needs {LEAST_FREE_BYTES // 2**20} MB: free some space, or use a --root on another disk.")
    if free < COMFORTABLE_BYTES:
        return Check(name, WARNING, found, f"Enough for the samples; full data may need {COMFORTABLE_BYTES // 2**30} GB.")
    return Check(name, OK, found)


def root_folder(root: Path) -> Check:
    """Whether runs can write under the root; a root that is not there yet is left so."""
    if not root.exists():
        return disk("root", root)
    try:
        check_root(root)
    except DarsenaError as error:
        return Check("root", PROBLEM, str(error), "Name another folder with --root, or repair this one's permissions.")
    return disk("root", root)


def devices(seconds: float = DEVICES_SECONDS) -> Check:
    """What TensorFlow sees, asked of another process because it takes seconds to import, and may hang on a broken driver."""
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        asked = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True, timeout=seconds, env=quiet, check=False)
    except subprocess.TimeoutExpired:
        advice = "Check the accelerator's driver, or hide it: CUDA_VISIBLE_DEVICES=-1."
        return Check("devices", PROBLEM, f"TensorFlow did not answer within {seconds:g} s", advice)
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or [f"exit code {asked.returncode}"])[-1]
        return Check("devices", PROBLEM, f"TensorFlow does not start: {last}", "Delete .venv and run 'make setup'.")
    version, *names = json.loads(asked.stdout.strip().splitlines()[-1])
    return Check("devices", OK, f"{', '.join(names)} (TensorFlow {version}, {os.cpu_count()} processors)")


def port(number: int, host: str, option: str) -> Check:
    """Whether the port that `darsena serve` takes by default is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            advice = f"A server may be running already; otherwise: darsena serve {option} PORT."
            return Check(f"port {number}", WARNING, f"taken ({error.strerror})", advice)
    return Check(f"port {number}", OK, "free")
