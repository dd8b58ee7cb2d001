"""tensorflowjs, the converter, in an environment of its own: it needs an older TensorFlow than this one has."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from components.child import run_program
from pipelines.common.checks import REPOSITORY
from pipelines.common.downloads import cache_folder
from pipelines.common.errors import DarsenaError
from pipelines.common.folders import made_once
from pipelines.common.tfjs.repairs import repair

LOCK = importlib.resources.files(__package__) / "runtime" / "converter.lock"
BOOTSTRAP = REPOSITORY / ".build/bootstrap/bin/uv"  # where `make setup` puts it
START = "from tensorflowjs.converters.converter import pip_main; pip_main()"
INSTALL_SECONDS, SECONDS = 1800, 600


def installed() -> Path:
    """The Python of the converter's environment, made in the cache the first time (2.9 GB).

    Raises:
        DarsenaError: there is no uv, or it can't install what the lock has.
    """
    lock = LOCK.read_bytes()
    folder = cache_folder() / "tfjs-converter" / hashlib.sha256(lock).hexdigest()[:12]
    python = folder / "bin/python"
    made_once(folder, python.is_file, install)
    return python


def install(place: Path) -> None:
    """Makes the environment: with uv, its settings those of the user, the checksums of the lock verified.

    Raises:
        DarsenaError: there is no uv, or it failed.
    """
    uv = str(BOOTSTRAP) if BOOTSTRAP.is_file() else shutil.which("uv")
    if uv is None:
        raise DarsenaError(
            f"expected uv, which installs the converter tensorflowjs, in {BOOTSTRAP} or on the PATH, found none. Run make setup."
        )
    with importlib.resources.as_file(LOCK) as lock:
        commands = [
            [sys.executable, "-m", "venv", "--without-pip", str(place)],
            [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", str(lock)],
        ]
        for command in commands:
            try:
                done = subprocess.run(
                    command,
                    env={**os.environ, "VIRTUAL_ENV": str(place)},
                    capture_output=True,
                    text=True,
                    timeout=INSTALL_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise DarsenaError(
                    f"expected uv to install the converter tensorflowjs within {INSTALL_SECONDS} s, it did not. Try again."
                ) from error
            if done.returncode:
                said = " / ".join(line.strip() for line in done.stderr.strip().splitlines()[:4] if line.strip()).rstrip(".")
                raise DarsenaError(
                    f"expected uv to install the converter tensorflowjs, received: {said or done.returncode}. Look at the network, at the "
                    "free space of the cache (3 GB, DARSENA_CACHE names another) and at uv's index (UV_DEFAULT_INDEX), and try again."
                )


def convert(python: Path, saved_model: Path, folder: Path, work: Path) -> None:
    """Writes a graph model.

    Args:
        python: see `installed`.
        saved_model: with `serving_default` as its one signature and no variables, see freezing.py.
        folder: to write: model.json and shards.
        work: existing folder for temporary files.

    Raises:
        ChildFailed: the converter failed, with its reason, or takes too long.
    """
    options = {
        "input_format": "tf_saved_model",
        "output_format": "tfjs_graph_model",
        "signature_name": "serving_default",
        "saved_model_tags": "serve",
        "use_structured_outputs_names": "True",
    }
    # -I: neither this project nor the user's own packages are found there.
    command = [str(python), "-I", "-W", "ignore", "-c", START, *(f"--{name}={value}" for name, value in options.items())]
    run_program([*command, str(saved_model), str(folder)], work, SECONDS, {})
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    repair(model)
    (folder / "model.json").write_text(json.dumps(model, separators=(",", ":")), encoding="utf-8")
