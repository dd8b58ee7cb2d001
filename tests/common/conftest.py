"""Fixtures of the tests of what pipelines share."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.file_server import CONTENT, Server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is not there yet."""
    return tmp_path / "root"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.files = {name: gzip.compress(content) for name, content in CONTENT.items()}
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DARSENA_DATA", raising=False)
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
