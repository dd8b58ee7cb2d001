"""The node that deploys what was pushed to an endpoint of Vertex AI, where `darsena compile` is given --endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from components.places import uri_of
from pipelines.common.config import ModelConfig, RunConfig
from pipelines.common.errors import UsageError
from pipelines.common.fingerprint import component_fingerprint
from pipelines.common.remote.target import VERTEX

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode

NODE = "VertexEndpoint"


def read(file: Path, target: str, root: Path) -> str:
    """The settings of an endpoint as JSON, checked.

    Args:
        file: like kubeflow/endpoint.yaml.
        target: that is compiled for.
        root: of the run, as nodes see it.

    Raises:
        UsageError: the target has no such endpoints or can't reach the root's versions, or the file says something else.
    """
    import yaml

    from components.vertex_endpoint.settings import checked

    if target != VERTEX:
        raise UsageError(f"expected --endpoint with --target {VERTEX}, received --target {target}. Leave it out, or compile for {VERTEX}.")
    if not uri_of(str(root)).startswith("gs://"):
        raise UsageError(f"expected --remote-root under /gcs, where --endpoint's models are uploaded from, received {root}.")
    try:
        given = yaml.safe_load(file.read_text())
        checked(given)
        return json.dumps(given, sort_keys=True)
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(f"expected --endpoint to be a file like kubeflow/endpoint.yaml, could not take {file}: {reason}.") from error


def deployment(model: ModelConfig, run: RunConfig, pusher: BaseNode) -> list[BaseNode]:
    """The node, after the Pusher, where the run is to have one."""
    if not run.endpoint:
        return []
    from components.vertex_endpoint.component import VertexEndpoint

    node = VertexEndpoint(
        pushed_model=pusher.outputs["pushed_model"],
        model_name=model.name,
        settings=run.endpoint,
        code_fingerprint=component_fingerprint("vertex_endpoint"),
    )
    return [node.with_id(NODE)]
