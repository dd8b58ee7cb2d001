"""Interface of the custom evaluator."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Section
from components.custom_evaluator import executor


class CustomEvaluatorSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of CustomEvaluator; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "evaluate_fn": component_spec.ExecutionParameter(type=str),
        "bounds": component_spec.ExecutionParameter(type=str),
        "config": component_spec.ExecutionParameter(type=str),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "findings": component_spec.ChannelParameter(type=Section),
    }


class CustomEvaluator(base_component.BaseComponent):
    """Measures a model by a function of its own, holds the figures to bounds and to the served model's, and blesses it or not.

    Its `evaluation` is in TFMA's form and its `blessing` is that of TFX's Evaluator, so that whatever follows takes either.
    `findings` is a section of the report: pictures and tables that the function leaves.
    """

    SPEC_CLASS = CustomEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        evaluate_fn: str,
        bounds: Sequence[executor.Bound],
        config: Mapping[str, Any],
        baseline_model: types.BaseChannel | None = None,
        code_fingerprint: str | None = None,
    ) -> None:
        """Declares the component.

        Args:
            examples: raw Examples, all splits.
            model: the Trainer's Model.
            evaluate_fn: dotted path of the function, see `executor.EvaluateFn`.
            bounds: what the figures are held to.
            config: for the function, values that JSON knows.
            baseline_model: the Model that is served now, if any.
            code_fingerprint: of the code behind the component and the function, for TFX's cache.
        """
        super().__init__(
            spec=CustomEvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                evaluate_fn=evaluate_fn,
                bounds=json.dumps([dataclasses.asdict(bound) for bound in bounds]),
                config=json.dumps(config, sort_keys=True),
                code_fingerprint=code_fingerprint,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                findings=types.Channel(type=Section),
            )
        )
