"""A copy of the project that tests may edit, and a first run in it that the other tests go on from."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("pipelines", "components", "trainer_modules", "schemas", "serving", "reporting")


@dataclasses.dataclass(frozen=True)
class Checkout:
    """A copy of the sources with a root of its own.

    Attributes:
        folder: the copy.
        root: of its runs.
    """

    folder: Path
    root: Path

    def command(self, *arguments: str) -> list[str]:
        """The command line of `darsena` with the copy's sources."""
        return [sys.executable, "-m", "pipelines", *arguments, "--root", str(self.root)]

    def darsena(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `darsena` to its end."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    def run(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> dict:
        """Runs the pipeline, which must end with one of the exit codes; returns the record of the run."""
        done = self.darsena("run", "mnist_mlp", "--json", *arguments)
        assert done.returncode in expect, done.stdout + done.stderr
        record: dict = json.loads(done.stdout)
        assert record["exit_code"] == done.returncode
        return record

    def served(self) -> list[str]:
        """Versions that a server would see."""
        return sorted(path.name for path in (self.root / "serving/mnist_mlp").iterdir())


def states(record: dict) -> dict[str, str]:
    """State of every node of a run."""
    return {node["id"]: node["state"] for node in record["nodes"]}


def copy_of_the_project(folder: Path) -> Checkout:
    """Copies the sources into an empty folder."""
    for name in SOURCES:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Checkout(folder, folder / "root")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    return copy_of_the_project(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def first_run(checkout):
    """The record of a first run on the sample."""
    return checkout.run()
