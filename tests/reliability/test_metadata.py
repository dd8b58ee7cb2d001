"""The section about metadata on a server, where it can be tested without whole runs."""

from ml_metadata.proto import metadata_store_pb2 as pb

from reliability import metadata
from reliability.mariadb import SECRET
from tests.common.recorded import RUNNING, Recorder


def test_without_a_server_program_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(metadata, "installed", lambda: False)
    (row,) = metadata.measure(False, tmp_path).rows
    assert (row.injected, row.harmed) == (0, 0) and "apt install mariadb-server-core" in row.found


def test_the_naive_repair_marks_what_another_root_is_busy_with(tmp_path):
    recorder = Recorder(tmp_path, "m")
    recorder.node("r1", "Trainer", {}, {}, RUNNING)
    other = metadata.another_root_execution(recorder.store)
    assert metadata.is_running(recorder.store, other)
    metadata.repair_naively(recorder.store)
    assert {execution.last_known_state for execution in recorder.store.get_executions()} == {pb.Execution.FAILED}


def test_first_connections_are_counted_by_whether_they_failed(mariadb, monkeypatch, tmp_path):
    monkeypatch.setenv("DARSENA_METADATA_PASSWORD", SECRET)
    assert metadata.failed_together(mariadb, tmp_path, careful=True) == 0
    monkeypatch.setenv("DARSENA_METADATA_PASSWORD", "guessed-48")
    assert metadata.failed_together(mariadb, tmp_path, careful=False) == metadata.TOGETHER
