"""Interface of the mistakes component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Section
from components.mistakes import executor


class MistakesSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of Mistakes; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "split": component_spec.ExecutionParameter(type=str),
        "label": component_spec.ExecutionParameter(type=str),
        "class_names": component_spec.ExecutionParameter(type=str),
        "count": component_spec.ExecutionParameter(type=int),
        "image": component_spec.ExecutionParameter(type=str, optional=True),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"mistakes": component_spec.ChannelParameter(type=Section)}


class Mistakes(base_component.BaseComponent):
    """Finds the examples that a classifier or regressor is most wrong about: pictures, or a table where inputs are none."""

    SPEC_CLASS = MistakesSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        label: str,
        class_names: str = "[]",
        split: str = "test",
        count: int = 10,
        image: str | None = None,
        code_fingerprint: str | None = None,
    ) -> None:
        """Declares the component.

        Args:
            examples: raw Examples.
            model: the Trainer's Model, with the signatures of docs/architecture.md.
            label: feature with the true class.
            class_names: JSON list of the classes' names in the order of the model's outputs; may be empty.
            split: of the examples.
            count: how many mistakes to show at most.
            image: the input to draw; without it the first that holds pictures.
            code_fingerprint: of the code behind the component, for TFX's cache.
        """
        super().__init__(
            spec=MistakesSpec(
                examples=examples,
                model=model,
                split=split,
                label=label,
                class_names=class_names,
                count=count,
                image=image,
                code_fingerprint=code_fingerprint,
                mistakes=types.Channel(type=Section),
            )
        )
