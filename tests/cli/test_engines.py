"""`--beam` and `darsena flink` on the command line; a stand-in runs the pipeline, and no cluster is started."""

from pipelines.common.engines import cluster
from pipelines.common.engines.options import Engine
from tests.cli.conftest import MODEL
from tests.cli.test_run import executed  # noqa: F401 (a fixture)


def test_an_engine_and_its_options_reach_the_run(darsena, executed, root):  # noqa: F811
    assert darsena("run", MODEL, "--root", root, "--beam", "multiprocess", "--beam-option", "parallelism=3").code == 0
    assert darsena("run", MODEL, "--root", root).code == 0
    assert [run.engine for run in executed.runs] == [Engine("multiprocess", parallelism=3), Engine()]


def test_wrong_usage_is_one_line_before_anything_runs(darsena, executed, root):  # noqa: F811
    for options, says in (
        (["--beam", "flink"], "there is none. Start one with darsena flink up"),
        (["--beam", "flnk"], "'flnk' is not one of"),
        (["--beam-option", "parallelism=2"], "--beam direct has no option 'parallelism'"),
    ):
        ended = darsena("run", MODEL, "--root", root, *options)
        assert ended.code == 2 and says in ended.err and ended.err.count("\n") == 1
    assert executed.runs == []


def test_the_state_of_a_cluster(darsena, root, monkeypatch):
    ended = darsena("flink", "status", "--root", root)
    assert ended.code == 1 and "none was started" in ended.err
    assert darsena("flink", "down", "--root", root).out == f"no cluster under {root}\n"
    there = cluster.Cluster("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", ())
    monkeypatch.setattr(cluster, "up", lambda folder: there)
    monkeypatch.setattr(cluster.Cluster, "task_managers", lambda self: 2)
    ended = darsena("flink", "up", "--root", root, "--json")
    assert ended.code == 0
    assert (ended.json["state"], ended.json["job_endpoint"], ended.json["task_managers"]) == ("up", "127.0.0.1:2", 2)
