"""Beam's options of each engine, as Beam itself reads them, and what is refused before a run."""

import socket

import pytest
from apache_beam.options import pipeline_options as beam

from pipelines.common.engines import checks, cluster
from pipelines.common.engines.options import ENGINES, Engine, beam_args
from pipelines.common.errors import UsageError

CLOUD = {"project": "my-project", "region": "europe-west1", "temp_location": "gs://bucket/tmp"}


def understood(engine: Engine) -> beam.PipelineOptions:
    """Options as Beam parses them; an option that it doesn't know is an error."""
    options = beam.PipelineOptions(beam_args(engine))
    known = {"worker_machine_type", *options.get_all_options()}  # which Beam keeps as machine_type
    assert {argument[2:].partition("=")[0] for argument in beam_args(engine)} <= known
    return options


def test_the_direct_runner_is_named_outright_and_runs_in_memory():
    options = understood(Engine())
    assert options.view_as(beam.StandardOptions).runner.endswith("FnApiRunner")
    direct = options.view_as(beam.DirectOptions)
    assert (direct.direct_running_mode, direct.direct_num_workers) == ("in_memory", 1)


@pytest.mark.parametrize("parallelism", [0, 3])
def test_multiprocess_has_as_many_workers_as_asked_for(parallelism):
    direct = understood(Engine("multiprocess", parallelism=parallelism)).view_as(beam.DirectOptions)
    assert (direct.direct_running_mode, direct.direct_num_workers) == ("multi_processing", parallelism)


@pytest.mark.parametrize("name", ["flink", "spark"])
def test_a_job_server_that_runs_is_asked_with_a_worker_pool_a_container_or_this_process(name):
    for where, kind, config in (
        ({"worker_pool": "127.0.0.1:2"}, "EXTERNAL", "127.0.0.1:2"),
        ({"container_image": "image"}, "DOCKER", "image"),
        ({}, "LOOPBACK", None),
    ):
        options = understood(Engine(name, job_endpoint="127.0.0.1:1", **where))
        portable = options.view_as(beam.PortableOptions)
        assert options.view_as(beam.StandardOptions).runner == "PortableRunner"
        assert (portable.job_endpoint, portable.environment_type, portable.environment_config) == ("127.0.0.1:1", kind, config)


def test_a_job_server_is_started_for_a_master():
    flink = understood(Engine("flink", master="host:8081", job_server_jar="flink.jar", parallelism=4))
    assert flink.view_as(beam.StandardOptions).runner == "FlinkRunner"
    runner = flink.view_as(beam.FlinkRunnerOptions)
    assert (runner.flink_master, runner.flink_job_server_jar, runner.parallelism) == ("host:8081", "flink.jar", 4)
    spark = understood(Engine("spark", master="spark://host:7077", job_server_jar="spark.jar")).view_as(beam.SparkRunnerOptions)
    assert (spark.spark_master_url, spark.spark_job_server_jar) == ("spark://host:7077", "spark.jar")


def test_prism_is_the_program_that_was_named():
    options = understood(Engine("prism", prism="/opt/prism"))
    assert options.view_as(beam.PrismRunnerOptions).prism_location == "/opt/prism"
    assert options.view_as(beam.PortableOptions).environment_type == "LOOPBACK"


def test_dataflow_gets_project_places_code_and_sizes():
    options = understood(Engine("dataflow", **CLOUD, container_image="image", parallelism=2, max_workers=5, machine_type="n2-standard-2"))
    cloud, workers = options.view_as(beam.GoogleCloudOptions), options.view_as(beam.WorkerOptions)
    assert (cloud.project, cloud.region, cloud.temp_location) == ("my-project", "europe-west1", "gs://bucket/tmp")
    assert cloud.staging_location == "gs://bucket/tmp/staging"
    assert (workers.sdk_container_image, workers.num_workers, workers.max_num_workers) == ("image", 2, 5)
    assert workers.machine_type == "n2-standard-2"
    packaged = understood(Engine("dataflow", **CLOUD, setup_file="setup.py"))
    assert packaged.view_as(beam.SetupOptions).setup_file == "setup.py"
    assert packaged.view_as(beam.WorkerOptions).sdk_container_image is None


