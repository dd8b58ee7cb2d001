"""The work of the custom evaluator: call the model's own function, compare its figures with bounds, write them as TFMA does."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.golden import read_records
from components.splits import TEST

CANDIDATE, BASELINE = "candidate", "baseline"
EXAMPLE_COUNT = "example_count"  # which TFMA always has
Figures = Mapping[str, float | tuple[float, float, float]]


class EvaluateFn(Protocol):
    """Measures a model."""

    def __call__(self, model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> Figures:
        """Measures a model.

        Args:
            model: a SavedModel.
            examples: a folder of TFRecords of raw tf.Examples for each split.
            out_dir: an empty folder that may get a section.json with its pictures (see docs/architecture.md).
            config: hyperparameters, seed and the like.

        Returns:
            Figures by name in snake case: a number, or it with the ends of its 95% interval.
        """


@dataclasses.dataclass(frozen=True)
class Bound:
    """What a figure is held to.

    Attributes:
        figure: its name.
        value: the worst that may be.
        higher_is_better: whether that is a floor or a ceiling.
        tolerance: how much worse than the baseline model's the figure may be.
    """

    figure: str
    value: float
    higher_is_better: bool
    tolerance: float

    def holds(self, figures: Figures, baseline: Figures | None) -> bool:
        """Whether the candidate's figure keeps to the bound and, where there is a baseline, is not worse than that tolerates."""
        sign = 1 if self.higher_is_better else -1
        found, least = sign * number(figures[self.figure]), sign * self.value
        if baseline is not None and self.figure in baseline:
            least = max(least, sign * number(baseline[self.figure]) - self.tolerance)
        return found >= least


def number(figure: float | tuple[float, float, float]) -> float:
    """The figure itself."""
    return float(figure if isinstance(figure, int | float) else figure[0])


def measure(evaluate_fn: str, model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> Figures:
    """What the function finds.

    Raises:
        ValueError: it finds nothing, or a figure that is no finite number.
    """
    module, _, name = evaluate_fn.rpartition(".")
    function: EvaluateFn = getattr(importlib.import_module(module), name)
    figures = function(model, examples, out_dir, config)
    wrong = [f"{name} is {number(figure)}" for name, figure in figures.items() if not math.isfinite(number(figure))]
    if wrong or not figures:
        raise ValueError(
            f"expected finite figures from {evaluate_fn}, received {', '.join(wrong) or 'none'}. Look at the training's losses."
        )
    return figures


def write_evaluation(figures: Figures, baseline: Figures | None, folder: Path) -> None:
    """Writes figures as TFMA would have: metrics and plots as TFRecords, and eval_config.json.

    Args:
        figures: of the candidate.
        baseline: of the baseline model, if there is one.
        folder: the evaluation's.
    """
    import tensorflow as tf
    from google.protobuf import json_format
    from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

    proto = metrics_for_slice_pb2.MetricsForSlice()
    models = [(CANDIDATE if baseline is not None else "", figures), *([(BASELINE, baseline)] if baseline is not None else [])]
    config = config_pb2.EvalConfig()
    for name, found in models:
        config.model_specs.add(name=name, is_baseline=name == BASELINE)
        for key, figure in found.items():
            item = proto.metric_keys_and_values.add()
            item.key.name, item.key.model_name = key, name
            item.value.double_value.value = number(figure)
            if isinstance(figure, tuple):
                item.confidence_interval.lower_bound.double_value.value = figure[1]
                item.confidence_interval.upper_bound.double_value.value = figure[2]
    written = {"evalConfig": json_format.MessageToDict(config)}
    (folder / "eval_config.json").write_text(json.dumps(written, indent=1))
    for kind, records in (("metrics", [proto.SerializeToString()]), ("plots", [])):
        with tf.io.TFRecordWriter(str(folder / f"{kind}-00000-of-00001.tfrecord")) as writer:
            for record in records:
                writer.write(record)


class Executor(base_executor.BaseExecutor):
    """Runs `measure` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See CustomEvaluatorSpec for inputs, outputs and parameters."""
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        splits = {
            split: Path(artifact_utils.get_split_uri([examples], split))
            for split in artifact_utils.decode_split_names(examples.split_names)
        }
        config = json.loads(exec_properties["config"])

        def ask(model: str, out_dir: Path) -> Figures:
            folder = Path(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[model])))
            return measure(exec_properties["evaluate_fn"], folder, splits, out_dir, config)

        figures, baseline = dict(ask("model", Path(artifact_utils.get_single_uri(output_dict["findings"])))), None
        figures |= {EXAMPLE_COUNT: float(len(read_records(splits[TEST])))}
        if input_dict.get("baseline_model"):
            with tempfile.TemporaryDirectory() as unseen:
                baseline = ask("baseline_model", Path(unseen))
        bounds = [Bound(**bound) for bound in json.loads(exec_properties["bounds"])]
        lacking = [bound.figure for bound in bounds if bound.figure not in figures]
        if lacking:
            raise ValueError(
                f"expected {', '.join(lacking)} among the figures of {exec_properties['evaluate_fn']}, which gates are on, "
                f"received {', '.join(figures)}. Name a gate's metric as its figure is."
            )
        write_evaluation(figures, baseline, Path(artifact_utils.get_single_uri(output_dict["evaluation"])))
        blessed = all(bound.holds(figures, baseline) for bound in bounds)

        # The custom property and the file are what TFX's own components and resolvers look for.
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
        (Path(blessing.uri) / (constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME)).touch()
