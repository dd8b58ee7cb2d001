"""tensorflowjs, the converter, in an environment of its own: it needs an older TensorFlow than this one has."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

from components.child import run_program
from pipelines.common.environments import python_in_cache
from pipelines.common.tfjs.repairs import repair

LOCK = importlib.resources.files(__package__) / "runtime" / "converter.lock"
START = "from tensorflowjs.converters.converter import pip_main; pip_main()"
SECONDS = 600


def installed() -> Path:
    """The Python of the converter's environment, made in the cache the first time (2.9 GB).

    Raises:
        DarsenaError: there is no uv, or it can't install what the lock has.
    """
    return python_in_cache(LOCK, "tfjs-converter", "the converter tensorflowjs")


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
