"""`darsena doctor` finds faults put in front of it, and says what to do."""

import socket
import subprocess
import types

import pytest

from pipelines.common import checks

LOCK = """\
# a comment==1
Some_Package==1.21.0 \\
    --hash=sha256:aa
    # via other==9
other.thing==2.0 ; python_version >= '3.8' \\
    --hash=sha256:bb
"""


def test_the_lock_is_read_by_normalised_names():
    assert checks.locked_versions(LOCK) == {"some-package": "1.21.0", "other-thing": "2.0"}


def test_packages_that_are_missing_or_differ_are_listed():
    found = checks.packages({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "2.1", "unlisted": "1"})
    assert found.status == checks.PROBLEM
    assert found.found == "b 2.1 (locked: 2); c missing (locked: 3)"
    assert "make setup" in found.advice
    assert checks.packages({"a": "1"}, {"a": "1", "unlisted": "1"}).status == checks.OK


def test_this_environment_is_the_locked_one():
    locked = checks.locked_versions((checks.REPOSITORY / "requirements.lock").read_text())
    assert {"tensorflow", "tfx", "click"} <= set(locked)
    assert checks.packages(locked, checks.installed_versions()).found == f"all {len(locked)} as in requirements.lock"


@pytest.mark.parametrize(
    ("reported", "status"), [("glibc 2.36", "problem"), ("glibc 2.39", "ok"), ("glibc 2.41", "ok"), ("glibc 3.0", "ok")]
)
def test_glibc(monkeypatch, reported, status):
    monkeypatch.setattr("os.confstr", lambda name: reported)
    found = checks.glibc()
    assert found.status == status
    assert (checks.IMAGE in found.advice) == (status == "problem")


@pytest.mark.parametrize(("gigabytes", "status"), [(0.1, "problem"), (1, "warning"), (50, "ok")])
def test_disk(monkeypatch, tmp_path, gigabytes, status):
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=int(gigabytes * 2**30)))
    found = checks.disk("root", tmp_path / "not" / "there")
    assert found.status == status
    assert f"{gigabytes:.1f} GB free" in found.found


def test_a_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    found = checks.root_folder(tmp_path / "file" / "root")
    assert found.status == checks.OK  # not there yet: its disk is all there is to look at
    assert checks.root_folder(tmp_path / "file").status == checks.PROBLEM


def test_looking_makes_no_root(tmp_path):
    assert checks.root_folder(tmp_path / "root").status == checks.OK
    assert not (tmp_path / "root").exists()


def test_a_taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        number = server.getsockname()[1]
        taken = checks.port(number, "127.0.0.1", "--rest-port")
    assert (taken.status, "--rest-port PORT" in taken.advice) == (checks.WARNING, True)
    assert checks.port(number, "127.0.0.1", "--rest-port").status == checks.OK


def test_devices_are_what_tensorflow_prints_last(monkeypatch):
    monkeypatch.setattr(checks, "DEVICES", """print('noise'); print('["2.21.0", "CPU:0", "GPU:0"]')""")
    assert checks.devices().found.startswith("CPU:0, GPU:0 (TensorFlow 2.21.0")


def test_a_tensorflow_that_does_not_start(monkeypatch):
    monkeypatch.setattr(checks, "DEVICES", "raise ImportError('no such symbol')")
    found = checks.devices()
    assert (found.status, found.found) == (checks.PROBLEM, "TensorFlow does not start: ImportError: no such symbol")


def test_a_tensorflow_that_hangs(monkeypatch):
    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr("subprocess.run", hang)
    found = checks.devices(seconds=5)
    assert (found.status, found.found) == (checks.PROBLEM, "TensorFlow did not answer within 5 s")


def test_the_command_ends_in_1_only_for_a_problem(darsena, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "devices", lambda: checks.Check("devices", checks.WARNING, "slow", "wait"))
    healthy = darsena("doctor", "--json", "--root", tmp_path)
    assert (healthy.code, healthy.json["ok"]) == (0, True)
    assert [check["name"] for check in healthy.json["checks"]] == [
        *("python", "glibc", "packages", "clone", "root", "devices"),
        *("port 8500", "port 8501"),
    ]
    installed = checks.installed_versions() | {"click": "0.0.1"}
    monkeypatch.setattr(checks, "installed_versions", lambda: installed)
    ill = darsena("doctor", "--json", "--root", tmp_path)
    assert (ill.code, ill.json["ok"]) == (1, False)
    shown = darsena("doctor", "--root", tmp_path)
    assert shown.code == 1
    assert "click 0.0.1 (locked: " in shown.out and "→ Delete .venv and run 'make setup'." in shown.out
