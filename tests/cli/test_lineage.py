"""`darsena lineage`, as a user sees it."""

from reliability.mariadb import SECRET
from tests.cli.conftest import MODEL
from tests.common.recorded import Recorder


def test_a_lineage_for_people_and_for_machines(darsena, tmp_path):
    recorder = Recorder(tmp_path, MODEL)
    recorder.whole_run("r1", "digits", 1, epochs=3)
    for number in range(2, 14):
        recorder.whole_run(f"r{number}", "digits", number)
    ended = darsena("lineage", MODEL, "--version", 1, "--root", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"{MODEL} version 1: blessed and pushed, not the latest"
    assert any(line.split() == ["with", "epochs", "3,", "seed", "42,", "strategy", "auto,", "precision", "float32"] for line in lines)
    assert "in ML Metadata: run r1, execution 2" in ended.out and "Other versions of the same data: 12" in ended.out
    assert ended.out.count("and 2 before, which --json shows") == 2
    found = darsena("lineage", MODEL, "--version", 1, "--root", tmp_path, "--json").json
    assert [version["version"] for version in found["same_data"]["versions"]] == list(range(2, 14))


def test_usage_and_failures_have_their_codes_and_one_line(darsena, tmp_path, monkeypatch):
    monkeypatch.setenv("DARSENA_METADATA", f"mysql://me:{SECRET}@localhost/metadata")
    ended = darsena("lineage", MODEL, "--root", tmp_path)
    assert ended.code == 2 and "DARSENA_METADATA_PASSWORD" in ended.err and SECRET not in ended.err
    ended = darsena("run", MODEL, "--root", tmp_path, "--metadata", "mysql://me@localhost:1/metadata")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "expected ML Metadata in mysql://me@localhost:1/metadata, could not use it: Can't connect" in ended.err
    assert not (tmp_path / "data").exists()  # nothing was read yet
