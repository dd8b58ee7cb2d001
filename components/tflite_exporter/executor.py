"""The work of the TFLite exporter: convert in another process, compare with the golden answers, write what holds."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.arrays import load_arrays, save_arrays
from components.child import ChildFailed, run_module
from components.golden import compare, read_golden, read_records
from components.tflite_exporter.bounds import Bounds
from components.tflite_exporter.converters import CONVERTERS, convertible
from components.tflite_exporter.description import describe
from components.tflite_exporter.gating import Gating, Loss, losses, measure
from components.tflite_exporter.interpreter import median_milliseconds
from components.tflite_exporter.metadata import ModelDescription, attach

REPRESENTATIVE_EXAMPLES = 200
# Among so many examples of a table the extremes of its numbers are looked for.
TABLE_EXAMPLES = 5000
# As many are asked of the trained model at a time.
BATCH = 250


class ExportFailed(RuntimeError):
    """A format could not be made, or does not answer like the model that was trained."""


def export(
    saved_model_dir: Path,
    model_run: Path,
    examples: Path,
    out_dir: Path,
    bounds: Bounds,
    gating: Gating,
    about: Mapping[str, str],
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
        gating: the metrics that no format may lose, and examples to measure them on.
        about: the model's name, description, version, author and license, for the metadata.
        timeout: seconds that conversion and comparison may take each.
        formats: names of converters.

    Raises:
        ExportFailed: a format could not be made in time, crashed, or is outside its bound.
    """
    import tensorflow as tf

    golden = read_golden(model_run)
    labelled, labels = gating.read()
    model = tf.saved_model.load(str(saved_model_dir))
    serve, decode = (model.signatures[name] for name in convertible(model))

    def decoded(records: list[bytes]) -> dict[str, np.ndarray]:
        return {name: tensor.numpy() for name, tensor in decode(examples=tf.constant(records)).items()}

    def served(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The one output of a model with a gating metric."""
        rows = range(0, len(labels), BATCH)
        batches = [serve(**{name: tf.constant(values[at : at + BATCH]) for name, values in inputs.items()}) for at in rows]
        return np.concatenate([next(iter(batch.values())).numpy() for batch in batches])

    with tempfile.TemporaryDirectory(prefix=".partial-", dir=out_dir) as partial:
        work = Path(partial)
        asked = decoded(golden.examples)
        # Only whole numbers are calibrated, and a model's own inputs (noise) are in no split.
        save_arrays(work / "representative.npz", representative(examples, decoded) if "int8" in formats else asked)
        measured = decoded(labelled) if labelled else {name: values[:0] for name, values in asked.items()}
        save_arrays(work / "inputs.npz", {name: np.concatenate([values, measured[name]]) for name, values in asked.items()})
        trained = Trained(golden.outputs, gating.metrics, served(measured) if labelled else labels, labels)
        description = describe(about, model, saved_model_dir / "assets", golden.examples, golden.outputs, gating.class_names)
        latencies = _convert_and_ask(saved_model_dir, description, work, timeout, formats)
        exports = [_checked(name, work, trained, bounds, latencies[name]) for name in formats]

        one_row = {name: tf.constant(values[:1]) for name, values in asked.items()}
        size = sum(file.stat().st_size for file in saved_model_dir.rglob("*") if file.is_file())
        latency = median_milliseconds(lambda: serve(**one_row))
        reference = {"name": "SavedModel", "bytes": size, "latency_ms": latency, "metrics": trained.metrics_of(trained.answers)}
        for record in exports:
            (work / record["file"]).replace(out_dir / record["file"])
    write_exports(out_dir, {"exports": exports, "reference": reference})


@dataclasses.dataclass(frozen=True)
class Trained:
    """What the trained model answers.

    Attributes:
        golden: to the golden examples: outputs by name.
        metrics: see Gating.
        answers: to the labelled examples, [N, classes] or [N, 1].
        labels: of these, [N].
    """

    golden: Mapping[str, np.ndarray]
    metrics: Mapping[str, bool]
    answers: np.ndarray
    labels: np.ndarray

    def metrics_of(self, answers: np.ndarray) -> dict[str, float]:
        """The metrics by name of answers to the labelled examples."""
        return {name: measure(name, answers, self.labels) for name in self.metrics}

    def losses(self, answers: Mapping[str, np.ndarray]) -> list[Loss]:
        """What a format's answers to the labelled examples, by output, lose of the metrics."""
        return losses(self.metrics, self.answers, next(iter(answers.values())), self.labels) if self.metrics else []


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


def _convert_and_ask(
    saved_model_dir: Path, description: ModelDescription, work: Path, timeout: float, formats: Sequence[str]
) -> dict[str, list[float]]:
    """Leaves <format>.tflite and its answers <format>.npz in `work`; returns the latencies of each format in ms."""
    files = [str(work / f"{name}.tflite") for name in formats]
    try:
        what = "convert the model to"
        inputs = [str(saved_model_dir), str(work), str(work / "representative.npz"), *formats]
        run_module("components.tflite_exporter.converters", inputs, work, timeout)
        for file in files:
            attach(Path(file), description)
        what = "ask the model as"
        printed = run_module("components.tflite_exporter.interpreter", [str(work / "inputs.npz"), *files], work, timeout)
    except ChildFailed as failure:
        raise ExportFailed(
            f"could not {what} TFLite {failure.last_line}: {failure.reason}. "
            "Replace the layer or operation that this format can't represent."
        ) from failure
    latencies: dict[str, list[float]] = json.loads(printed.strip().split("\n")[-1])
    return latencies


def _checked(name: str, work: Path, trained: Trained, bounds: Bounds, latencies: list[float]) -> dict[str, Any]:
    """The record of a format in exports.json."""
    answers = load_arrays(work / f"{name}.npz")
    examples = len(next(iter(trained.golden.values())))
    found = compare(trained.golden, {output: values[:examples] for output, values in answers.items()})
    lost = [] if found.problem else trained.losses({output: values[examples:] for output, values in answers.items()})
    violation = bounds.violation(name, found, examples, lost)
    if violation:
        raise ExportFailed(
            f"TFLite {name} does not answer like the trained model: {violation}. Look for an operation that this format "
            "can't represent, or leave the format out of the model's export_formats, and say why."
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
        "metrics": {loss.metric: loss.value for loss in lost},
        "points_lost": max((loss.points for loss in lost), default=None),
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
            gating=Gating(
                metrics=json.loads(exec_properties["metrics"]),
                examples=Path(artifact_utils.get_split_uri(input_dict["examples"], exec_properties["metric_split"])),
                label=exec_properties["label"],
                class_names=json.loads(exec_properties["class_names"]),
            ),
            about=json.loads(exec_properties["about"]),
            timeout=exec_properties["timeout_seconds"],
            formats=json.loads(exec_properties["formats"]),
        )
