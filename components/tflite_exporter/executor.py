"""The work of the TFLite exporter: convert in another process, compare with the golden answers, write what holds."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.arrays import load_arrays, save_arrays
from components.child import ChildFailed, run_module
from components.golden import FLOAT32_DIFF, Comparison, compare, read_golden, read_records
from components.tflite_exporter.converters import CONVERTERS, convertible
from components.tflite_exporter.interpreter import median_milliseconds

REPRESENTATIVE_EXAMPLES = 200
# Among so many examples of a table the extremes of its numbers are looked for.
TABLE_EXAMPLES = 5000


class ExportFailed(RuntimeError):
    """A format could not be made, or does not answer like the model that was trained."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far an export's answers may be from the golden ones.

    Attributes:
        float32_diff: largest difference of float32, absolute, or relative to outputs larger than 1.
        float16_diff: the same of float16.
        int8_agreement: share of examples to which int8, or dynamic, gives the same class. One example may always differ, because a
            share can't be told more exactly from a few.
        int8_diff: for a model without classes, largest difference of int8, or dynamic, relative to the range of an output.
        int8_mean_diff: for such a model, the mean difference likewise. Of a picture's many pixels some at an edge differ by much.
    """

    float32_diff: float = FLOAT32_DIFF
    float16_diff: float = 5e-3
    int8_agreement: float = 0.97
    int8_diff: float = 0.1
    int8_mean_diff: float = 0.1

    def violation(self, name: str, found: Comparison, examples: int) -> str:
        """What is wrong with the format's answers to so many examples; empty when nothing is."""
        if found.problem:
            return found.problem
        if name not in ("int8", "dynamic"):
            bound = self.float32_diff if name == "float32" else self.float16_diff
            return _above("a largest difference", found.relative_diff, bound)
        if found.agreement is None:
            largest = _above("a largest difference relative to the outputs' range", found.spread_diff, self.int8_diff)
            return largest or _above("a mean difference relative to the outputs' range", found.mean_diff, self.int8_mean_diff)
        differ = round((1 - found.agreement) * examples)
        # Rounded first, because (1 - 0.97) * 100 is a little above 3.
        allowed = math.ceil(round((1 - self.int8_agreement) * examples, 9))
        if differ <= allowed:
            return ""
        return f"expected the same class for at least {self.int8_agreement:.2f} of {examples} examples, received {found.agreement:.2f}"


def _above(what: str, value: float, bound: float) -> str:
    return f"expected {what} of at most {bound:g}, received {value:.3g}" if value > bound else ""


def export(
    saved_model_dir: Path,
    model_run: Path,
    examples: Path,
    out_dir: Path,
    bounds: Bounds,
    timeout: float,
    formats: Sequence[str] = tuple(CONVERTERS),
) -> None:
    """Writes the formats and exports.json into `out_dir`, or nothing.

    Args:
        saved_model_dir: a SavedModel with the signatures of docs/architecture.md.
        model_run: folder with its golden examples and answers.
        examples: folder of TFRecords of raw tf.Examples, which calibrate the integer format.
        out_dir: existing folder.
        bounds: what the answers are held to.
        timeout: seconds that conversion and comparison may take each.
        formats: names of converters.

    Raises:
        ExportFailed: a format could not be made in time, crashed, or is outside its bound.
    """
    import tensorflow as tf

    golden = read_golden(model_run)
    model = tf.saved_model.load(str(saved_model_dir))
    serve, decode = (model.signatures[name] for name in convertible(model))

    def decoded(records: list[bytes]) -> dict[str, np.ndarray]:
        return {name: tensor.numpy() for name, tensor in decode(examples=tf.constant(records)).items()}

    with tempfile.TemporaryDirectory(prefix=".partial-", dir=out_dir) as partial:
        work = Path(partial)
        asked = decoded(golden.examples)
        # Only whole numbers are calibrated, and a model's own inputs (noise) are in no split.
        save_arrays(work / "representative.npz", representative(examples, decoded) if "int8" in formats else asked)
        save_arrays(work / "inputs.npz", asked)
        latencies = _convert_and_ask(saved_model_dir, work, timeout, formats)
        exports = [_checked(name, work, golden.outputs, bounds, latencies[name]) for name in formats]

        one_row = {name: tf.constant(values[:1]) for name, values in asked.items()}
        size = sum(file.stat().st_size for file in saved_model_dir.rglob("*") if file.is_file())
        latency = median_milliseconds(lambda: serve(**one_row))
        reference = {"name": "SavedModel", "bytes": size, "latency_ms": latency}
        for record in exports:
            (work / record["file"]).replace(out_dir / record["file"])
    write_exports(out_dir, {"exports": exports, "reference": reference})


