"""Configuration of `tensorflow_model_server`, and what runs it: Docker Compose, Kubernetes, KServe.

Sources: TF Serving's "Serving configuration" (model_server_config.proto, monitoring_config.proto) and "Batching configuration"
(session_bundle_config.proto); the Compose specification; KServe's InferenceService v1beta1.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
from collections.abc import Mapping, Sequence

from serving.server import GRPC_PORT, REST_PORT

# Of TF Serving's images the newest when this was written; it is TensorFlow 2.20, which loads what this TensorFlow saves.
IMAGE = "tensorflow/serving:2.20.0"
MOUNT = "/models"
CONFIG_MOUNT = "/config"
# A label's version is not there yet when the server starts; without the third flag it would refuse to.
FLAGS = (
    "--model_config_file={config}/models.config",
    "--model_config_file_poll_wait_seconds=60",
    "--allow_version_labels_for_unavailable_models=true",
    "--monitoring_config_file={config}/monitoring.config",
)
BATCHING_FLAGS = ("--enable_batching=true", "--batching_parameters_file={config}/batching.config")


@dataclasses.dataclass(frozen=True)
class Served:
    """A model to serve.

    Attributes:
        name: of the model.
        folder: of its versions, as the server sees it.
        latest: its newest version.
        labels: versions by label.
    """

    name: str
    folder: str
    latest: int
    labels: Mapping[str, int]

    @property
    def versions(self) -> list[int]:
        """The versions to serve by number, where there are labels; without labels the server follows the newest."""
        return sorted({self.latest, *self.labels.values()}) if self.labels else []


@dataclasses.dataclass(frozen=True)
class Options:
    """How the server runs.

    Attributes:
        image: the container's.
        batching: whether requests that come at the same time are answered together.
        threads: of batches at a time; the cores that a replica has.
        memory: of a replica, as Kubernetes writes it.
        replicas: of a Deployment.
        claim: the PersistentVolumeClaim that holds the models, for Kubernetes and KServe.
        source: the folder with the models on the Docker host.
    """

    source: str
    image: str = IMAGE
    batching: bool = False
    threads: int = 2
    memory: str = "2Gi"
    replicas: int = 2
    claim: str = "darsena-models"


def server_flags(batching: bool, config: str = CONFIG_MOUNT) -> list[str]:
    """Flags of `tensorflow_model_server` that go with the configuration in a folder, ports aside."""
    return [flag.format(config=config) for flag in (*FLAGS, *(BATCHING_FLAGS if batching else ()))]


def configuration(models: Sequence[Served], options: Options) -> dict[str, str]:
    """The server's own files by name: `models.config`, `monitoring.config` and `batching.config`."""
    given = {"models": models, "options": options}
    return {name: rendered(name, given) for name in ("models.config", "monitoring.config", "batching.config")}


def files(models: Sequence[Served], options: Options) -> dict[str, str]:
    """All files by name: the server's own, `compose.yaml`, `kubernetes.yaml` and `kserve.yaml`.

    Args:
        models: at least one, their folders as a container sees them.
        options: of the server.
    """
    found = configuration(models, options)
    given = {
        "models": models,
        "options": options,
        "flags": server_flags(options.batching),
        "configuration": found,
        "mount": MOUNT,
        "config_mount": CONFIG_MOUNT,
        "grpc": GRPC_PORT,
        "rest": REST_PORT,
    }
    return found | {name: rendered(name, given) for name in ("compose.yaml", "kubernetes.yaml", "kserve.yaml")}


def rendered(name: str, given: Mapping[str, object]) -> str:
    """The text of a file."""
    import jinja2

    template = importlib.resources.files(__package__) / "templates" / f"{name}.j2"
    environment = jinja2.Environment(  # no HTML
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(given)
