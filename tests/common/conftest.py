"""Fixtures of the tests of what pipelines share."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is not there yet."""
    return tmp_path / "root"
