"""Interface of the TFLite exporter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Exports
from components.tflite_exporter import executor
from components.tflite_exporter.bounds import Bounds
from components.tflite_exporter.converters import CONVERTERS


class TFLiteExporterSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of TFLiteExporter; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "split": component_spec.ExecutionParameter(type=str),
        "metric_split": component_spec.ExecutionParameter(type=str),
        "metrics": component_spec.ExecutionParameter(type=str),
        "label": component_spec.ExecutionParameter(type=str),
        "class_names": component_spec.ExecutionParameter(type=str),
        "about": component_spec.ExecutionParameter(type=str),
        "float32_diff": component_spec.ExecutionParameter(type=float),
        "float16_diff": component_spec.ExecutionParameter(type=float),
        "points": component_spec.ExecutionParameter(type=float),
        "int8_agreement": component_spec.ExecutionParameter(type=float),
        "int8_diff": component_spec.ExecutionParameter(type=float),
        "int8_mean_diff": component_spec.ExecutionParameter(type=float),
        "timeout_seconds": component_spec.ExecutionParameter(type=float),
        "formats": component_spec.ExecutionParameter(type=str),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"exports": component_spec.ChannelParameter(type=Exports)}


class TFLiteExporter(base_component.BaseComponent):
    """Makes TFLite models of a blessed model, by default float32, float16, dynamic range and int8.

    Each is held to the golden answers of the trained one, and to the metrics that it was blessed by.

    A model that is not blessed gets an empty list of exports. A format that can't be made, or is outside its bound, fails the run.
    """

    SPEC_CLASS = TFLiteExporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        examples: types.BaseChannel,
        blessing: types.BaseChannel,
        split: str = "train",
        metric_split: str = "test",
        metrics: Mapping[str, bool] | None = None,
        label: str = "",
        class_names: Sequence[str] = (),
        about: Mapping[str, str] | None = None,
        bounds: Bounds | None = None,
        timeout_seconds: float = 300.0,
        formats: Sequence[str] = tuple(CONVERTERS),
        code_fingerprint: str | None = None,
    ) -> None:
        """Declares the component.

        Args:
            model: the Trainer's Model, with the signatures of docs/architecture.md.
            model_run: the Trainer's ModelRun, with golden examples and answers.
            examples: raw Examples.
            blessing: the Evaluator's ModelBlessing.
            split: of the examples, whose first 200 calibrate the integer format.
            metric_split: of the examples, on whose first 1,000 the metrics are measured.
            metrics: metrics that no format may lose over a point of, with whether more is better; none for a model without such.
            label: feature with the truth that they need.
            class_names: in the order of the model's outputs; empty for a regressor.
            about: name, description, version, author and license, for the metadata of each file.
            bounds: how far the answers of a format may be from the golden ones.
            timeout_seconds: that conversion and comparison may take each.
            formats: names of the formats to make: float32, float16, dynamic, int8.
            code_fingerprint: of the code behind the component, for TFX's cache.
        """
        bounds = bounds or Bounds()
        super().__init__(
            spec=TFLiteExporterSpec(
                model=model,
                model_run=model_run,
                examples=examples,
                blessing=blessing,
                split=split,
                metric_split=metric_split,
                metrics=json.dumps(dict(metrics or {})),
                label=label,
                class_names=json.dumps(list(class_names)),
                about=json.dumps({"name": "", "description": "", "version": "", "author": "", "license": "", **(about or {})}),
                float32_diff=bounds.float32_diff,
                float16_diff=bounds.float16_diff,
                points=bounds.points,
                int8_agreement=bounds.int8_agreement,
                int8_diff=bounds.int8_diff,
                int8_mean_diff=bounds.int8_mean_diff,
                timeout_seconds=timeout_seconds,
                formats=json.dumps(list(formats)),
                code_fingerprint=code_fingerprint,
                exports=types.Channel(type=Exports),
            )
        )
