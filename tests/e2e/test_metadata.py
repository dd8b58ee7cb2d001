"""Runs whose ML Metadata is on a database server. The tests build on one another, in this order."""

import json
import subprocess
import sys

import pytest

from reliability.mariadb import SECRET
from tests.e2e.conftest import states

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MODEL = "color_som"  # the quickest
CHANGED = ("--set", "iterations=150")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("metadata") / "root"


@pytest.fixture
def start(mariadb, root):
    """Starts `darsena` with the server's database."""

    def started(command, *arguments):
        line = [sys.executable, "-m", "pipelines", command, MODEL, "--root", str(root), "--metadata", str(mariadb.database), *arguments]
        environment = mariadb.environment | {"COLUMNS": "500"}
        assert SECRET not in " ".join(line)
        return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return started


@pytest.fixture
def record_of(start):
    """Runs the pipeline to its end, and returns the run's record."""

    def ran(*arguments):
        out, err = start("run", "--json", *arguments).communicate(timeout=300)
        assert "Traceback" not in err
        return json.loads(out)

    return ran


@pytest.fixture
def lineage(start):
    def told(*arguments):
        out, err = start("lineage", "--json", *arguments).communicate(timeout=60)
        assert not err
        return json.loads(out)

    return told


def test_a_run_is_pushed_and_its_metadata_are_on_the_server(record_of, mariadb, root):
    record = record_of()
    assert (record["verdict"], record["pushed"]["version"]) == ("blessed and pushed", 1)
    assert record["config"]["metadata"] == str(mariadb.database)
    assert not list(root.glob("metadata/*.sqlite"))
    assert mariadb.running() == []


def test_the_same_again_is_all_cached_under_the_other_runner_too(record_of):
    record = record_of("--runner", "beam")
    assert set(states(record).values()) == {"cached"}
    assert record["verdict"] == "blessed and pushed"


def test_the_lineage_outlives_the_records_of_the_runs(lineage, root):
    before = lineage()
    (root / "runs").rename(root / "away")
    after = lineage()
    (root / "away").rename(root / "runs")
    assert before["trained"].pop("run_id") and after["trained"].pop("run_id") is None
    assert after["trained"] == before["trained"]
    assert after["data"]["fingerprint"] == before["data"]["fingerprint"]
    assert after["same_data"] == before["same_data"]
    (cached,) = before["same_data"]["runs"]
    assert (cached["version"], cached["trained"], cached["verdict"]) == (1, False, "blessed and pushed")


def test_a_server_that_goes_while_a_run_goes_on_ends_it_in_one_line(start, mariadb):
    killed = start("run", *CHANGED)
    mariadb.wait_until_running("Trainer", killed)
    killed.kill()
    killed.communicate()
    assert len(mariadb.running("Trainer")) == 1  # for the next run to repair
    process = start("run", *CHANGED)
    mariadb.wait_until_running("Trainer", process)
    mariadb.kill()
    _, err = process.communicate(timeout=120)
    mariadb.start()
    assert process.returncode == 1
    assert len(err.splitlines()) == 1
    assert f"expected ML Metadata in {mariadb.database}, could not use it: Can't connect" in err


def test_the_next_run_repairs_and_completes(record_of, mariadb, lineage):
    record = record_of(*CHANGED)
    assert (record["verdict"], record["pushed"]["version"]) == ("blessed and pushed", 2)
    assert mariadb.running() == []
    found = lineage()
    assert (found["hparams"]["iterations"], found["compared_with"]["version"]) == (150, 1)
    assert [version["version"] for version in found["same_data"]["versions"]] == [1]
    assert sorted(run["verdict"] for run in found["same_data"]["runs"]) == ["blessed and pushed"] * 2 + ["failed in Trainer"] * 2


def test_nothing_that_is_left_holds_the_password(root):
    files = [path for path in root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
