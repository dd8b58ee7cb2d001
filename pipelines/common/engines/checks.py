"""What an engine needs, looked for before a run starts: one line says what was expected, what was received and what to do."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipelines.common import hyperparameters
from pipelines.common.engines import cluster
from pipelines.common.engines.options import ENGINES, Engine
from pipelines.common.engines.processes import answers
from pipelines.common.errors import UsageError

ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}")
# What Google Cloud accepts.
PROJECT, REGION = re.compile(r"[a-z][a-z0-9.:-]{4,}[a-z0-9]"), re.compile(r"[a-z]+-[a-z]+\d")


def chosen(name: str, settings: Sequence[str]) -> Engine:
    """An engine with its options.

    Args:
        name: of ENGINES.
        settings: NAME=VALUE as typed.

    Raises:
        UsageError: an option is none of this engine's, is given twice, or is not of its type.
    """
    takes = ENGINES[name].takes
    found: dict[str, str | int] = {}
    for key, value in hyperparameters.settings("--beam-option", settings).items():
        if key not in takes:
            known = hyperparameters.suggestion(key, list(takes)) if takes else "It has none."
            raise UsageError(f"--beam {name} has no option {key!r}. {known}")
        if isinstance(getattr(Engine(), key), int):
            if not re.fullmatch(r"[1-9]\d{0,4}", value):
                raise UsageError(f"expected {key} to be a number from 1 on, received {value!r}.")
            found[key] = int(value)
        else:
            found[key] = value
    return dataclasses.replace(Engine(name), **found)  # type: ignore[arg-type]


def checked(engine: Engine, root: Path) -> Engine:
    """The engine with what it needs, found and looked at.

    Args:
        engine: as chosen.
        root: under which a cluster of `darsena flink up` may run.

    Raises:
        UsageError: something is missing.
    """
    if engine.name in ("flink", "spark"):
        return on_cluster(engine, root)
    if engine.name == "prism":
        return with_prism(engine)
    if engine.name == "dataflow":
        cloud(engine)
        raise UsageError(
            f"expected a gs:// root for --beam dataflow, whose workers can't read {root} on this machine. "
            "Use it with a pipeline whose root is gs:// (docs/engines.md), or take another engine."
        )
    return engine


def on_cluster(engine: Engine, root: Path) -> Engine:
    """A Flink or Spark engine whose job server answers, or can be started for a master that does.

    Raises:
        UsageError: neither.
    """
    if engine.job_endpoint and engine.master:
        raise UsageError("expected job_endpoint (a job server that runs) or master (of a cluster), received both. Leave out one.")
    if engine.master:
        return with_job_server(engine)
    if not engine.job_endpoint and engine.name == "flink":
        engine = under(engine, root)
    if not engine.job_endpoint:
        raise UsageError(
            f"expected the address of a {engine.name.title()} cluster, received none. Name its job server with --beam-option "
            "job_endpoint=HOST:PORT, or with master=… and job_server_jar=… (docs/engines.md)."
        )
    for name in ("job_endpoint", "worker_pool"):
        if address := getattr(engine, name):
            reachable(name, address)
    return engine


def under(engine: Engine, root: Path) -> Engine:
    """The engine with the addresses of the cluster that `darsena flink up` started under a root.

    Raises:
        UsageError: there is none, or it has died.
    """
    there = cluster.read(root)
    if there is None:
        raise UsageError(
            f"expected a Flink cluster under {root}, there is none. Start one with darsena flink up --root {root}, or name one with "
            "--beam-option job_endpoint=HOST:PORT."
        )
    # A TaskManager may be missing: the other one has slots for the whole work.
    if needed := [name for name in there.dead if not name.startswith("TaskManager")]:
        raise UsageError(
            f"expected the Flink cluster under {root} to run, {needed[0]} has ended. Start it again: darsena flink up --root {root}."
        )
    return dataclasses.replace(
        engine, job_endpoint=there.job_endpoint, worker_pool=there.worker_pool, parallelism=engine.parallelism or cluster.SLOTS
    )


def with_job_server(engine: Engine) -> Engine:
    """The engine, for whose master Beam starts a job server.

    Raises:
        UsageError: there is no jar of one, or no Java.
    """
    if not engine.job_server_jar or not Path(engine.job_server_jar).is_file():
        raise UsageError(
            f"expected job_server_jar, Beam's job server for {engine.name.title()}, received {engine.job_server_jar or 'none'}. "
            "Download it (docs/engines.md says which), and name the file with --beam-option job_server_jar=FILE."
        )
    if shutil.which("java") is None:
        raise UsageError("expected java, which runs the job server, found none. Install a JRE (apt install default-jre).")
    address = engine.master.rpartition("//")[2].rstrip("/")
    if not address.startswith(("[", "local")):
        reachable("master", address)
    return engine


def reachable(name: str, address: str) -> None:
    """Raises UsageError unless somebody listens at HOST:PORT."""
    if not ADDRESS.fullmatch(address):
        raise UsageError(f"expected {name} to be HOST:PORT, received {address!r}.")
    if not answers(address):
        raise UsageError(f"expected {name} {address} to answer, nobody listens there. Start it, or correct the address.")


def with_prism(engine: Engine) -> Engine:
    """The engine with the path of the prism program.

    Raises:
        UsageError: there is none.
    """
    program = shutil.which(engine.prism or "prism")
    if program is None:
        raise UsageError(
            f"expected the program {engine.prism or 'prism'}, found none. Build it (go install "
            "github.com/apache/beam/sdks/v2/go/cmd/prism@latest), and put it on the PATH or name it with --beam-option prism=FILE."
        )
    return dataclasses.replace(engine, prism=program)


def cloud(engine: Engine) -> None:
    """Raises UsageError unless a Dataflow job's options are there and look right."""
    for name, pattern, example in (("project", PROJECT, "my-project"), ("region", REGION, "europe-west1")):
        if not pattern.fullmatch(value := getattr(engine, name)):
            raise UsageError(f"expected --beam-option {name}={example} for Dataflow, received {value or 'none'}.")
    if not re.fullmatch(r"gs://[^/\s]+(/\S*)?", engine.temp_location):
        raise UsageError(
            f"expected --beam-option temp_location=gs://BUCKET/FOLDER for Dataflow, received {engine.temp_location or 'none'}."
        )
    if bool(engine.container_image) == bool(engine.setup_file):
        raise UsageError(
            "expected how Dataflow's workers get the code: --beam-option container_image=IMAGE or setup_file=setup.py, "
            f"received {'both' if engine.setup_file else 'neither'}."
        )
    if engine.setup_file and not Path(engine.setup_file).is_file():
        raise UsageError(f"expected setup_file to be a file, there is no {engine.setup_file}. Name Darsena's setup.py.")
