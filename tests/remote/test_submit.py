"""Compiled pipelines sent to fakes of Vertex AI and Kubeflow Pipelines: what these receive, and what the user is told."""

import json

import grpc
import pytest
import yaml
from google.protobuf import json_format

from components import vertex_api
from pipelines.common.remote import submitting
from tests.remote.conftest import CREATE, DEFAULTS, EXHAUSTED, FILES, TARGETS
from tests.remote.fakes import Fake, Fault
from tests.remote.test_compile import ASKED, MODEL


def sent(fake: Fake) -> list[str]:
    """Requests that make something."""
    return [call for call in fake.calls if not call.startswith(("get", "list"))]


@pytest.mark.parametrize("target", ["vertex"])
def test_vertex_receives_the_job_with_its_parameters_labels_and_account(darsena, fake):
    ended = darsena(
        *("submit", FILES["vertex"], *fake.where, "--parameter", "data=/gcs/bucket/new=1", "--service-account", "a@p.example"),
        *("--label", "team=dock", "--label", "stage="),
    )
    assert ended.code == 0, ended.err
    (request,) = fake.made
    job, file = request.pipeline_job, json.loads(FILES["vertex"].read_text())
    assert request.parent == "projects/p/locations/europe-west4"
    assert json_format.MessageToDict(type(job).pb(job).pipeline_spec) == file["pipelineSpec"]
    assert job.runtime_config.gcs_output_directory == "gs://bucket/darsena"
    assert dict(job.runtime_config.parameter_values) == DEFAULTS["vertex"] | {"data": "/gcs/bucket/new=1"}
    assert (dict(job.labels), job.service_account) == ({"team": "dock", "stage": ""}, "a@p.example")
    assert job.display_name == "mnist_softmax"
    assert request.pipeline_job_id.startswith("mnist-softmax-2")
    assert ended.out == f"run       {request.pipeline_job_id}\nlook at   {fake.page}runs/{request.pipeline_job_id}?project=p\n"


@pytest.mark.parametrize("target", ["kubeflow"])
def test_kubeflow_receives_both_documents_parameters_account_and_token(darsena, fake, monkeypatch):
    monkeypatch.setenv("DARSENA_KUBEFLOW_TOKEN", "secret")
    fake.experiments = {"other": "1", "nightly": "2"}
    ended = darsena(
        *("submit", FILES["kubeflow"], *fake.where, "--parameter", "data=/mnt/new"),
        *("--service-account", "runner", "--experiment", "nightly"),
    )
    assert ended.code == 0, ended.err
    (run,) = fake.made
    spec, platforms = yaml.safe_load_all(FILES["kubeflow"].read_text())
    assert run.pipeline_spec == {"pipeline_spec": spec, "platform_spec": platforms}
    assert run.runtime_config.parameters == DEFAULTS["kubeflow"] | {"data": "/mnt/new"}
    assert (run.experiment_id, run.service_account) == ("2", "runner")
    assert run.display_name.startswith("mnist-softmax-2")
    assert fake.headers["Authorization"] == "Bearer secret"
    assert (fake.calls, fake.namespaces) == (["list experiments", "create runs"], [None])
    assert ended.out == f"run       id-1\nlook at   {fake.page}runs/details/id-1\n"


@pytest.mark.parametrize("target", ["kubeflow"])
def test_kubeflow_gets_an_experiment_made_and_the_bare_specification_of_a_pipeline_with_no_platform(darsena, fake, tmp_path):
    spec, _ = yaml.safe_load_all(FILES["kubeflow"].read_text())
    (tmp_path / "bare.yaml").write_text(yaml.safe_dump(spec))
    assert darsena("submit", tmp_path / "bare.yaml", *fake.where, "--namespace", "team").code == 0
    assert (fake.experiments, fake.namespaces) == ({"Default": "experiment-0"}, ["team", "team"])
    assert (fake.made[0].pipeline_spec, fake.made[0].experiment_id) == (spec, "experiment-0")


