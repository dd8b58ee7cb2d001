"""Files that come in the wheels of other packages: what embedded samples are made of."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pipelines.common.errors import DarsenaError


def packaged(package: str, file: str, what: str) -> Path:
    """A file of a package; found without importing it.

    Args:
        package: as it is imported.
        file: its path in the package.
        what: it is of, for the message, e.g. "the photographs of the package scikit-image".

    Raises:
        DarsenaError: the package is not installed, or not as expected.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / file
        if path.is_file():
            return path
    raise DarsenaError(f"expected {what}, it is not installed or has no {Path(file).name}. Run `make setup`.")
