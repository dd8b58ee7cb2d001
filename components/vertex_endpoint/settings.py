"""What is said of an endpoint of Vertex AI (kubeflow/endpoint.yaml is an example), checked by the official protos."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from google.cloud import aiplatform_v1
from google.protobuf import json_format

KEYS = ("parent", "endpoint", "containerSpec", "dedicatedResources")
OPTIONAL = ("serviceAccount",)
# The words of a filter have neither quotes nor backslashes.
_NAME = re.compile(r'[^"\\\n]{1,128}')


@dataclasses.dataclass(frozen=True)
class Settings:
    """How versions of a model are served.

    Attributes:
        parent: `projects/…/locations/…`.
        endpoint: display name.
        container: aiplatform_v1.ModelContainerSpec.
        resources: aiplatform_v1.DedicatedResources.
        service_account: that the container runs as; empty for Vertex AI's own.
    """

    parent: str
    endpoint: str
    container: Any
    resources: Any
    service_account: str = ""


def checked(given: Any) -> Settings:
    """Settings from JSON's types.

    Raises:
        ValueError: a key is missing or unknown, or has another value than Vertex AI takes.
    """
    keys = set(given) if isinstance(given, dict) else set()
    if not set(KEYS) <= keys <= {*KEYS, *OPTIONAL}:
        known = f"{', '.join(KEYS)} and perhaps {', '.join(OPTIONAL)}"
        raise ValueError(f"expected the keys {known}, received {', '.join(sorted(map(str, keys))) or 'none'}")
    for key, pattern, what in (
        ("parent", re.compile(r"projects/[^/]+/locations/[a-z0-9-]+"), "projects/…/locations/…"),
        ("endpoint", _NAME, "a display name of at most 128 characters without quotes and backslashes"),
        ("serviceAccount", re.compile(r"[^@\s]+@[^@\s]+|"), "an e-mail address"),
    ):
        value = given.get(key, "")
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"expected {key} to be {what}, received {value!r}")
    container = _parsed(aiplatform_v1.ModelContainerSpec, "containerSpec", given)
    resources = _parsed(aiplatform_v1.DedicatedResources, "dedicatedResources", given)
    for key, value in (
        ("containerSpec.imageUri", container.image_uri),
        ("dedicatedResources.machineSpec.machineType", resources.machine_spec.machine_type),
        ("dedicatedResources.minReplicaCount", resources.min_replica_count),
    ):
        if not value:
            raise ValueError(f"expected {key}, which Vertex AI asks for, received none")
    return Settings(given["parent"], given["endpoint"], container, resources, given.get("serviceAccount", ""))


def _parsed(kind: Any, key: str, given: dict[str, Any]) -> Any:
    made = kind()
    try:
        json_format.ParseDict(given[key], kind.pb(made))
    except (json_format.ParseError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"expected {key} to be what Vertex AI's {kind.__name__} has, received something else: {reason}") from error
    return made
