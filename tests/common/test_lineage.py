"""What a version was made from, and what else its data made, by hand-written ML Metadata."""

import json
import shutil

import pytest

from pipelines.common.databases import PASSWORD, Database, pipeline_name
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.lineage import lineage
from pipelines.common.metadata_store import prepared
from reliability.mariadb import SECRET
from tests.common.recorded import FAILED, RUNNING, Recorder


def write_record(root, model, run_id, node, output, uri):
    """The record of a run in which a node made something."""
    folder = root / "runs" / model / run_id
    folder.mkdir(parents=True)
    record = {
        "run_id": run_id,
        "verdict": "blessed and pushed",
        "pushed": {"version": 2},
        "config": {"data": "sample", "data_note": "drawn"},
        "code": {"trainer_modules/m.py": "f00d"},
        "versions": {"keras": "3"},
        "nodes": [{"id": node, "state": "complete", "outputs": {output: [uri]}}],
    }
    (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture
def m(tmp_path):
    """Version 1, of other data; version 2, pushed by a run that took the model from the cache."""
    recorder = Recorder(tmp_path, "m")
    first = recorder.whole_run("r1", "old", 1)
    examples = recorder.read("r2", "new")
    model = recorder.train("r2", examples, epochs=3)
    recorder.push("r2", model)
    recorder.train("r3", recorder.read("r3", "new", cached=examples), cached=model)
    pushed = recorder.push("r3", model, 2, baseline={"version": 1, "model_uri": first.uri, "recipe": "x"}, by_hand="a deadline")
    recorder.publish(2, model)
    recorder.train("r4", recorder.read("r4", "new", cached=examples), cached=model)
    recorder.push("r4", model, cached=pushed)
    return recorder


def test_a_model_from_the_cache_was_made_by_the_run_that_trained_it(m, tmp_path):
    found = lineage(tmp_path, "m", None, None)
    assert (found["version"], found["latest"], found["there"]) == (2, True, True)
    assert (found["pushed"]["pipeline_run"], found["trained"]["pipeline_run"]) == ("r3", "r2")
    assert (found["data"]["fingerprint"], found["data"]["path"]) == ("new", "/new")
    assert found["code"]["training_fingerprint"] == "code"
    assert (found["hparams"], found["seed"]) == ({"epochs": 3}, 42)
    assert found["compared_with"]["version"] == 1
    assert found["blessed_by_hand"] == {"reason": "a deadline", "by": "ada"}
    assert lineage(tmp_path, "m", 1, None)["blessed_by_hand"] is None
    assert found["same_data"]["versions"] == []
    (again,) = found["same_data"]["runs"]
    assert (again["pipeline_run"], again["verdict"], again["version"], again["trained"]) == ("r4", "blessed and pushed", 2, False)


def test_records_of_runs_add_words_and_nothing_else(m, tmp_path):
    before = lineage(tmp_path, "m", 2, None)
    assert (before["trained"]["run_id"], before["data"]["kind"], before["code"]["files"], before["libraries"]) == (None,) * 4
    write_record(tmp_path, "m", "20260101-000000", "Trainer", "model", before["trained"]["model_uri"])
    found = lineage(tmp_path, "m", 2, None)
    assert (found["trained"].pop("run_id"), found["pushed"]["run_id"]) == ("20260101-000000", None)
    assert (found["data"].pop("kind"), found["data"].pop("note")) == ("sample", "drawn")
    assert (found["code"].pop("files"), found.pop("libraries")) == ({"trainer_modules/m.py": "f00d"}, {"keras": "3"})
    for part in (before, before["trained"], before["data"], before["code"]):
        for word in ("run_id", "kind", "note", "files", "libraries"):
            part.pop(word, None)
    before["pushed"]["run_id"] = None
    assert found == before


def test_what_else_the_data_made_in_all_models(m, tmp_path):
    other = Recorder(tmp_path, "other")
    other.whole_run("o1", "old", 7)
    shutil.rmtree(other.folder(7))
    other.whole_run("o2", "old")
    other.node("o3", "Trainer", {"examples": other.read("o3", "old")}, {}, FAILED)
    other.node("o4", "Trainer", {"examples": other.read("o4", "old")}, {}, RUNNING)
    other.whole_run("o5", "unrelated", 8)
    found = lineage(tmp_path, "m", 1, None)["same_data"]
    (version,) = found["versions"]
    assert (version["model"], version["version"], version["there"], version["root"]) == ("other", 7, False, str(tmp_path))
    assert {run["pipeline_run"]: run["verdict"] for run in found["runs"]} == {
        "o1": "blessed and pushed",
        "o2": "not blessed",
        "o3": "failed in Trainer",
        "o4": "not finished",
    }


def test_a_withdrawn_version_and_its_number_given_again(m, tmp_path):
    shutil.rmtree(m.folder(2))
    found = lineage(tmp_path, "m", 2, None)
    assert (found["there"], found["latest"], found["trained"]["pipeline_run"]) == (False, False, "r2")
    m.whole_run("r5", "newer", 2)
    assert lineage(tmp_path, "m", None, None)["trained"]["pipeline_run"] == "r5"
    shutil.rmtree(m.folder(2))
    assert lineage(tmp_path, "m", 2, None)["trained"]["pipeline_run"] == "r5"


def test_versions_that_no_run_pushed_are_told(m, tmp_path):
    with pytest.raises(UsageError, match=r"m has no version 9 .* Versions: 1, 2\.$"):
        lineage(tmp_path, "m", 9, None)
    shutil.copytree(m.folder(1), m.folder(3))
    with pytest.raises(DarsenaError, match=r"it is a copy of version 1"):
        lineage(tmp_path, "m", None, None)
    for text in ("", "[]", '{"version": 3, "model_uri": "/elsewhere"}'):
        (m.folder(3) / "assets.extra/darsena.json").write_text(text)
        with pytest.raises(DarsenaError, match=r"Someone put it there"):
            lineage(tmp_path, "m", 3, None)


def test_nothing_to_tell_is_told(tmp_path):
    with pytest.raises(DarsenaError, match=r"found none\. Make one with: darsena run m"):
        lineage(tmp_path, "m", None, None)
    (tmp_path / "serving/m/1").mkdir(parents=True)
    with pytest.raises(DarsenaError, match=r"Name the right --root and --metadata"):
        lineage(tmp_path, "m", None, None)
    with pytest.raises(DarsenaError, match=r"expected ML Metadata of the runs under .* in mysql://me@host:1/x, found none"):
        lineage(tmp_path, "m", None, Database("me", "host", 1, "x"))
    assert not (tmp_path / "metadata").exists()


def test_in_a_database_it_sees_the_other_roots_and_takes_none_of_their_versions(mariadb, monkeypatch, tmp_path):
    monkeypatch.setenv(PASSWORD, SECRET)
    config = prepared(tmp_path, "m", mariadb.database)
    roots = [tmp_path / "a", tmp_path / "b"]
    a, b = (Recorder(root, "m", config, pipeline_name(root, "m", mariadb.database)) for root in roots)
    data = str(tmp_path)  # the server is every test's
    a.whole_run(f"{data}/1", data, 1)
    b.whole_run(f"{data}/2", data, 1)
    b.whole_run(f"{data}/3", data, 2)
    a.node(f"{data}/4", "CsvExampleGen", {}, {"examples": "Examples"})  # of someone else's pipeline
    found = lineage(roots[0], "m", None, mariadb.database)
    assert (found["version"], found["trained"]["pipeline_run"]) == (1, f"{data}/1")
    assert [(version["root"], version["version"]) for version in found["same_data"]["versions"]] == [(str(roots[1]), 1), (str(roots[1]), 2)]
    with pytest.raises(UsageError, match=r"no version 2 under"):
        lineage(roots[0], "m", 2, mariadb.database)
