"""`darsena verify` and `darsena sign` on versions as the Pusher leaves them, and the commands that use such versions."""

import json

import pytest

from tests.cli.conftest import MODEL


def folder(root, version):
    return root / "serving" / MODEL / str(version)


def test_versions_as_they_were_signed(darsena, root):
    ended = darsena("verify", MODEL, "--root", root)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"version 9 of {MODEL} is as it was signed.\nversion 10 of {MODEL} is as it was signed.\n"


def test_one_that_was_changed_is_told_and_ends_in_1(darsena, root):
    (folder(root, 9) / "more").write_text("")
    ended = darsena("verify", MODEL, "--root", root, "--json")
    assert ended.code == 1
    changed, good = ended.json["versions"]
    assert (changed["version"], good) == (9, {"version": 10, "problem": ""})
    assert f"version 9 of {MODEL} is refused" in changed["problem"] and "added more" in changed["problem"]
    assert f"darsena sign {MODEL} --version 9" in changed["problem"]
    assert darsena("verify", MODEL, "--root", root, "--version", "10").code == 0


def test_signing_makes_it_good_again_and_keeps_its_record(darsena, root):
    (folder(root, 9) / "more").write_text("abc")
    ended = darsena("sign", MODEL, "--root", root, "--version", "9")
    assert (ended.code, ended.err) == (0, "")
    assert darsena("verify", MODEL, "--root", root).code == 0
    record = json.loads((folder(root, 9) / "assets.extra/darsena.json").read_text())
    assert (record["version"], record["pushed"]) == (9, "2026-11-22T10:00:00+00:00")
    assert [(file["path"], file["size"]) for file in record["files"]] == [("more", 3)]


def test_a_version_that_somebody_copied_in_can_be_signed(darsena, root):
    (folder(root, 11)).mkdir()
    (folder(root, 11) / "saved_model.pb").write_text("")
    assert "found none (darsena sign makes one)" in darsena("verify", MODEL, "--root", root).out
    assert darsena("sign", MODEL, "--root", root, "--version", "11").code == 0
    assert darsena("verify", MODEL, "--root", root).code == 0


@pytest.mark.parametrize("command", ["verify", "sign"])
def test_a_version_that_is_not_there(darsena, root, command):
    ended = darsena(command, MODEL, "--root", root, "--version", "3")
    assert ended.code == 1 and f"expected version 3 of {MODEL} in" in ended.out + ended.err


def test_nothing_pushed(darsena, tmp_path):
    ended = darsena("verify", MODEL, "--root", tmp_path)
    assert ended.code == 1 and f"expected pushed versions of {MODEL}" in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [("batch", MODEL, "rows.csv", "answers.csv"), ("serving-config", MODEL), ("tfjs", MODEL)],
    ids=lambda command: command[0],
)
def test_a_version_that_was_changed_is_not_used(darsena, root, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (folder(root, 10) / "more").write_text("")
    ended = darsena(*command, "--root", root)
    assert ended.code == 1
    assert f"version 10 of {MODEL} is refused: " in ended.err and ended.err.count("\n") == 1
