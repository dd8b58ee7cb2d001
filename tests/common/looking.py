"""How tests look at folders and at errors."""

from pathlib import Path

import pytest


def names(folder: Path) -> list[str]:
    """All that is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def one_line(caught: pytest.ExceptionInfo) -> str:
    """The message, which must be one line."""
    assert "\n" not in str(caught.value)
    return str(caught.value)
