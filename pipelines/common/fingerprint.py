"""Fingerprints of source code, so that TFX's cache sees edits of code that it only knows by a dotted name."""

import ast
import hashlib
import importlib.metadata
import json
from functools import cache
from pathlib import Path
from typing import Any

from components.checksums import sha256
from pipelines.common.config import Data, ModelConfig

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING_LIBRARIES = ("tensorflow", "keras", "tensorflow-transform", "tfx")
PACKAGES = ("pipelines", "components", "trainer_modules", "serving", "reporting")


def source_files(module: str) -> dict[str, str]:
    """A module of this project and all it imports from this project, directly or not.

    Args:
        module: dotted path.

    Returns:
        SHA-256 by path relative to the repository, sorted.
    """
    found: dict[str, str] = {}
    pending = [module]
    while pending:
        path = module_path(pending.pop())
        if path is None or (name := str(path.relative_to(REPOSITORY))) in found:
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        pending += imports(path)
    return dict(sorted(found.items()))


def fingerprint(value: Any) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def code_fingerprint(module: str) -> str:
    """One hash over `source_files(module)`."""
    return fingerprint(source_files(module))


def component_fingerprint(component: str) -> str:
    """One hash over all modules of `components/<component>/` and what they import from this project."""
    modules = sorted((REPOSITORY / "components" / component).glob("*.py"))
    return fingerprint([source_files(f"components.{component}.{path.stem}") for path in modules])


def training_fingerprint(model: ModelConfig) -> str:
    """One hash over what, beside data and hyperparameters, decides what training makes: code, libraries, the model's version."""
    libraries = {name: importlib.metadata.version(name) for name in TRAINING_LIBRARIES}
    return fingerprint([code_fingerprint(model.trainer_module), libraries, model.version])


def data_fingerprint(data: Data) -> str:
    """One hash over the names and contents of the files that match, or over the version of data that is elsewhere."""
    if data.version:
        return data.version
    folder = data.path
    found = ((path, path.stat()) for path in sorted(folder.glob(data.pattern)) if path.is_file())
    return fingerprint([[str(path.relative_to(folder)), content(path, status.st_size, status.st_mtime_ns)] for path, status in found])


@cache
def content(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file; its size and time of change make sure that one process reads it again only when it changed."""
    return sha256(path)


def module_path(module: str) -> Path | None:
    """The file of a module of this project; None for any other module, and for names that are no modules."""
    if module.split(".")[0] not in PACKAGES:
        return None
    base = REPOSITORY.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names that a file imports: modules, and each `from module import name` also as module.name."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:  # relative imports are against the laws
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)
