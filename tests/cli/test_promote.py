"""`darsena promote` and `rollback`: labels that move, are recorded, and are refused."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from pipelines.common import labels
from pipelines.common.errors import DarsenaError

MODEL = "mnist_mlp"


@pytest.fixture
def root(tmp_path) -> Path:
    """Versions 1 to 3 as pipelines push them, and 4, which someone copied there."""
    for version in range(1, 5):
        extra = tmp_path / "serving" / MODEL / str(version) / "assets.extra"
        extra.mkdir(parents=True)
        if version < 4:
            (extra / "darsena.json").write_text(json.dumps({"version": version}))
    return tmp_path


def content(root: Path) -> dict:
    return json.loads((root / "serving" / MODEL / "labels.json").read_text())


def test_a_label_moves_and_every_move_is_recorded(darsena, root):
    first = darsena("promote", MODEL, "--version", 2, "--label", "stable", "--root", root)
    assert (first.code, first.out) == (0, "mnist_mlp: stable is version 2\n")
    second = darsena("promote", MODEL, "--version", 3, "--label", "stable", "--reason", "new data", "--root", root, "--json").json
    assert {key: second[key] for key in ("model", "label", "version", "before", "how", "forced", "reason")} == {
        "model": MODEL, "label": "stable", "version": 3, "before": 2, "how": "promote", "forced": False, "reason": "new data"
    }  # fmt: skip
    back = darsena("rollback", MODEL, "--label", "stable", "--reason", "worse", "--root", root)
    assert back.out == "mnist_mlp: stable is version 2 (before: version 3)\n"
    found = content(root)
    assert found["labels"] == {"stable": 2}
    assert [(change["how"], change["version"], change["before"], change["reason"]) for change in found["history"]] == [
        ("promote", 2, None, ""),
        ("promote", 3, 2, "new data"),
        ("rollback", 2, 3, "worse"),
    ]


def test_the_latest_is_the_default_and_one_that_is_not_blessed_needs_force_and_a_reason(darsena, root):
    command = ("promote", MODEL, "--label", "canary", "--root", root)
    refused = darsena(*command)
    assert refused.code == 3 and "received version 4 of mnist_mlp, which has no record of that" in refused.err
    assert darsena(*command, "--force").code == 2 and not (root / "serving" / MODEL / "labels.json").exists()
    forced = darsena(*command, "--force", "--reason", "measured by hand")
    assert (forced.code, forced.out) == (0, "mnist_mlp: canary is version 4, not blessed\n")
    (change,) = content(root)["history"]
    assert (change["forced"], change["reason"]) == (True, "measured by hand")


def test_rollbacks_go_back_one_by_one_and_labels_do_not_mix(root):
    for version, label in ((1, "stable"), (3, "canary"), (2, "stable"), (2, "stable"), (3, "stable")):
        labels.promote(root, MODEL, label, version, "", False)
    found = [labels.rollback(root, MODEL, "stable", "").version for _ in range(2)]
    assert found == [2, 1] and labels.read(root, MODEL).labels == {"stable": 1, "canary": 3}
    with pytest.raises(DarsenaError, match="it was on version 1 only"):
        labels.rollback(root, MODEL, "stable", "")
    labels.promote(root, MODEL, "stable", 3, "", False)
    assert labels.rollback(root, MODEL, "stable", "").version == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("promote", MODEL, "--label", "stable", "--version", 9), 2, "expected the version to be one of 1, 2, 3, 4"),
        (("promote", MODEL, "--label", "a b", "--version", 1), 2, "expected a label of letters, digits"),
        (("promote", "mnist_lenet", "--label", "stable"), 2, "expected a pushed version of mnist_lenet"),
        (("promote", MODEL, "--version", 1), 2, "--label"),
        (("rollback", MODEL, "--label", "stable"), 2, "one of mnist_mlp's labels (none), received 'stable'"),
    ],
)
def test_mistakes_are_one_line(darsena, root, arguments, code, said):
    ended = darsena(*arguments, "--root", root)
    assert ended.code == code and said in ended.err and ended.err.count("\n") == 1
    assert not (root / "serving" / MODEL / "labels.json").exists()


def test_a_version_that_is_gone_is_not_rolled_back_to(root):
    labels.promote(root, MODEL, "stable", 1, "", False)
    labels.promote(root, MODEL, "stable", 2, "", False)
    (root / "serving" / MODEL / "1").rename(root / "gone")
    with pytest.raises(DarsenaError, match="expected version 1 of mnist_mlp, which had the label stable before, it is gone"):
        labels.rollback(root, MODEL, "stable", "")
    assert labels.read(root, MODEL).labels == {"stable": 2}


@pytest.mark.parametrize("damage", ["", "{}", '{"labels": {"stable": 1}, "history": [{"time": "x"}]}'])
def test_a_damaged_file_is_told_and_left(darsena, root, damage):
    path = root / "serving" / MODEL / "labels.json"
    path.write_text(damage)
    ended = darsena("promote", MODEL, "--version", 1, "--label", "stable", "--root", root)
    assert ended.code == 1 and f"expected the labels of mnist_mlp in {path}" in ended.err
    assert path.read_text() == damage


def test_a_write_that_fails_changes_nothing(root, monkeypatch):
    labels.promote(root, MODEL, "stable", 1, "", False)
    before = content(root)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DarsenaError, match=r"No space left on device\. Nothing was changed"):
        labels.promote(root, MODEL, "stable", 2, "", False)
    assert content(root) == before
    assert {path.name for path in (root / "serving" / MODEL).iterdir() if not path.is_dir()} == {"labels.json", ".labels.json.lock"}


def promote_often(root: Path, label: str) -> None:
    for turn in range(20):
        labels.promote(root, MODEL, label, 1 + turn % 3, "", False)


def test_changes_at_the_same_time_are_all_recorded(root):
    processes = [multiprocessing.get_context("fork").Process(target=promote_often, args=(root, label)) for label in ("one", "two", "three")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = content(root)
    assert len(found["history"]) == 60 and found["labels"] == dict.fromkeys(("one", "two", "three"), 2)
