"""The container image, as far as can be told without building it: what goes in, how large it is, and who runs it."""

import csv
import importlib.metadata
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipelines.common.checks import locked_versions
from pipelines.common.fingerprint import PACKAGES, REPOSITORY
from pipelines.common.remote.compiling import COMMAND
from pipelines.common.remote.target import Remote

FOLDER = REPOSITORY / "kubeflow"
MOST = 3 * 2**30
# Python and its libraries in the base image, and the bytecode of what a node imports, both rounded up.
BESIDE = 200 * 2**20


@pytest.fixture(scope="module")
def steps() -> list[str]:
    """The Dockerfile's instructions, each in one line."""
    text = re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.M)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def copied(steps: list[str]) -> list[tuple[str, str]]:
    """Sources in the repository, each with where it goes."""
    found = []
    for step in steps:
        if step.startswith("COPY") and "--from" not in step:
            *sources, target = step.split()[1:]
            found += [(source, target) for source in sources]
    return found


def installed(distribution: importlib.metadata.Distribution, without: list[str]) -> int:
    """Bytes of a distribution's files, without bytecode and without what lies under some folders of site-packages."""
    files = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    names = [row[0] for row in files if not row[0].endswith(".pyc") and not any(row[0].startswith(f"{folder}/") for folder in without)]
    return sum(path.stat().st_size for path in (Path(str(distribution.locate_file(name))) for name in names) if path.is_file())


def test_the_image_is_under_three_gibibytes(steps):
    removed = [
        path.partition("/site-packages/")[2] for step in steps if "rm -rf" in step for path in shlex.split(step.partition("rm -rf")[2])
    ]
    assert "tensorflow/include" in removed
    sizes = {
        name: installed(importlib.metadata.distribution(name), removed)
        for name in locked_versions((FOLDER / "requirements-cpu.lock").read_text())
    }
    assert sizes["tensorflow"] > 2**30 and sum(sizes.values()) + BESIDE < MOST


def test_the_image_has_what_is_tested_here_and_nothing_for_development():
    here = locked_versions((REPOSITORY / "requirements.lock").read_text())
    for variant in ("cpu", "gpu"):
        lock = locked_versions((FOLDER / f"requirements-{variant}.lock").read_text())
        assert {name: version for name, version in lock.items() if not name.startswith("nvidia-")}.items() <= here.items()
        assert not {"pytest", "ruff", "mypy", "playwright"} & lock.keys() and "tfx" in lock
        assert any(name.startswith("nvidia-cudnn") for name in lock) == (variant == "gpu")


def test_what_is_copied_is_there_and_not_ignored(steps):
    sources = copied(steps)
    assert {source for source, _ in sources} >= set(PACKAGES) | {"schemas", "requirements.lock"}
    allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source, _ in sources:
        assert (REPOSITORY / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in allowed), source


def test_nodes_run_as_compiled_and_not_as_root(steps):
    assert [step for step in steps if step.startswith("USER")] == ["USER 1000"]
    code = Remote("vertex", "gs://b", "i").code
    assert [step for step in steps if step.startswith("WORKDIR")][-1] == f"WORKDIR {code}"
    environment = next(step for step in steps if step.startswith("ENV"))
    assert f"PYTHONPATH={code}" in environment and "PATH=/opt/darsena/bin:$PATH" in environment
    compiled = next(step for step in steps if step.startswith("RUN") and COMMAND[-1] in step)
    assert steps.index(compiled) < steps.index("USER 1000") < steps.index("ENTRYPOINT []")
    assert all("--require-hashes" in each for step in steps for each in step.split("&&") if "pip install" in each or "pip sync" in each)