@TARGETS
def test_a_quota_is_told_at_once_with_what_to_do(darsena, fake, target):
    fake.faults = [Fault(CREATE[target], EXHAUSTED[target], "CustomModelTrainingL4 is 0")]
    ended = darsena("submit", FILES[target], *fake.where, "--wait")
    assert (ended.code, ended.out, fake.made) == (1, "", [])
    assert sent(fake).count(CREATE[target]) == 1
    assert "refused: CustomModelTrainingL4 is 0. A quota is used up: let other runs end" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("target", ["vertex"])
@pytest.mark.parametrize("late", [False, True])
def test_a_lost_answer_of_vertex_is_asked_for_again_and_makes_one_run(darsena, fake, late):
    fake.faults = [Fault("create", grpc.StatusCode.UNAVAILABLE, "connection reset", late)]
    ended = darsena("submit", FILES["vertex"], *fake.where)
    assert (ended.code, fake.calls, len(fake.made)) == (0, ["create", "create"], 1)
    told, run, _ = ended.out.splitlines()
    assert told == "Vertex AI does not answer (connection reset). Trying again."
    assert run.split()[1] == fake.made[0].pipeline_job_id


@pytest.mark.parametrize("target", ["kubeflow"])
@pytest.mark.parametrize("code", [None, 503])
@pytest.mark.parametrize("cron", [(), ("--cron", "0 3 * * *")])
def test_a_lost_answer_of_kubeflow_is_not_asked_for_again(darsena, fake, code, cron):
    call = "create recurringruns" if cron else "create runs"
    fake.faults = [Fault(call, code, "upstream", late=True)]
    ended = darsena("submit", FILES["kubeflow"], *fake.where, *cron)
    assert (ended.code, ended.out) == (1, "")
    assert sent(fake) == ["create experiments", call]
    assert f"run {fake.made[0].display_name} " in ended.err
    assert f"before you try again: {fake.page}{'recurringruns' if cron else 'runs'}" in ended.err


@pytest.mark.parametrize("target", ["vertex"])
def test_a_lost_answer_to_a_schedule_is_not_asked_for_again(darsena, fake):
    fake.faults = [Fault("schedule", grpc.StatusCode.UNAVAILABLE, "reset", late=True)]
    ended = darsena("submit", FILES["vertex"], *fake.where, "--cron", "0 3 * * *")
    assert (ended.code, fake.calls) == (1, ["schedule"])
    assert f"See whether the schedule {fake.made[0].schedule.display_name} was made" in ended.err


@TARGETS
def test_where_nobody_listens_it_is_told(darsena, monkeypatch, target, fake, pauses):
    monkeypatch.setenv(vertex_api.ENDPOINT, "127.0.0.1:1")
    where = fake.where if target == "vertex" else ("--target", "kubeflow", "--host", "http://127.0.0.1:1")
    ended = darsena("submit", FILES[target], *where)
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "does not answer" in ended.err
    assert len(pauses) == (submitting.TRIES - 1 if target == "vertex" else 0)


