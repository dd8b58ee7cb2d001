"""Interface of the pusher."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Exports
from components.pusher import executor


class PusherSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of Pusher; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "serving_dir": component_spec.ExecutionParameter(type=str),
        "lineage": component_spec.ExecutionParameter(type=str),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
        "exports": component_spec.ChannelParameter(type=Exports, optional=True),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Publishes a model that both gates bless as the next version, atomically.

    TFX's own Pusher writes into the live folder, where a server may find a version half-written, and names versions by the time.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        serving_dir: str,
        exports: types.BaseChannel | None = None,
        model_run: types.BaseChannel | None = None,
        evaluation: types.BaseChannel | None = None,
        lineage: str = "{}",
        code_fingerprint: str | None = None,
    ) -> None:
        """Declares the component.

        Args:
            model: the Trainer's Model.
            model_blessing: the Evaluator's.
            infra_blessing: the serving validator's.
            serving_dir: folder of the versions; its name is the model's.
            exports: to publish with the model.
            model_run: the Trainer's ModelRun, whose golden examples make the warm-up requests.
            evaluation: the Evaluator's, whose metrics go with the model.
            lineage: JSON object with what the version is made from.
            code_fingerprint: of the code behind the component, for TFX's cache.
        """
        super().__init__(
            spec=PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                exports=exports,
                model_run=model_run,
                evaluation=evaluation,
                serving_dir=serving_dir,
                lineage=lineage,
                code_fingerprint=code_fingerprint,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
