"""The work of the endpoint's node: see what was pushed, and have the endpoint serve it."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.places import uri_of
from components.pusher import publication
from components.vertex_endpoint import deployment
from components.vertex_endpoint.settings import checked

log = logging.getLogger(__name__)

RECIPE = 12  # characters of its hash in labels


def reason_not_to(pushed: dict[str, Any]) -> str:
    """Why there is nothing to deploy; empty if there is.

    Args:
        pushed: the Pusher's pushed.json.

    Raises:
        deployment.DeploymentFailed: the version has been deleted since.
    """
    if not pushed["pushed"]:
        return f"nothing was pushed: {pushed['reason']}"
    folder = Path(pushed["path"])
    if not folder.is_dir():
        raise deployment.DeploymentFailed(
            f"expected version {pushed['version']} at {folder}, it is gone. Compile with --no-cache to push the model again."
        )
    latest = max(publication.versions(folder.parent))
    # The Pusher may have been answered from the cache with an older one.
    return "" if latest == pushed["version"] else f"version {pushed['version']} is not the latest, which is {latest}"


def version_of(model: str, pushed: dict[str, Any]) -> deployment.Version:
    """The pushed version, as Vertex AI is to know it.

    Raises:
        deployment.DeploymentFailed: it is not in a bucket.
    """
    uri = uri_of(pushed["path"])
    if not uri.startswith("gs://"):
        raise deployment.DeploymentFailed(
            f"expected the pushed version in a bucket (under /gcs/), received {uri}. Give another --parameter serving_dir."
        )
    recipe = publication.read_record(Path(pushed["path"]))["lineage"]["recipe"]
    return deployment.Version(model, pushed["version"], recipe[:RECIPE], uri)


class Executor(base_executor.BaseExecutor):
    """Runs `deployment.deploy` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See VertexEndpointSpec for inputs, outputs and parameters."""
        pushed = json.loads((Path(artifact_utils.get_single_uri(input_dict["pushed_model"])) / "pushed.json").read_text())
        outcome: dict[str, Any] = {"deployed": False, "version": pushed["version"], "reason": reason_not_to(pushed)}
        if outcome["reason"]:
            log.info("Nothing is deployed: %s.", outcome["reason"])
        else:
            settings = checked(json.loads(exec_properties["settings"]))
            done = deployment.deploy(settings, version_of(exec_properties["model_name"], pushed))
            outcome |= {"deployed": True} | dataclasses.asdict(done)
        found = artifact_utils.get_single_instance(output_dict["deployment"])
        found.set_int_custom_property("deployed", int(outcome["deployed"]))
        (Path(found.uri) / "deployment.json").write_text(json.dumps(outcome, indent=2) + "\n")
