"""Interface of the node that deploys to an endpoint of Vertex AI."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Deployment
from components.vertex_endpoint import executor


class VertexEndpointSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of VertexEndpoint; see there."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "model_name": component_spec.ExecutionParameter(type=str),
        "settings": component_spec.ExecutionParameter(type=str),
        "code_fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS: ClassVar[dict[str, Any]] = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}
    OUTPUTS: ClassVar[dict[str, Any]] = {"deployment": component_spec.ChannelParameter(type=Deployment)}


class VertexEndpoint(base_component.BaseComponent):
    """Has an endpoint of Vertex AI serve the version that was pushed, in place of what it served before.

    Does nothing where nothing was pushed, and where the version is deployed already.
    """

    SPEC_CLASS = VertexEndpointSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, pushed_model: types.BaseChannel, model_name: str, settings: str, code_fingerprint: str | None = None) -> None:
        """Declares the component.

        Args:
            pushed_model: the Pusher's.
            model_name: display name in Vertex AI's model registry.
            settings: JSON of what settings.py takes.
            code_fingerprint: of the code behind the component, for TFX's cache.
        """
        super().__init__(
            spec=VertexEndpointSpec(
                pushed_model=pushed_model,
                model_name=model_name,
                settings=settings,
                code_fingerprint=code_fingerprint,
                deployment=types.Channel(type=Deployment),
            )
        )
