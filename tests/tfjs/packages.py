"""TensorFlow.js in Node.js, for tests; they are skipped, saying why, where the system brings no npm."""

import shutil
from pathlib import Path

import pytest

from pipelines.common.tfjs import asking


@pytest.fixture(scope="session")
def tfjs_packages() -> Path:
    """TensorFlow.js in a folder node_modules."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine, which installs TensorFlow.js: install Debian's package npm")
    return asking.installed()
