"""Tries to convert signatures of a SavedModel to TFLite formats, and tells what operations each comes to.

    python -m benchmarks.tflite_attempt SAVED_MODEL FOLDER SIGNATURE/FORMAT…

FOLDER has rows of inputs for each, in SIGNATURE.npz. A process of its own, because the converter and the interpreter can crash. What
came of each stands in outcomes.json of FOLDER as soon as it is known: {SIGNATURE/FORMAT: {"operations": "built-in" | "Flex" | "none",
"about": "…"}}; what is there already is not tried again.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.arrays import load_arrays
from components.tflite_exporter.converters import CONVERTERS, Source

BUILT_IN, FLEX, NONE = "built-in", "Flex", "none"
LONGEST = 160


def attempt(name: str, saved_model: Path, signature: str, inputs: Mapping[str, np.ndarray], out_dir: Path) -> dict[str, str]:
    """Converts with TFLite's own operations, and if that can't be with TensorFlow's beside them.

    Returns:
        `operations`, and `about` them: those of TensorFlow, or why there is no file, or why LiteRT does not run it.
    """
    refusal = ""
    for flex in (False, True):
        try:
            file = CONVERTERS[name](saved_model, out_dir, inputs, Source(signature, flex))
        except Exception as error:  # noqa: BLE001 (the converter raises whatever it likes, and that is what is asked here)
            refusal = reason(str(error))
            continue
        operations = of_tensorflow(file)
        if operations:
            return {"operations": FLEX, "about": ", ".join(operations)}
        return {"operations": BUILT_IN, "about": refusal_of_litert(file, inputs)}
    return {"operations": NONE, "about": refusal}


def of_tensorflow(file: Path) -> list[str]:
    """Names of the operations in a file that are TensorFlow's own."""
    from ai_edge_litert import schema_py_generated as schema

    codes = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0).operatorCodes
    return sorted({code.customCode.decode().removeprefix("Flex") for code in codes if code.customCode})


def refusal_of_litert(file: Path, inputs: Mapping[str, np.ndarray]) -> str:
    """Why LiteRT does not run the file; empty when it does."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        runner = Interpreter(str(file)).get_signature_runner("serving_default")
        runner(**{name: values[:1] for name, values in inputs.items()})
    except (RuntimeError, ValueError) as error:
        return f"LiteRT does not run it: {reason(str(error))}"
    return ""


def reason(message: str) -> str:
    """The part of a converter's message that says why, in one short line."""
    if found := re.search(r"(?:Flex|TF Select|Custom) ops: ([^\n]+)", message):
        return f"neither TFLite nor Flex has {found.group(1)}"
    if "Select TensorFlow op(s)" in message:
        return "its calibration would have to run Flex operations, which the converter's interpreter does not"
    line = " ".join(message.strip().splitlines()[-1].split()) if message.strip() else "no reason given"
    line = line.replace("|", "/")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def main(arguments: list[str]) -> None:
    """The command line, see the head of this module."""
    saved_model, folder = map(Path, arguments[:2])
    file = folder / "outcomes.json"
    outcomes = json.loads(file.read_text()) if file.is_file() else {}
    for case in arguments[2:]:
        if case not in outcomes:
            signature, _, name = case.partition("/")
            outcomes[case] = attempt(name, saved_model, signature, load_arrays(folder / f"{signature}.npz"), folder)
            file.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
