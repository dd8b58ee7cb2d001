"""A Flink session cluster on loopback, with Beam's job server and a pool of Python workers beside it.

One JobManager and two TaskManagers, each with slots for the whole work, so that a job goes on when one of them dies.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.common.checks import REPOSITORY
from pipelines.common.engines import jars, loopback
from pipelines.common.engines.processes import LOOPBACK, Process, answers, start, stop, wait
from pipelines.common.errors import DarsenaError
from trainer_modules.common.cluster import free_ports

TASK_MANAGERS = 2
SLOTS = 2  # of each; jobs take as many, so either can hold one
START_SECONDS, STOP_SECONDS = 120.0, 15.0
STATE, PORTS = "state.json", "ports.json"
# Flink's own, from its config.yaml for Java 17: what it reaches into.
OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
)
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster that was started.

    Attributes:
        rest: HOST:PORT of the JobManager's REST API and pages.
        job_endpoint: HOST:PORT of Beam's job server.
        worker_pool: HOST:PORT of the pool of Python workers.
        processes: all of its processes.
    """

    rest: str
    job_endpoint: str
    worker_pool: str
    processes: tuple[Process, ...]

    @property
    def dead(self) -> list[str]:
        """Names of the processes that have ended."""
        return [process.name for process in self.processes if not process.alive]

    def asked(self, path: str) -> dict[str, Any]:
        """What the JobManager answers at a path of its REST API.

        Raises:
            OSError: it doesn't.
        """
        with urllib.request.urlopen(f"http://{self.rest}{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def task_managers(self) -> int:
        """How many TaskManagers the JobManager knows; 0 where it doesn't answer."""
        try:
            return int(self.asked("/overview")["taskmanagers"])
        except (OSError, ValueError, KeyError):
            return 0


def folder_of(root: Path) -> Path:
    """Where a cluster under a root has its state, configuration and logs."""
    return root / "flink"


def read(root: Path) -> Cluster | None:
    """The cluster that was started under a root, whether or not it still runs; None if there is none."""
    try:
        found = json.loads((folder_of(root) / STATE).read_text())
        return Cluster(**found | {"processes": tuple(Process(**process) for process in found["processes"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def configuration(rpc: int, rest: int, folder: Path) -> dict[str, str | int]:
    """Flink's settings: all on loopback, and a job that lost a TaskManager starts again on the other within seconds."""
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": rpc,
        "jobmanager.bind-host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": rest,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.numberOfTaskSlots": SLOTS,
        "taskmanager.cpu.cores": SLOTS,
        # A script of Flink's would work these out.
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.framework.off-heap.size": "128m",
        "taskmanager.memory.task.heap.size": "768m",
        "taskmanager.memory.task.off-heap.size": "128m",
        "taskmanager.memory.network.min": "512m",
        "taskmanager.memory.network.max": "512m",
        "taskmanager.memory.managed.size": "512m",
        "taskmanager.memory.jvm-metaspace.size": "256m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        # Statistics and evaluation are hundreds of shuffles at a time; sorting ones take 512 buffers each, these a few.
        "taskmanager.network.sort-shuffle.min-parallelism": 1000,
        "cluster.evenly-spread-out-slots": "true",
        "parallelism.default": SLOTS,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 5,
        "restart-strategy.fixed-delay.delay": "1 s",
        "heartbeat.interval": 1000,
        # One that is merely busy has a minute; of one that died, two heartbeats in a row can't be delivered.
        "heartbeat.timeout": 60_000,
        "heartbeat.rpc-failure-threshold": 2,
        "classloader.resolve-order": "parent-first",  # Beam's jars are on the cluster's own path
        "io.tmp.dirs": str(folder / "tmp"),
    }


def up(root: Path) -> Cluster:
    """Starts a cluster, or finds the one that runs.

    Args:
        root: under which it keeps what it writes.

    Returns:
        The cluster, ready for jobs.

    Raises:
        DarsenaError: Java or Maven is missing, or a part did not start.
    """
    there = read(root)
    if there and not there.dead:
        return there
    down(root)
    java, classes, folder = jars.java(), jars.in_cache(), folder_of(root)
    for name in ("conf", "logs", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    loopback.patch(classes, folder / "tmp" / "loopback.jar")
    rpc, rest, jobs, pool, artifacts = ports(folder / PORTS)
    lines = [f"{name}: {value}" for name, value in configuration(rpc, rest, folder).items()]
    (folder / "conf" / "config.yaml").write_text("\n".join(lines) + "\n")
    opened = [f"--add-opens={name}=ALL-UNNAMED" for name in OPENED]
    run = [java, *opened, "-cp", f"{folder / 'tmp' / 'loopback.jar'}{os.pathsep}{classes}/*"]
    conf = ["--configDir", str(folder / "conf")]
    server = [f"--flink-master={LOOPBACK}:{rest}", f"--flink-conf-dir={folder / 'conf'}", f"--job-host={LOOPBACK}", f"--job-port={jobs}"]
    server += [f"--artifact-port={artifacts}", "--expansion-port=-1", f"--artifacts-dir={folder / 'tmp'}"]
    commands = {
        "JobManager": [*run, "-Xmx768m", JOB_MANAGER, *conf],
        **{f"TaskManager-{number}": [*run, "-Xmx1g", "-XX:MaxDirectMemorySize=896m", TASK_MANAGER, *conf] for number in (1, 2)},
        "JobServer": [*run, "-Xmx768m", JOB_SERVER, *server],
        "WorkerPool": [sys.executable, "-m", "pipelines.common.engines.worker_pool", f"{LOOPBACK}:{pool}"],
    }
    environment = workers_environment(os.environ)
    processes = tuple(start(name, command, folder / "logs" / f"{name}.log", environment) for name, command in commands.items())
    cluster = Cluster(f"{LOOPBACK}:{rest}", f"{LOOPBACK}:{jobs}", f"{LOOPBACK}:{pool}", processes)
    (folder / STATE).write_text(json.dumps(dataclasses.asdict(cluster), indent=1))
    wait(lambda: bool(cluster.dead) or ready(cluster), START_SECONDS)
    if not ready(cluster):
        what = f"{cluster.dead[0]} ended" if cluster.dead else f"it was not within {START_SECONDS:g} s"
        stop(processes, STOP_SECONDS)
        raise DarsenaError(f"expected a Flink cluster to be ready, {what}. Look into {folder / 'logs'}.")
    return cluster


def ports(kept: Path) -> list[int]:
    """Ports of the last cluster if nobody else took them, since addresses are in the keys of TFX's cache; new ones otherwise."""
    try:
        last: list[int] = json.loads(kept.read_text())
    except (OSError, ValueError):
        last = []
    if len(last) != 5 or any(answers(f"{LOOPBACK}:{port}") for port in last):
        last = free_ports(5)
        kept.write_text(json.dumps(last))
    return last


def ready(cluster: Cluster) -> bool:
    """Whether all parts run and answer."""
    parts = (cluster.job_endpoint, cluster.worker_pool)
    return not cluster.dead and cluster.task_managers() == TASK_MANAGERS and all(answers(address) for address in parts)


def workers_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the Python workers are started with: `python` is this one, and the repository's packages are found."""
    places = [str(REPOSITORY), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(places),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def down(root: Path) -> bool:
    """Ends a cluster and removes what it wrote, except its logs.

    Returns:
        Whether one was there.
    """
    cluster, folder = read(root), folder_of(root)
    if cluster is None:
        return False
    stop(cluster.processes, STOP_SECONDS)
    for name in ("conf", "tmp"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / STATE).unlink(missing_ok=True)
    return True