def representative(examples: Path, decoded: Callable[[list[bytes]], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Inputs that calibrate the integer format.

    Args:
        examples: folder of TFRecords.
        decoded: from examples to inputs by name.

    Returns:
        The first examples' inputs and, for inputs that are one number each, those of the examples with its extremes: whatever lies
        beyond what calibration sees is cut off.
    """
    first = decoded(read_records(examples, REPRESENTATIVE_EXAMPLES))
    numbers = [name for name, values in first.items() if values.dtype == np.float32 and values[0].size == 1]
    if not numbers:
        return first
    table = decoded(read_records(examples, TABLE_EXAMPLES))
    extremes = {int(find(table[name])) for name in numbers for find in (np.argmin, np.argmax)}
    rows = sorted({*range(len(first[numbers[0]])), *extremes})
    return {name: values[rows] for name, values in table.items()}


def write_exports(out_dir: Path, content: dict[str, Any]) -> None:
    """Writes exports.json."""
    (out_dir / "exports.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _convert_and_ask(saved_model_dir: Path, work: Path, timeout: float, formats: Sequence[str]) -> dict[str, list[float]]:
    """Leaves <format>.tflite and its answers <format>.npz in `work`; returns the latencies of each format in ms."""
    files = [str(work / f"{name}.tflite") for name in formats]
    try:
        what = "convert the model to"
        inputs = [str(saved_model_dir), str(work), str(work / "representative.npz"), *formats]
        run_module("components.tflite_exporter.converters", inputs, work, timeout)
        what = "ask the model as"
        printed = run_module("components.tflite_exporter.interpreter", [str(work / "inputs.npz"), *files], work, timeout)
    except ChildFailed as failure:
        raise ExportFailed(
            f"could not {what} TFLite {failure.last_line}: {failure.reason}. "
            "Replace the layer or operation that this format can't represent."
        ) from failure
    latencies: dict[str, list[float]] = json.loads(printed.strip().split("\n")[-1])
    return latencies


def _checked(name: str, work: Path, golden: dict[str, np.ndarray], bounds: Bounds, latencies: list[float]) -> dict[str, Any]:
    """The record of a format in exports.json."""
    found = compare(golden, load_arrays(work / f"{name}.npz"))
    examples = len(next(iter(golden.values())))
    violation = bounds.violation(name, found, examples)
    if violation:
        raise ExportFailed(
            f"TFLite {name} does not answer like the trained model: {violation}. Look for an operation that this format "
            "can't represent, or pass the exporter a wider bound."
        )
    return {
        "name": name,
        "format": "tflite",
        "file": f"{name}.tflite",
        "bytes": (work / f"{name}.tflite").stat().st_size,
        "latency_ms": latencies[0],
        "latency_2_threads_ms": latencies[1],
        "max_abs_diff": found.max_abs_diff,
        "agreement": found.agreement,
        "passed": True,
    }


class Executor(base_executor.BaseExecutor):
    """Runs `export` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See TFLiteExporterSpec for inputs, outputs and parameters."""
        out_dir = Path(artifact_utils.get_single_uri(output_dict["exports"]))
        if artifact_utils.get_single_instance(input_dict["blessing"]).get_int_custom_property("blessed") != 1:
            write_exports(out_dir, {"exports": [], "reference": None, "reason": "the Evaluator did not bless the model"})
            return
        export(
            saved_model_dir=Path(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))),
            model_run=Path(artifact_utils.get_single_uri(input_dict["model_run"])),
            examples=Path(artifact_utils.get_split_uri(input_dict["examples"], exec_properties["split"])),
            out_dir=out_dir,
            bounds=Bounds(**{field.name: exec_properties[field.name] for field in dataclasses.fields(Bounds)}),
            timeout=exec_properties["timeout_seconds"],
            formats=json.loads(exec_properties["formats"]),
        )
