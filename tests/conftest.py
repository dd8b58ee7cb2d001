"""Settings for the whole suite: quiet TensorFlow, two logical CPUs, no user's settings, where real data is, the browser and Node.js."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from components.imports import uncollected

with uncollected():
    import tensorflow as tf

from reliability import mariadb as server
from tests.tfjs.packages import tfjs_packages
from tests.web.browser import chromium, packages

# One of each for the whole suite: a second Playwright would not start beside the first.
__all__ = ("chromium", "packages", "tfjs_packages")

REPOSITORY = Path(__file__).resolve().parents[1]

# Before anything initialises TensorFlow: MirroredStrategy is tested over two replicas on the CPU.
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session", autouse=True)
def settings_of_nobody(tmp_path_factory) -> None:
    """No test finds, or makes, signing keys among the settings of who runs it."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets ($DARSENA_DATA, or ../shared/data beside the repository); skips the test without it."""
    folder = Path(os.environ.get("DARSENA_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}: set DARSENA_DATA")
    return folder


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory) -> Iterator[server.Server]:
    """A MariaDB server that runs; skips the test where none is installed."""
    if not server.installed():
        pytest.skip(server.MISSING)
    with server.Server(tmp_path_factory.mktemp("mariadb")) as running:
        yield running
