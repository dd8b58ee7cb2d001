"""Interface of ManualBlessing."""

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.manual_blessing.executor import Executor


class ManualBlessingSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of ManualBlessing; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "reason": component_spec.ExecutionParameter(type=str),
        "by": component_spec.ExecutionParameter(type=str),
        "code_fingerprint": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {"evaluated": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing)}
    OUTPUTS: ClassVar[dict[str, Any]] = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing)}


class ManualBlessing(base_component.BaseComponent):
    """Blesses a model whatever the Evaluator found, and records who wanted it and why; what was blessed anyway stays as it is."""

    SPEC_CLASS = ManualBlessingSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, evaluated: types.BaseChannel, reason: str, by: str, code_fingerprint: str):
        """Declares the component.

        Args:
            evaluated: the Evaluator's blessing, or refusal.
            reason: why the model is to be blessed all the same.
            by: the name of who says so.
            code_fingerprint: enters the cache key.
        """
        super().__init__(
            spec=ManualBlessingSpec(
                evaluated=evaluated,
                reason=reason,
                by=by,
                code_fingerprint=code_fingerprint,
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
