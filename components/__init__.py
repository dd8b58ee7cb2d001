"""TFX components that TFX lacks. Each folder holds component.py (the interface) and executor.py (the work)."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """The artifact types of artifacts.py, by the names that they have in pipelines compiled for Vertex AI and Kubeflow."""
    if name[:1].isupper():  # not before it is asked for: it imports TFX
        artifacts = importlib.import_module("components.artifacts")
        if name in vars(artifacts):
            return vars(artifacts)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
