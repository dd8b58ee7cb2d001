"""Runs followed on fakes of Vertex AI and Kubeflow Pipelines: what is shown of them, and what of lost connections."""

import pytest

from pipelines.common.remote import submitting
from tests.remote.conftest import CREATE, DENIED, FAILED, FILES, GET, NOT_FOUND, RUNNING, SUCCEEDED, TARGETS, UNAVAILABLE
from tests.remote.fakes import Fault, Look


@TARGETS
def test_waiting_shows_each_change_once_and_succeeds(darsena, fake, target, pauses):
    fake.looks = [Look("PENDING", {}), RUNNING, RUNNING, SUCCEEDED]
    ended = darsena("submit", FILES[target], *fake.where, "--wait")
    run = ended.out.split()[1]
    assert (ended.code, ended.err, len(pauses)) == (0, "", 3)
    assert ended.out.splitlines()[2:] == [
        "Transform  succeeded",
        "Trainer  running",
        "Pusher  pending",
        "Trainer  succeeded",
        "Pusher  succeeded",
        f"{run} succeeded",
    ]


@TARGETS
def test_a_failed_node_is_told_with_its_error_in_one_line(darsena, fake, target):
    fake.looks = [RUNNING, FAILED]
    ended = darsena("submit", FILES[target], *fake.where, "--wait")
    run = ended.out.split()[1]
    assert ended.code == 1
    assert ended.err.startswith(f"darsena: {run} failed: Trainer: out of memory. Look at {fake.page}runs/")
    assert ended.err.count("\n") == 1
    assert ended.out.splitlines()[-2:] == ["Trainer  failed", "Pusher  skipped"]


@pytest.mark.parametrize("target", ["kubeflow"])
@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ({"Trainer-driver": ("SUCCEEDED", ""), "Trainer": ("FAILED", ""), "executor": ("FAILED", "exit code 1")}, "Trainer: exit code 1"),
        ({"Trainer-driver": ("FAILED", "no such image")}, "Trainer: no such image"),
    ],
)
def test_pods_of_kubeflow_itself_are_no_nodes_but_their_errors_are_told(darsena, fake, tasks, reason):
    fake.looks = [Look("FAILED", {"root-driver": ("SUCCEEDED", ""), "root": ("FAILED", ""), **tasks}, "child failed")]
    ended = darsena("job", "id-1", *fake.where, "--json")
    nodes = {"Trainer": "failed"} if "Trainer" in tasks else {}
    assert ended.json == {
        "run": "id-1",
        "address": f"{fake.page}runs/details/id-1",
        "state": "failed",
        "nodes": nodes,
        "reason": reason,
    }


@TARGETS
def test_a_missing_right_and_a_missing_run_are_told(darsena, fake, target):
    fake.faults = [Fault(CREATE[target], DENIED[target], "actAs is missing")]
    ended = darsena("submit", FILES[target], *fake.where)
    assert (ended.code, fake.made) == (1, [])
    assert "refused: actAs is missing. Have this account given the right" in ended.err
    fake.faults = [Fault(GET[target], NOT_FOUND[target], "no run x")]
    ended = darsena("job", "x", *fake.where, "--wait")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("refused: no run x. Check the names in the command.\n")


@TARGETS
def test_lost_connections_while_waiting_are_told_and_survived(darsena, fake, target):
    fake.looks = [RUNNING, SUCCEEDED]
    fake.faults = [Fault(GET[target], UNAVAILABLE[target], "reset")] * (submitting.TRIES - 1)
    ended = darsena("job", "x", *fake.where, "--wait")
    assert ended.code == 0
    assert ended.out.count("does not answer (reset). Trying again.") == submitting.TRIES - 1
    assert ended.out.endswith("x succeeded\n")


@TARGETS
def test_waiting_ends_if_nobody_answers_any_more(darsena, fake, target):
    fake.faults = [Fault(GET[target], UNAVAILABLE[target], "reset")] * submitting.TRIES
    ended = darsena("job", "x", *fake.where, "--wait")
    assert (ended.code, len(fake.calls)) == (1, submitting.TRIES)
    assert (
        f"(reset). Gave up after {submitting.TRIES} tries. The run may go on. To wait again: darsena job x --target {target}" in ended.err
    )


@pytest.mark.parametrize("target", ["kubeflow"])
def test_a_cut_connection_while_waiting_is_survived(darsena, fake):
    fake.looks = [SUCCEEDED]
    fake.faults = [Fault("get runs")]
    ended = darsena("job", "x", *fake.where, "--wait")
    assert (ended.code, fake.calls) == (0, ["get runs", "get runs"])
    assert ended.out.startswith("Kubeflow Pipelines does not answer (") and ended.out.count("Trying again.") == 1


@TARGETS
def test_ctrl_c_leaves_the_run_going_and_says_so(darsena, fake, target, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(submitting, "pause", interrupt)
    fake.looks = [RUNNING]
    ended = darsena("submit", FILES[target], *fake.where, "--wait")
    run = ended.out.split()[1]
    assert ended.code == 130
    assert ended.err.startswith(f"darsena: interrupted; the run goes on. To wait again: darsena job {run} --target {target} ")
    assert ended.err.endswith(" --wait\n")
    assert set(fake.calls) <= {"list experiments", "create experiments", CREATE[target], GET[target]}


@TARGETS
def test_json_is_the_only_output(darsena, fake, target):
    fake.looks = [RUNNING, FAILED]
    ended = darsena("submit", FILES[target], *fake.where, "--wait", "--json")
    assert ended.code == 1
    assert ended.json["nodes"] == {"Transform": "succeeded", "Trainer": "failed", "Pusher": "skipped"}
    assert (ended.json["state"], ended.json["reason"]) == ("failed", "Trainer: out of\nmemory")
    sent = darsena("submit", FILES[target], *fake.where, "--json").json
    assert list(sent) == ["run", "address"] and sent["address"].startswith(f"{fake.page}runs/") and sent["run"] in sent["address"]
    assert darsena("submit", FILES[target], *fake.where, "--cron", "0 3 * * *", "--json").json["schedule"] in ("77", "id-3")


@TARGETS
def test_a_run_is_looked_at_and_its_logs_are_found(darsena, fake, target):
    fake.looks = [RUNNING]
    ended = darsena("job", "x", *fake.where)
    assert (ended.code, ended.out) == (0, "x running\nTransform  succeeded\nTrainer  running\nPusher  pending\n")
    commands = darsena("job", "x", *fake.where, "--logs", "--json").json
    if target == "kubeflow":
        assert commands == ["kubectl logs --namespace kubeflow --selector pipeline/runid=x --container main --prefix --tail -1"]
    else:
        assert [command.rpartition("# ")[2] for command in commands] == ["Transform", "Trainer"]
        assert 'resource.type="ml_job" AND resource.labels.job_id="300"\' --project p' in commands[1]
        fake.looks = [Look("PENDING", {"Transform": ("PENDING", "")})]
        assert "no container has begun yet" in darsena("job", "x", *fake.where, "--logs").err
