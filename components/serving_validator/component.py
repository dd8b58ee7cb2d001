"""Interface of the serving validator."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Exports, Validation
from components.serving_validator import executor


class ServingValidatorSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of ServingValidator; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "tolerance": component_spec.ExecutionParameter(type=float),
        "timeout_seconds": component_spec.ExecutionParameter(type=float),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "exports": component_spec.ChannelParameter(type=Exports),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "validation": component_spec.ChannelParameter(type=Validation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    }


class ServingValidator(base_component.BaseComponent):
    """Loads a blessed model with the C++ SavedModel loader in another process and holds it to the golden answers.

    Its `blessing` says whether the model may be pushed, `validation` says why. A model that can't be loaded, crashes the
    loader or answers differently is not blessed; the run goes on.
    """

    SPEC_CLASS = ServingValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        model_blessing: types.BaseChannel,
        exports: types.BaseChannel,
        tolerance: float = 1e-5,
        timeout_seconds: float = 120.0,
        code_fingerprint: str | None = None,
    ) -> None:
        """Declares the component.

        Args:
            model: the Trainer's Model, with the signatures of docs/architecture.md.
            model_run: the Trainer's ModelRun, with golden examples and answers.
            model_blessing: the Evaluator's ModelBlessing.
            exports: the exporter's Exports; all must have passed.
            tolerance: largest difference of an answer, absolute, or relative to outputs larger than 1.
            timeout_seconds: that loading and answering may take.
            code_fingerprint: of the code behind the component, for TFX's cache.
        """
        super().__init__(
            spec=ServingValidatorSpec(
                model=model,
                model_run=model_run,
                model_blessing=model_blessing,
                exports=exports,
                tolerance=tolerance,
                timeout_seconds=timeout_seconds,
                code_fingerprint=code_fingerprint,
                validation=types.Channel(type=Validation),
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
