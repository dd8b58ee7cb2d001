"""Runs whose ML Metadata is on a database server: processes and servers that are killed, and what is left to ask for afterwards."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest import mock

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipelines.common.databases import PASSWORD, Database, pipeline_name, server_connection, with_password
from pipelines.common.metadata_store import prepared
from reliability.mariadb import MISSING, SECRET, Server, installed
from reliability.section import Row, Section

MODEL = "color_som"  # the quickest
TITLE = "Metadata on a database server"
TEXT = """Runs of `color_som` keep their ML Metadata in MariaDB (`--metadata`), in a database that another root uses too. What is
killed is killed by SIGKILL. Without the mechanisms: a repair that takes every execution that is RUNNING for one of a killed run, as
is right in a file of one's own; ML Metadata's own error; connections that do not wait for each other; and the records of runs
(`run.json`) alone."""
STEPS = ("Trainer", "TFLiteExporter")  # the two that take seconds
TOGETHER = 4  # processes that connect at the same time


class Runs:
    """Runs of one root with a server's database.

    Args:
        root: of the runs.
        server: which must run.
    """

    def __init__(self, root: Path, server: Server):
        self.root, self.server, self._number = root, server, 0

    def start(self) -> subprocess.Popen[str]:
        """Starts a run whose Trainer and what follows are new."""
        self._number += 1
        return self.command("run", "--set", f"iterations={100 + self._number}")

    def command(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Starts `darsena`."""
        line = [sys.executable, "-m", "pipelines", name, MODEL, "--root", str(self.root), "--metadata", str(self.server.database)]
        pipe = subprocess.PIPE
        return subprocess.Popen([*line, *arguments], env=self.server.environment, stdout=pipe, stderr=pipe, text=True)

    def completes(self) -> bool:
        """Whether a run reaches a verdict that is none of a failure, with no execution of its pipeline left running."""
        process = self.start()
        process.communicate()
        context = self.store().get_context_by_type_and_name("pipeline", pipeline_name(self.root, MODEL, self.server.database))
        states = [execution.last_known_state for execution in self.store().get_executions_by_context(context.id)]
        return process.returncode in (0, 3) and pb.Execution.RUNNING not in states

    def lineage(self, version: int) -> dict[str, Any]:
        """What ML Metadata tells of a version, without what only the records of runs know."""
        out, _ = self.command("lineage", "--version", str(version), "--json").communicate()
        found = json.loads(out)
        for part, names in (("pushed", ["run_id"]), ("trained", ["run_id"]), ("data", ["kind", "note"]), ("code", ["files"])):
            for name in names:
                del found[part][name]
        del found["libraries"]
        return dict(found)

    def store(self) -> mlmd.MetadataStore:
        """ML Metadata in the server's database."""
        return mlmd.MetadataStore(with_password(server_connection(self.server.database)))


def measure(full: bool, folder: Path) -> Section:
    """Injects the faults of this section; see reliability/section.py."""
    if not installed():
        return Section(TITLE, TEXT, [Row("all of these", 0, 0, found=f"skipped: {MISSING}")])
    (folder / "server").mkdir()
    with mock.patch.dict(os.environ, {PASSWORD: SECRET}), Server(folder / "server") as server:
        connections = first_connections(server, 20 if full else 3, folder / "first")
        runs = Runs(folder / "root", server)
        if not runs.completes():
            raise RuntimeError(f"expected a run of {MODEL} to complete on a server, it did not: see {runs.root / 'logs'}")
        times = 10 if full else 1
        rows = [
            connections,
            *killed_runs(runs, max(times, 2)),
            restarted_servers(runs, times),
            stopped_servers(runs, times),
            deleted_records(runs),
        ]
    return Section(TITLE, TEXT, rows)


def killed_runs(runs: Runs, times: int) -> list[Row]:
    """Kills runs in the middle, while an execution of another root is going on."""
    harmed = marked = naively_marked = 0
    store = runs.store()
    for number in range(times):
        process = runs.start()
        runs.server.wait_until_running(STEPS[number % len(STEPS)], process)
        process.kill()
        process.communicate()
        other = another_root_execution(store)
        harmed += not runs.completes()
        marked += not is_running(store, other)
        repair_naively(store)
        naively_marked += not is_running(store, other)
    return [
        Row("a run killed in the middle; the next one must complete, with nothing left running", times, harmed),
        Row(
            "the repair after it, while another root's run goes on in the same database",
            times,
            marked,
            f"{naively_marked} of {times} marked the other root's running execution as failed",
        ),
    ]


