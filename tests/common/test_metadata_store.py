"""What a killed run left in ML Metadata, and its repair."""

import contextlib
import sqlite3

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipelines.common import metadata_store
from pipelines.common.errors import DarsenaError
from pipelines.common.metadata_store import MetadataStore, prepared


@pytest.fixture
def store(tmp_path):
    return MetadataStore(prepared(tmp_path, "m", None), "m")


def execute(store, node, state, uri=None, pipeline="m"):
    """An execution of a node, as TFX records it; returns its id."""
    backend = store._open()
    types = {
        "execution": backend.put_execution_type(pb.ExecutionType(name=node)),
        "node": backend.put_context_type(pb.ContextType(name="node")),
        "pipeline": backend.put_context_type(pb.ContextType(name="pipeline")),
        "artifact": backend.put_artifact_type(pb.ArtifactType(name="Thing")),
    }
    execution = pb.Execution(type_id=types["execution"], last_known_state=state)
    outputs = []
    if uri:
        artifact = pb.Artifact(type_id=types["artifact"], uri=uri)
        artifact.custom_properties["blessed"].int_value = 1
        event = pb.Event(type=pb.Event.OUTPUT)
        event.path.steps.add().key = "thing"
        event.path.steps.add().index = 0
        outputs = [(artifact, event)]
    contexts = [pb.Context(type_id=types["node"], name=f"{pipeline}.{node}"), pb.Context(type_id=types["pipeline"], name=pipeline)]
    identifier, _, _ = backend.put_execution(execution, outputs, contexts, reuse_context_if_already_exist=True)
    return identifier


def test_outcomes_are_those_of_the_last_execution_after_a_point(store):
    assert store.last_execution() == 0
    execute(store, "Gen", pb.Execution.COMPLETE, "/a")
    before = store.last_execution()
    assert store.outcomes(["Gen"], before) == {}
    execute(store, "Gen", pb.Execution.FAILED)
    last = execute(store, "Gen", pb.Execution.CACHED, "/b")
    (outcome,) = store.outcomes(["Gen", "Other"], before).values()
    assert (outcome.execution_id, outcome.state, outcome.outputs) == (last, "cached", {"thing": ["/b"]})
    assert outcome.properties == {"thing": {"blessed": 1}}


def test_repair_fails_what_was_running_and_removes_only_what_it_wrote(store, tmp_path):
    done = execute(store, "Gen", pb.Execution.COMPLETE, "/a")
    running = execute(store, "Trainer", pb.Execution.RUNNING)
    artifacts = tmp_path / "artifacts"
    kept, gone = artifacts / f"Gen/examples/{done}", [artifacts / f"Trainer/model/{running}", artifacts / f"Trainer/.system/work/{running}"]
    for folder in (kept, *gone):
        folder.mkdir(parents=True)
    assert store.repair(artifacts) == [running]
    assert kept.is_dir() and not any(folder.exists() for folder in gone)
    assert store.outcomes(["Trainer"], 0)["Trainer"].state == "failed"
    assert store.repair(artifacts) == []


def test_repair_leaves_the_executions_of_other_pipelines_alone(store, tmp_path):
    other = execute(store, "Trainer", pb.Execution.RUNNING, pipeline="m@another-root")
    mine = execute(store, "Trainer", pb.Execution.RUNNING)
    assert store.repair(tmp_path) == [mine]
    states = {execution.id: execution.last_known_state for execution in store._open().get_executions()}
    assert states == {mine: pb.Execution.FAILED, other: pb.Execution.RUNNING}


def test_a_file_that_another_program_keeps_is_told_at_once(tmp_path, store, monkeypatch):
    monkeypatch.setattr(metadata_store, "LOCK_SECONDS", 0)
    path = tmp_path / "metadata/m.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            DarsenaError, match=r"in .*m.sqlite, could not: database is locked. Have the program that keeps it close it, then"
        ):
            prepared(tmp_path, "m", None)
        other.execute("ROLLBACK")
    assert store.last_execution() == 0 and prepared(tmp_path, "m", None)


def test_a_file_that_is_damaged_is_told_and_stays(tmp_path):
    path = tmp_path / "metadata/m.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(
        DarsenaError, match=r"could not: file is not a database. Mend its disk or its rights, or restore it, then run again"
    ):
        prepared(tmp_path, "m", None)
    assert path.read_bytes() == b"no database" * 1000
