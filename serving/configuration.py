"""What a server serves: TF Serving's ModelServerConfig, or the folders as they are. Imports TensorFlow.

Source: TF Serving's "Serving configuration", model server configuration: version policies and labels.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.errors import ServingError, invalid

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # in particular no separators, and no leading dot
LABELS_FILE = "labels.json"
PLATFORM = "tensorflow"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is served of a model.

    Attributes:
        folder: of its versions.
        latest: how many of the newest versions; 0 for all there are.
        versions: these instead, if there are any.
        labels: versions by label; they are served too.
    """

    folder: Path
    latest: int = 1
    versions: frozenset[int] = frozenset()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


def of_folder(folder: Path) -> Settings:
    """The newest version of a model's folder, and those that its `labels.json` gives a label.

    Raises:
        ValueError: the file does not hold labels with numbers of versions.
        OSError: it cannot be read.
    """
    file = folder / LABELS_FILE
    if not file.exists():
        return Settings(folder)
    content = json.loads(file.read_text(encoding="utf-8"))
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or not all(type(version) is int for version in labels.values()):
        raise ValueError(f'expected {file} to be an object like {{"labels": {{"stable": 3}}}}, received something else')
    return Settings(folder, labels=labels)


def read(file: Path) -> model_server_config_pb2.ModelServerConfig:
    """A configuration as `tensorflow_model_server --model_config_file` takes it: a ModelServerConfig as text.

    Raises:
        ServingError: there is no such file, or it is something else.
    """
    try:
        return text_format.Parse(file.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ServingError(f"expected {file} to be a ModelServerConfig as text (models.config), received: {error}") from error


def settings_of(config: model_server_config_pb2.ModelServerConfig, base: Path) -> dict[str, Settings]:
    """The models of a configuration by name.

    Args:
        config: of a file, or of an untrusted request.
        base: the folder that all models must lie in.

    Raises:
        RequestError: it is not a list of models, or one of them is not to be served as it says.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid("ServerModelConfig type not supported. Only ModelConfigList is currently supported")
    found: dict[str, Settings] = {}
    for model in config.model_config_list.config:
        if not NAME.fullmatch(model.name):
            raise invalid(f"expected a model name of letters, digits, '_', '-' and '.', received {model.name!r}")
        if model.name in found:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        if model.model_platform not in ("", PLATFORM):
            raise invalid(f"expected the model_platform of {model.name} to be {PLATFORM}, received {model.model_platform!r}")
        found[model.name] = settings_of_model(model, base)
    return found


def settings_of_model(model: model_server_config_pb2.ModelConfig, base: Path) -> Settings:
    """One model of a configuration: see `settings_of`."""
    folder = Path(model.base_path)
    if not folder.is_absolute() or not folder.resolve().is_relative_to(base.resolve()):
        raise invalid(f"expected the base_path of {model.name} to be an absolute path in {base}, received {model.base_path!r}")
    policy, kind = model.model_version_policy, model.model_version_policy.WhichOneof("policy_choice")
    if kind == "specific" and not policy.specific.versions:
        raise invalid(f"expected at least one version in the specific policy of {model.name}, received none")
    if kind == "latest" and policy.latest.num_versions < 0:
        raise invalid(f"expected num_versions of {model.name} to be at least 0, received {policy.latest.num_versions}")
    return Settings(
        folder,
        latest=0 if kind == "all" else policy.latest.num_versions or 1,
        versions=frozenset(policy.specific.versions if kind == "specific" else ()),
        labels=dict(model.version_labels),
    )