def another_root_execution(store: mlmd.MetadataStore) -> int:
    """Id of an execution that another root is busy with."""
    kind = store.put_execution_type(pb.ExecutionType(name="tfx.components.trainer.component.Trainer"), can_add_fields=True)
    pipeline = pb.Context(type_id=store.put_context_type(pb.ContextType(name="pipeline")), name=f"{MODEL}@another-root")
    execution = pb.Execution(type_id=kind, last_known_state=pb.Execution.RUNNING)
    identifier, _, _ = store.put_execution(execution, [], [pipeline], reuse_context_if_already_exist=True)
    return int(identifier)


def is_running(store: mlmd.MetadataStore, execution: int) -> bool:
    """Whether ML Metadata says that an execution is going on."""
    return bool(store.get_executions_by_id([execution])[0].last_known_state == pb.Execution.RUNNING)


def repair_naively(store: mlmd.MetadataStore) -> None:
    """Marks all that is RUNNING as failed, whosever it is."""
    stale = [execution for execution in store.get_executions() if execution.last_known_state == pb.Execution.RUNNING]
    for execution in stale:
        execution.last_known_state = pb.Execution.FAILED
    store.put_executions(stale)


def restarted_servers(runs: Runs, times: int) -> Row:
    """Kills the server while a run goes on, and starts it again at once; only a run that asks it at that moment may end."""
    went_on, harm = 0, list[str]()
    for _ in range(times):
        process = runs.start()
        runs.server.wait_until_running("Trainer", process)
        runs.server.kill()
        runs.server.start()
        _, said = process.communicate()
        if process.returncode in (0, 3):
            went_on += 1
        elif not (is_one_line(process, said) and runs.completes()):
            harm.append(" ".join(said.split()))
    fault = "the server killed in the middle of a run and started again: the run goes on, or ends with one line and the next completes"
    return Row(fault, times, len(harm), "", "; ".join([f"{went_on} of {times} went on", *harm]))


def stopped_servers(runs: Runs, times: int) -> Row:
    """Kills the server while a run goes on, and starts it again before the next."""
    harmed = unnamed = 0
    for number in range(times):
        process = runs.start()
        runs.server.wait_until_running(STEPS[number % len(STEPS)], process)
        runs.server.kill()
        _, said = process.communicate()
        try:
            runs.store()
        except RuntimeError as error:
            unnamed += "connect to" not in str(error) and "refused" not in str(error)
        runs.server.start()
        told = is_one_line(process, said) and "Can't connect to MySQL server" in said
        harmed += not (told and runs.completes())
    return Row(
        "the server killed in the middle of a run: one line with the cause, and the next run completes",
        times,
        harmed,
        f"{unnamed} of {times} errors did not name the cause",
    )


def is_one_line(process: subprocess.Popen[str], said: str) -> bool:
    """Whether a command failed as it should."""
    return process.returncode == 1 and said.count("\n") == 1


def deleted_records(runs: Runs) -> Row:
    """Deletes the folders of all runs, and asks for the lineage of each version."""
    versions = sorted(int(path.name) for path in (runs.root / "serving" / MODEL).iterdir() if path.name.isdigit())
    before = [runs.lineage(version) for version in versions]
    (runs.root / "runs").rename(runs.root / "gone")
    after = [runs.lineage(version) for version in versions]
    harmed = sum(was != now for was, now in zip(before, after, strict=True))
    left = len(list((runs.root / "runs").glob("*/*/run.json")))
    return Row(
        "the folders of all runs deleted: the lineage of each version must be the same",
        len(versions),
        harmed,
        f"{len(versions) - left} of {len(versions)} had no data, code or run left",
    )


def first_connections(server: Server, times: int, root: Path) -> Row:
    """Processes that are the first to connect to an empty database, all at the same time."""
    harmed, naively = (sum(failed_together(server, root, careful) for _ in range(times)) for careful in (True, False))
    return Row(
        f"{TOGETHER} processes at a time, the first to connect to an empty database",
        times * TOGETHER,
        harmed,
        f"{naively} of {times * TOGETHER} failed",
    )


def failed_together(server: Server, root: Path, careful: bool) -> int:
    """How many of the processes could not connect."""
    for (table,) in server.ask("SHOW TABLES"):
        server.ask(f"DROP TABLE {table}")
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(TOGETHER)
    processes = [context.Process(target=connect, args=(server.database, root, careful, start)) for _ in range(TOGETHER)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(process.exitcode != 0 for process in processes)


def connect(database: Database, root: Path, careful: bool, start: Barrier) -> None:
    """Connects when the others do."""
    start.wait()
    config = prepared(root, MODEL, database) if careful else with_password(server_connection(database))
    mlmd.MetadataStore(config)
