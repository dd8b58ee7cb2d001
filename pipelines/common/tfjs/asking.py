"""Asks a TensorFlow.js graph model in TensorFlow.js itself: in Node.js, with packages that npm installs once from a lock."""

from __future__ import annotations

import base64
import importlib.resources
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.child import run_program
from pipelines.common.errors import DarsenaError
from pipelines.common.npm import in_cache

RUNTIME = importlib.resources.files(__package__) / "runtime"
SCRIPT = "ask.cjs"
ENTRIES = tuple(Path(f"@tensorflow/tfjs-{part}/dist/tf-{part}.node.js") for part in ("core", "converter", "backend-cpu"))
SECONDS = 600


def installed() -> Path:
    """The folder node_modules with TensorFlow.js, installed the first time.

    Raises:
        DarsenaError: there is no Node.js or npm, or it fails.
    """
    if shutil.which("node") is None:
        raise DarsenaError(
            "expected Node.js, which asks the converted model, found none. Install Node.js with npm (Debian, Ubuntu: apt install npm)."
        )
    return in_cache(RUNTIME, "tfjs", "TensorFlow.js, which asks the converted model", missing)


def missing(packages: Path) -> Path | None:
    """The first file of the runtime that a folder lacks."""
    return next((name for name in ENTRIES if not (packages / name).is_file()), None)


def ask(folder: Path, inputs: Mapping[str, np.ndarray], packages: Path, work: Path, seconds: float = SECONDS) -> tuple[dict, str]:
    """What a graph model answers.

    Args:
        folder: of it, with model.json.
        inputs: numbers by name, batch first.
        packages: see `installed`.
        work: existing folder for temporary files.
        seconds: it may take.

    Returns:
        The outputs by name (float32, int32 or bool), and what answered: versions of Node.js and TensorFlow.js, and the backend.

    Raises:
        ChildFailed: TensorFlow.js can't load or run the model, or takes too long.
    """
    asked, answered = work / "inputs.json", work / "answers.json"
    asked.write_text(json.dumps({name: encoded(values) for name, values in inputs.items()}), encoding="utf-8")
    with importlib.resources.as_file(RUNTIME / SCRIPT) as script:
        command = ["node", str(script), str(folder), str(asked), str(answered)]
        told = run_program(command, work, seconds, {"NODE_PATH": str(packages), "NODE_OPTIONS": ""})
    found = json.loads(answered.read_text(encoding="utf-8"))
    return {name: decoded(tensor) for name, tensor in found.items()}, told.strip()


def encoded(values: np.ndarray) -> dict[str, Any]:
    """An array in the nearest type that TensorFlow.js has: float32, int32 or bool."""
    dtype = {"f": "float32", "b": "bool"}.get(values.dtype.kind, "int32")
    content = np.ascontiguousarray(values, dtype).tobytes()
    return {"dtype": dtype, "shape": list(values.shape), "base64": base64.b64encode(content).decode()}


def decoded(tensor: Mapping[str, Any]) -> np.ndarray:
    """The array of what the script wrote."""
    return np.frombuffer(base64.b64decode(tensor["base64"]), tensor["dtype"]).reshape(tensor["shape"])