def test_missing_credentials_are_told(darsena, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    ended = darsena("submit", FILES["vertex"], "--target", "vertex", "--project", "p", "--region", "europe-west4")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "expected credentials for Vertex AI" in ended.err and "gcloud auth application-default login" in ended.err


@pytest.mark.parametrize("target", ["vertex"])
def test_credentials_that_can_not_be_renewed_are_no_lost_connection(darsena, fake):
    fake.faults = [Fault("create", grpc.StatusCode.UNAVAILABLE, "Getting metadata from plugin failed with error: expired")]
    ended = darsena("submit", FILES["vertex"], *fake.where)
    assert (ended.code, fake.calls) == (1, ["create"])
    assert "expired. Run `gcloud auth application-default login`" in ended.err


@TARGETS
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--parameter", "dta=x"), "the pipeline has no parameter dta. It has data, serving_dir."),
        (("--parameter", "data"), "expected --parameter NAME=VALUE, received 'data'."),
        (("--parameter", "data=1", "--parameter", "data=2"), "expected one value for --parameter data, received '1' and '2'."),
        (("--cron", "0 0 3 * * *"), "expected --cron to have five fields (minute, hour, day, month, weekday), received '0 0 3 * * *'."),
        (("--cron", "0 3 * * *", "--wait"), "expected --wait or --cron, received both"),
    ],
)
def test_wrong_usage_sends_nothing(darsena, fake, target, arguments, told):
    ended = darsena("submit", FILES[target], *fake.where, *arguments)
    assert (ended.code, ended.out, fake.calls) == (2, "", [])
    assert told in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--target", "vertex", "--region", "r"), "expected --project with --target vertex"),
        (("--target", "vertex", "--project", "p"), "expected --region with --target vertex"),
        (("--target", "vertex", "--project", "p", "--region", "r", "--host", "http://h"), "expected no --host with --target vertex"),
        (("--target", "vertex", "--project", "p", "--region", "r", "--experiment", "e"), "expected no --experiment with --target vertex"),
        (("--target", "kubeflow"), "expected --host with --target kubeflow"),
        (("--target", "kubeflow", "--host", "h:80"), "expected --host to be an http(s) address, received 'h:80'."),
        (("--target", "kubeflow", "--host", "http://h", "--label", "a=b"), "expected no --label with --target kubeflow"),
        (("--target", "kubeflow", "--host", "http://h"), "vertex.json to be what `darsena compile --target kubeflow` writes"),
    ],
)
def test_options_are_the_targets_and_all_there(darsena, arguments, told):
    ended = darsena("submit", FILES["vertex"], *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


@pytest.mark.parametrize("target", ["vertex"])
def test_values_in_the_file_go_before_the_defaults(darsena, fake, tmp_path):
    job = json.loads(FILES["vertex"].read_text())
    job["runtimeConfig"]["parameterValues"] = {"data": "/gcs/bucket/edited"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    assert darsena("submit", tmp_path / "job.json", *fake.where).code == 0
    assert dict(fake.made[0].pipeline_job.runtime_config.parameter_values) == DEFAULTS["vertex"] | {"data": "/gcs/bucket/edited"}


@TARGETS
def test_a_parameter_without_a_value_and_an_unsound_file_are_refused(darsena, fake, target, tmp_path):
    text = FILES[target].read_text()
    documents = [json.loads(text)] if target == "vertex" else list(yaml.safe_load_all(text))
    spec = documents[0].get("pipelineSpec", documents[0])
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    parameters["rows"] = {"parameterType": "NUMBER_INTEGER"}
    for task in spec["root"]["dag"]["tasks"].values():
        if task["componentRef"]["name"] == "pipeline":  # holds the others
            task["inputs"]["parameters"]["rows"] = {"componentInputParameter": "rows"}
    file = tmp_path / "file"

    def submit(*arguments):
        file.write_text(json.dumps(documents[0]) if target == "vertex" else yaml.safe_dump_all(documents))
        return darsena("submit", file, *fake.where, *arguments)

    ended = submit()
    assert (ended.code, fake.calls) == (2, [])
    assert "a value for every parameter (data, rows, serving_dir), received none for rows. Add --parameter." in ended.err
    ended = submit("--parameter", "rows=true")
    assert ended.code == 2 and "expected --parameter rows to be a NUMBER_INTEGER in JSON's notation, received 'true'." in ended.err
    assert submit("--parameter", "rows=3").code == 0
    received = fake.made[0].pipeline_job.runtime_config.parameter_values if target == "vertex" else fake.made[0].runtime_config.parameters
    assert received["rows"] == 3
    fake.calls.clear()
    del spec["components"]["Trainer"]
    ended = submit("--parameter", "rows=3")
    assert (ended.code, fake.calls) == (2, [])
    assert "Trainer of" in ended.err and "is of no component" in ended.err


@TARGETS
def test_a_schedule_has_the_pipeline_its_parameters_and_the_hour(darsena, fake, target):
    ended = darsena("submit", FILES[target], *fake.where, "--cron", "0 3 * * *", "--parameter", "data=/new")
    assert ended.code == 0, ended.err
    (made,) = fake.made
    if target == "vertex":
        assert made.parent == "projects/p/locations/europe-west4"
        assert (made.schedule.cron, made.schedule.max_concurrent_run_count) == ("0 3 * * *", 1)
        job = made.schedule.create_pipeline_job_request.pipeline_job
        assert dict(job.runtime_config.parameter_values) == DEFAULTS[target] | {"data": "/new"}
        assert made.schedule.create_pipeline_job_request.parent == made.parent
        assert ended.out == f"schedule  77\nlook at   {fake.page}schedules/77?project=p\n"
    else:
        # Five fields alone would be seconds, minutes, hours, days and months to it.
        assert (made.trigger.cron_schedule.cron, made.mode, made.max_concurrency) == ("0 0 3 * * *", "ENABLE", "1")
        assert made.runtime_config.parameters == DEFAULTS[target] | {"data": "/new"}
        assert made.pipeline_spec["pipeline_spec"]["pipelineInfo"]["name"] == "mnist-softmax"
        assert ended.out == f"schedule  id-1\nlook at   {fake.page}recurringrun/details/id-1\n"


@TARGETS
def test_a_model_is_compiled_to_what_compile_writes_and_sent_with_its_parameters(darsena, fake, target, tmp_path):
    asked = (*ASKED[FILES[target].name], "--epochs", "3", "--root", tmp_path)
    assert darsena("compile", MODEL, *asked, "-o", tmp_path / "file").code == 0
    text = (tmp_path / "file").read_text()
    ended = darsena("submit", MODEL, *asked, *fake.where, "--parameter", "serving_dir=/new")
    assert (ended.code, ended.err) == (0, "")
    (made,) = fake.made
    if target == "vertex":
        job = made.pipeline_job
        sent, written = json_format.MessageToDict(type(job).pb(job).pipeline_spec), json.loads(text)["pipelineSpec"]
        values, run = dict(job.runtime_config.parameter_values), made.pipeline_job_id
        assert (job.display_name, job.runtime_config.gcs_output_directory) == (MODEL, "gs://bucket/darsena")
    else:
        spec, platforms = yaml.safe_load_all(text)
        sent, written = made.pipeline_spec, {"pipeline_spec": spec, "platform_spec": platforms}
        values, run = made.runtime_config.parameters, "id-1"
    assert sent == written
    assert values == DEFAULTS[target] | {"serving_dir": "/new"}
    here, *told = ended.out.splitlines()
    assert here == f"data      {tmp_path / 'data' / 'mnist-sample'} is to be at {DEFAULTS[target]['data']}"
    assert told[0] == f"run       {run}"


@pytest.mark.parametrize("target", ["vertex"])
def test_a_file_goes_before_the_model_of_its_name(darsena, fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / MODEL).write_text(FILES["vertex"].read_text())
    ended = darsena("submit", MODEL, *fake.where)
    assert (ended.code, len(fake.made)) == (0, 1), ended.err


@TARGETS
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((MODEL,), "Missing option '--pipeline-root'. See 'darsena submit --help'."),
        ((MODEL, "--pipeline-root", "gs://bucket"), "Missing option '--image'. See 'darsena submit --help'."),
        (
            ("mnist_sofmax",),
            "expected a FILE that `darsena compile` wrote, or the name of a MODEL, received 'mnist_sofmax': "
            "there is no such file, and there is no model 'mnist_sofmax'. Did you mean 'mnist_softmax'?",
        ),
        (("nowhere/job.json",), "received 'nowhere/job.json': there is no such file, and there is no model 'nowhere/job.json'."),
        (("FILE", "--image", "i"), "expected no --image with FILE, which is compiled already."),
        (("FILE", "--set", "epochs=1"), "expected no --set with FILE"),
        (("FILE", "--seed", "42"), "expected no --seed with FILE"),
        (("FILE", "--root", "r"), "expected no --root with FILE"),
    ],
)
def test_what_is_neither_or_lacks_or_has_an_option_of_compile_sends_nothing(darsena, fake, target, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text(FILES[target].read_text())
    ended = darsena("submit", *arguments, *fake.where)
    assert (ended.code, ended.out, fake.calls, ended.err.count("\n")) == (2, "", [], 1)
    assert told in ended.err


def test_help_has_both_forms_and_what_compiles_a_model_by_itself(darsena):
    told = " ".join(darsena("submit", "--help").out.split())
    own, compiles = told.split("With a MODEL, as of compile:")
    assert "--cron" in own and "--image" not in own
    assert "--image IMAGE" in compiles and "[required]" in compiles and "--cron TIMES" not in compiles
    assert "darsena submit job.json" in compiles and "--pipeline-root gs://bucket/darsena" in compiles
