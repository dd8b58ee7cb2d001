"""The engine of the data work, and the Beam options that it means: pure functions from a small configuration.

Nothing here imports Beam, so that the command line stays instant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

# Named outright: Beam's default tries to download another runner.
DIRECT_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# Of an engine whose workers run what is installed beside them: without an image TFX builds a source distribution of itself per component.
NO_IMAGE = "--sdk_container_image=unused"

# A worker starts in ten seconds, most of them imports; otherwise each stage of a job would start its own.
KEPT_MILLISECONDS = 30_000


@dataclasses.dataclass(frozen=True)
class Engine:
    """What runs the data work inside a pipeline's nodes, and where it is.

    Attributes:
        name: one of ENGINES.
        parallelism: how many workers share the work; 0 for the engine's own choice.
        job_endpoint: HOST:PORT of a Beam job server that is running.
        worker_pool: HOST:PORT of a Beam worker pool beside such an engine's workers.
        master: address of a Flink or Spark cluster, for a job server that Beam starts from `job_server_jar`.
        job_server_jar: path of Beam's job server for Flink or Spark.
        prism: path of the prism program.
        project: of Google Cloud.
        region: of Google Cloud.
        temp_location: gs:// folder for what Dataflow stages.
        container_image: image that the workers run in.
        setup_file: path of a setup.py that the workers install, where they have no image.
        max_workers: of Dataflow's autoscaling; 0 for no limit of one's own.
        machine_type: of Dataflow's workers.
    """

    name: str = "direct"
    parallelism: int = 0
    job_endpoint: str = ""
    worker_pool: str = ""
    master: str = ""
    job_server_jar: str = ""
    prism: str = ""
    project: str = ""
    region: str = ""
    temp_location: str = ""
    container_image: str = ""
    setup_file: str = ""
    max_workers: int = 0
    machine_type: str = ""

    @property
    def described(self) -> dict[str, str | int]:
        """As run.json has it: its name, and the settings that were made."""
        return {"engine": self.name} | {name: value for name, value in dataclasses.asdict(self).items() if value and name != "name"}


DIRECT = Engine()


def direct(engine: Engine) -> list[str]:
    """In this process; on two cores the fastest for data that fits in memory, since nothing is copied between processes."""
    return [f"--runner={DIRECT_RUNNER}", "--direct_running_mode=in_memory", "--direct_num_workers=1", NO_IMAGE]


def multiprocess(engine: Engine) -> list[str]:
    """In processes on this machine, as many as it has cores unless the engine says how many."""
    return [
        f"--runner={DIRECT_RUNNER}",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={engine.parallelism}",  # 0 is Beam's word for one per core
        NO_IMAGE,
    ]


def workers(engine: Engine) -> list[str]:
    """Where a portable engine runs Python: in a container, in a worker pool, or in the process that submitted the job."""
    if engine.container_image:
        return ["--environment_type=DOCKER", f"--environment_config={engine.container_image}", NO_IMAGE]
    if engine.worker_pool:
        kept = f"--environment_cache_millis={KEPT_MILLISECONDS}"
        return ["--environment_type=EXTERNAL", f"--environment_config={engine.worker_pool}", kept, NO_IMAGE]
    return ["--environment_type=LOOPBACK", NO_IMAGE]


def flink(engine: Engine) -> list[str]:
    """Through a job server that is running, or one that Beam starts from a jar for a cluster's master."""
    parallelism = [f"--parallelism={engine.parallelism}"] if engine.parallelism else []
    if engine.job_endpoint:
        return ["--runner=PortableRunner", f"--job_endpoint={engine.job_endpoint}", *parallelism, *workers(engine)]
    server = [f"--flink_master={engine.master}", f"--flink_job_server_jar={engine.job_server_jar}"]
    return ["--runner=FlinkRunner", *server, *parallelism, *workers(engine)]


def spark(engine: Engine) -> list[str]:
    """As `flink`; the parallelism is the cluster's."""
    if engine.job_endpoint:
        return ["--runner=PortableRunner", f"--job_endpoint={engine.job_endpoint}", *workers(engine)]
    server = [f"--spark_master_url={engine.master}", f"--spark_job_server_jar={engine.job_server_jar}"]
    return ["--runner=SparkRunner", *server, *workers(engine)]


def prism(engine: Engine) -> list[str]:
    """A prism program on this machine, with this process as its worker."""
    return ["--runner=PrismRunner", f"--prism_location={engine.prism}", *workers(engine)]


def dataflow(engine: Engine) -> list[str]:
    """A job on Google Cloud, whose workers have the code from an image or install it with a setup.py."""
    code = f"--sdk_container_image={engine.container_image}" if engine.container_image else f"--setup_file={engine.setup_file}"
    sizes = {"num_workers": engine.parallelism, "max_num_workers": engine.max_workers, "worker_machine_type": engine.machine_type}
    return [
        "--runner=DataflowRunner",
        f"--project={engine.project}",
        f"--region={engine.region}",
        f"--temp_location={engine.temp_location}",
        f"--staging_location={engine.temp_location.rstrip('/')}/staging",
        code,
        "--experiments=use_runner_v2",
        *[f"--{name}={value}" for name, value in sizes.items() if value],
    ]


@dataclasses.dataclass(frozen=True)
class Kind:
    """An engine there is.

    Attributes:
        args: Beam's options.
        takes: names of the fields of Engine that it has a use for.
    """

    args: Callable[[Engine], list[str]]
    takes: tuple[str, ...]


CLUSTER = ("job_endpoint", "worker_pool", "master", "job_server_jar", "container_image")
ENGINES: Mapping[str, Kind] = {
    "direct": Kind(direct, ()),
    "multiprocess": Kind(multiprocess, ("parallelism",)),
    "flink": Kind(flink, ("parallelism", *CLUSTER)),
    "spark": Kind(spark, CLUSTER),
    "dataflow": Kind(
        dataflow,
        ("parallelism", "project", "region", "temp_location", "container_image", "setup_file", "max_workers", "machine_type"),
    ),
    "prism": Kind(prism, ("prism",)),
}


def beam_args(engine: Engine) -> list[str]:
    """The Beam options of an engine that was checked (see checks.py)."""
    return ENGINES[engine.name].args(engine)