def test_options_are_converted_and_those_of_another_engine_are_refused_with_a_suggestion():
    assert checks.chosen("multiprocess", ["parallelism=2"]) == Engine("multiprocess", parallelism=2)
    for name, settings, says in (
        ("flink", ["job_endpont=1"], "Did you mean 'job_endpoint'"),
        ("direct", ["parallelism=2"], "--beam direct has no option 'parallelism'. It has none."),
        ("flink", ["parallelism=0"], "parallelism to be a number from 1 on, received '0'"),
        ("flink", ["parallelism"], "NAME=VALUE, received 'parallelism'"),
        ("flink", ["parallelism=1", "parallelism=2"], "one value for parallelism, received 1 and 2"),
    ):
        with pytest.raises(UsageError) as raised:
            checks.chosen(name, settings)
        assert says in str(raised.value)


@pytest.fixture
def listening():
    """HOST:PORT of somebody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_engines_that_have_what_they_need_pass(listening, tmp_path):
    jar, prism = tmp_path / "server.jar", tmp_path / "prism"
    jar.touch()
    prism.touch(mode=0o755)
    for engine in (
        Engine(),
        Engine("multiprocess"),
        Engine("flink", job_endpoint=listening),
        Engine("spark", job_endpoint=listening, worker_pool=listening),
        Engine("prism", prism=str(prism)),
    ):
        assert checks.checked(engine, tmp_path) == engine


def test_what_is_missing_is_told_before_a_run(listening, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"
    setup = str(tmp_path / "setup.py")
    for engine, says in (
        (Engine("flink"), "darsena flink up"),
        (Engine("flink", job_endpoint=closed), f"expected job_endpoint {closed} to answer"),
        (Engine("flink", job_endpoint="nowhere"), "job_endpoint to be HOST:PORT, received 'nowhere'"),
        (Engine("flink", job_endpoint=listening, worker_pool=closed), f"expected worker_pool {closed} to answer"),
        (Engine("flink", job_endpoint=listening, master=listening), "received both"),
        (Engine("flink", master=listening), "job_server_jar, Beam's job server for Flink, received none"),
        (Engine("spark"), "the address of a Spark cluster, received none"),
        (Engine("prism"), "expected the program prism, found none"),
        (Engine("dataflow"), "--beam-option project=my-project for Dataflow, received none"),
        (Engine("dataflow", **CLOUD | {"region": "Europe"}), "received Europe"),
        (Engine("dataflow", **CLOUD | {"temp_location": "/tmp"}), "temp_location=gs://BUCKET/FOLDER for Dataflow, received /tmp"),
        (Engine("dataflow", **CLOUD), "received neither"),
        (Engine("dataflow", **CLOUD, setup_file=setup), f"there is no {setup}"),
        (Engine("dataflow", **CLOUD, container_image="image"), "expected a gs:// root"),
    ):
        with pytest.raises(UsageError) as raised:
            checks.checked(engine, tmp_path)
        assert says in str(raised.value) and "\n" not in str(raised.value)


def test_the_cluster_under_the_root_is_taken_unless_a_part_that_is_needed_has_ended(tmp_path, monkeypatch):
    there = cluster.Cluster("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", ())
    monkeypatch.setattr(cluster, "read", lambda root: there)
    monkeypatch.setattr(checks, "answers", lambda address: True)
    found = checks.checked(Engine("flink"), tmp_path)
    assert (found.job_endpoint, found.worker_pool, found.parallelism) == ("127.0.0.1:2", "127.0.0.1:3", cluster.SLOTS)
    for dead, refused in (("TaskManager-1", False), ("JobServer", True)):
        monkeypatch.setattr(cluster.Cluster, "dead", property(lambda self, dead=dead: [dead]))
        if refused:
            with pytest.raises(UsageError, match="JobServer has ended"):
                checks.checked(Engine("flink"), tmp_path)
        else:
            assert checks.checked(Engine("flink"), tmp_path).job_endpoint == "127.0.0.1:2"


def test_an_engine_is_recorded_with_what_was_set():
    assert Engine("flink", job_endpoint="127.0.0.1:1").described == {"engine": "flink", "job_endpoint": "127.0.0.1:1"}
    assert Engine().described == {"engine": "direct"}


def test_every_field_of_an_engine_is_taken_by_one():
    taken = {name for kind in ENGINES.values() for name in kind.takes}
    assert taken | {"name"} == set(vars(Engine()))
