"""The set-up scripts stop with one clear line where they cannot go on, before they change anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGE = "python:3.11-slim-trixie"


@pytest.fixture
def clone(tmp_path):
    """A copy of what the set-up reads, so that a mistake in it cannot harm this one's environment."""
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    for name in ("requirements.lock", "requirements-bootstrap.lock", "setup.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def run(clone, script, *arguments, tools=("bash", "dirname", "uname", "cat", "env"), **environment):
    """Runs a script with nothing but the given system tools on the PATH."""
    path = clone / "bin"
    path.mkdir()
    for tool in tools:
        (path / tool).symlink_to(shutil.which(tool))
    command = ["bash", str(clone / "scripts" / script), *arguments]
    variables = {"PATH": str(path), "HOME": str(clone), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_without_apt_the_container_image_is_named(clone):
    done = run(clone, "runtime.sh", "2.39", IMAGE)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: expected glibc >= 2.39, or Debian's apt with its archive keyring")
    assert IMAGE in done.stderr
    assert not (clone / ".runtime").exists()


def test_without_python_3_11_it_says_what_it_found(clone):
    done = run(clone, "setup.sh")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: expected Python 3.11, found no python3. Install it, name it (make setup PYTHON=/path/to/python3.11), "
        f"or use the container image {IMAGE}.\n"
    )


def test_a_python_of_another_version_is_refused_though_it_was_named(clone):
    other = clone / "python3.12"
    other.write_text('#!/usr/bin/env bash\n[ "$1" = --version ] && echo Python 3.12.1 || exit 1\n')
    other.chmod(0o755)
    done = run(clone, "setup.sh", PYTHON=str(other))
    assert done.returncode == 1
    assert "expected Python 3.11, found Python 3.12.1." in done.stderr
    assert not (clone / ".venv").exists()
