"""The server of `darsena web --serve`, and the packages it makes pages of."""

import http.client
import json
from pathlib import Path

import pytest

from pipelines.common.errors import DarsenaError
from pipelines.common.web import runtime
from pipelines.common.web.hosting import page_server
from tests.web.browser import hosted

MANIFESTS = Path(runtime.__file__).with_name("runtime")


def get(origin: str, path: str) -> tuple[int, str, bytes]:
    """Status, type and content; the path goes out as it is."""
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("Content-Type", ""), answer.read()


@pytest.fixture
def origin(tmp_path):
    folder = tmp_path / "page"
    (folder / "js").mkdir(parents=True)
    for name in ("index.html", "js/app.js", "a.wasm", ".hidden"):
        (folder / name).write_text(name)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    with hosted(folder) as found:
        yield found


@pytest.mark.parametrize("path, kind", [("/", "text/html"), ("/js/app.js?v=1", "text/javascript"), ("/a.wasm", "application/wasm")])
def test_types_are_those_that_browsers_want(origin, path, kind):
    status, found, content = get(origin, path)
    assert (status, found.split(";")[0]) == (200, kind)
    assert content.decode() in path or content == b"index.html"


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/link", "/.hidden", "/js/", "/js/../../secret", "/nothing"])
def test_nothing_else_is_given_out(origin, path):
    status, _, content = get(origin, path)
    assert status == 404 and b"secret" not in content


def test_a_port_that_is_taken_is_told(origin):
    with pytest.raises(DarsenaError, match=r"expected port \d+ to be free, received: Address already in use. Choose another --port"):
        page_server(Path(), int(origin.rsplit(":", 1)[1]))


def test_the_lock_has_checksums_and_names_no_registry():
    lock = json.loads((MANIFESTS / "package-lock.json").read_text())["packages"]
    names = {name.removeprefix("node_modules/"): entry for name, entry in lock.items() if name}
    assert set(names) == {"@litertjs/core", "@litertjs/wasm-utils"}
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in names.values())
    assert names["@litertjs/core"]["version"] == json.loads((MANIFESTS / "package.json").read_text())["dependencies"]["@litertjs/core"]


def test_without_npm_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        DarsenaError, match=r"expected npm, .* found none\. Install Node.js with npm .* or give an unpacked copy: --runtime DIR"
    ):
        runtime.installed(None)


def test_an_npm_that_fails_is_quoted_and_leaves_nothing(monkeypatch, tmp_path):
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'npm error code EINTEGRITY' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(npm.parent))
    with pytest.raises(DarsenaError, match="received: npm error code EINTEGRITY"):
        runtime.installed(None)
    assert list((tmp_path / "cache/litert-js").iterdir()) == []
