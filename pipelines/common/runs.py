"""One run of a model's pipeline: lock, compile, run, verdict, record, report."""

import contextlib
import dataclasses
import datetime
import fcntl
import html
import importlib
import importlib.metadata
import json
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import ml_metadata as mlmd
from tfx.dsl.compiler.compiler import Compiler
from tfx.proto.orchestration import pipeline_pb2

from components.golden import read_records
from pipelines.common import databases, fingerprint, recipe, runners, verdicts
from pipelines.common.config import ModelConfig, RunConfig
from pipelines.common.errors import DarsenaError, ExitCode
from pipelines.common.layout import artifacts_dir, metadata_path, runs_dir
from pipelines.common.metadata_store import MetadataStore, NodeOutcome, prepared
from reporting.html import write_report

LIBRARIES = ("tfx", "tensorflow", "keras", "apache-beam", "tensorflow-transform", "tensorflow-model-analysis", "ai-edge-litert", "numpy")


# The nodes in order, each with those it waits for.
Graph = list[tuple[str, list[str]]]


class Progress(Protocol):
    """Shows a run while it goes on."""

    def started(self, node_id: str) -> None:
        """A node starts."""

    def finished(self, node_id: str, state: str, seconds: float, note: str = "") -> None:
        """A node ended in `state`."""


class RunObserver:
    """Times the nodes of a run, passes them on to the progress display, and keeps the first error.

    Args:
        store: to ask whether a node was cached.
        progress: the display.
    """

    def __init__(self, store: MetadataStore, progress: Progress):
        self.after = store.last_execution()
        self.seconds: dict[str, float] = {}
        self.error: tuple[str, Exception] | None = None
        self._store, self._progress = store, progress
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def node(self, node_id: str) -> Iterator[None]:
        """Surrounds the launch of a node."""
        self._progress.started(node_id)
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            with self._lock:
                self.error = self.error or (node_id, error)
                self.seconds[node_id] = time.perf_counter() - started
            self._progress.finished(node_id, "failed", self.seconds[node_id])
            raise
        with self._lock:
            self.seconds[node_id] = time.perf_counter() - started
            state = self._store.outcomes([node_id], self.after)[node_id].state
        self._progress.finished(node_id, state, self.seconds[node_id])


def graph_of(ir: pipeline_pb2.Pipeline) -> Graph:
    """The nodes of a compiled pipeline in order, each with those it waits for."""
    return [(node.pipeline_node.node_info.id, sorted(node.pipeline_node.upstream_nodes)) for node in ir.nodes]


def compile_pipeline(model: ModelConfig, run: RunConfig) -> pipeline_pb2.Pipeline:
    """The model's pipeline for this run as TFX's intermediate representation."""
    return Compiler().compile(importlib.import_module(f"pipelines.{model.name}").create_pipeline(run))


def execute(model: ModelConfig, run: RunConfig, show: Callable[[Graph], contextlib.AbstractContextManager[Progress]]) -> dict[str, Any]:
    """Compiles a model's pipeline, runs it and records how it went.

    Args:
        model: what to make.
        run: where and how; its baseline is looked up here.
        show: from the graph, makes the display of its progress.

    Returns:
        The record, as in run.json (docs/architecture.md); its `exit_code` is the command's.

    Raises:
        DarsenaError: another run of the model is going on under the same root.
    """
    model = model.for_run(run)
    with locked(run.root, model.name):
        store = MetadataStore(prepared(run.root, model.name, run.metadata), databases.pipeline_name(run.root, model.name, run.metadata))
        store.repair(artifacts_dir(run.root, model.name))
        run = dataclasses.replace(run, baseline=recipe.find_baseline(model, run))
        ir = compile_pipeline(model, run)
        started = datetime.datetime.now(datetime.UTC)
        folder = new_folder(runs_dir(run.root, model.name), started)
        record = describe(model, run, started, folder.name)
        with show(graph_of(ir)) as progress:
            observer = RunObserver(store, progress)
            record["nodes"] = node_records(ir, observer, {})
            write_record(folder, record)
            try:
                runners.run(ir, run.runner, observer)
            except Exception as error:  # noqa: BLE001 (whatever a node raises becomes the run's verdict)
                observer.error = observer.error or ("pipeline", error)
                (folder / "traceback.txt").write_text("".join(traceback.format_exception(error)))
        outcomes = outcomes_of(store, run, ir, observer)
        record["nodes"] = node_records(ir, observer, outcomes)
        if observer.error:
            observer.error = (observer.error[0], damage(record["nodes"]) or observer.error[1])
        record |= verdict(model, run, outcomes, observer)
        finished = datetime.datetime.now(datetime.UTC)
        record |= {"finished": finished.isoformat(), "seconds": round((finished - started).total_seconds(), 2)}
        record = without_nan(record | {"report": str(folder / "report.html")})
        write_record(folder, record)
        try:
            write_report(record, folder / "report.html")
        except Exception:  # noqa: BLE001 (the model is pushed or not, whatever is wrong with the report)
            (folder / "report.html").write_text(f"<!DOCTYPE html><title>No report</title><pre>{html.escape(traceback.format_exc())}</pre>")
    return record


def damage(nodes: list[dict[str, Any]]) -> OSError | None:
    """What is wrong with a shard of the nodes' examples, if one is damaged: TFX's and Beam's own readers don't tell which file it is."""
    for split in sorted(path for node in nodes for folder in node["outputs"].get("examples", ()) for path in Path(folder).glob("Split-*")):
        try:
            read_records(split)
        except OSError as error:
            return error
    return None


def outcomes_of(store: MetadataStore, run: RunConfig, ir: pipeline_pb2.Pipeline, observer: RunObserver) -> dict[str, NodeOutcome]:
    """What ML Metadata says of the nodes; nothing if its database is gone, which then is the cause of whatever else failed."""
    try:
        if observer.error:
            databases.check(run.metadata)
        return store.outcomes([node_id for node_id, _ in graph_of(ir)], observer.after)
    except (DarsenaError, RuntimeError, mlmd.errors.StatusError) as error:
        observer.error = (observer.error[0] if observer.error else "pipeline", error)
        return {}


def verdict(model: ModelConfig, run: RunConfig, outcomes: dict[str, NodeOutcome], observer: RunObserver) -> dict[str, Any]:
    """The end of the run as in run.json; results that cannot be read, or a graph without the nodes that decide, are a failure."""
    try:
        return verdicts.judge(model, run, outcomes, observer.error)
    except (KeyError, OSError, ValueError) as error:
        observer.error = observer.error or ("verdict", error)
        reason = f"the results of the run could not be read: {type(error).__name__}: {error}"
        return {"verdict": "failed", "exit_code": int(ExitCode.FAILED), "reason": reason, "pushed": None, "gates": [], "allowed": []}


def without_nan(record: dict[str, Any]) -> dict[str, Any]:
    """The record with null for what JSON has no word for (NaN, infinities)."""
    clean: dict[str, Any] = json.loads(json.dumps(record, default=str), parse_constant=lambda _: None)
    return clean


@contextlib.contextmanager
def locked(root: Path, model: str) -> Iterator[None]:
    """Holds the model's lock under the root: one run at a time.

    Raises:
        DarsenaError: another process holds it.
    """
    path = runs_dir(root, model) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DarsenaError(
                f"expected no other run of {model} under {root}, one is going on. Wait for it, or use another --root."
            ) from None
        yield


def new_folder(runs: Path, started: datetime.datetime) -> Path:
    """Makes the run's folder, named by its start in UTC; a second run in one second gets a suffix."""
    name = started.strftime("%Y%m%d-%H%M%S")
    for candidate in (name, *(f"{name}-{number}" for number in range(2, 1000))):
        with contextlib.suppress(FileExistsError):
            (runs / candidate).mkdir()
            return runs / candidate
    raise DarsenaError(f"expected to name a new run {name} in {runs}, all its names are taken.")


def describe(model: ModelConfig, run: RunConfig, started: datetime.datetime, run_id: str) -> dict[str, Any]:
    """The part of the record that is known when the run starts."""
    return {
        "schema": 1,
        "run_id": run_id,
        "model": model.name,
        "learns": model.learns,
        "reference": model.reference,
        "started": started.isoformat(),
        "finished": None,
        "seconds": None,
        "verdict": "running",
        "exit_code": None,
        "reason": "",
        "config": {
            "data": run.data.kind,
            "data_path": str(run.data.path),
            "data_note": run.data.note,
            "data_fingerprint": fingerprint.data_fingerprint(run.data),
            "runner": run.runner,
            "beam": run.engine.described,
            "strategy": run.strategy,
            "workers": run.workers,
            "precision": run.precision,
            "scale_batch": run.scale_batch,
            "seed": run.seed,
            "preset": run.preset,
            "hparams": dict(run.hparams),
            "tune": run.tune,
            "trials": run.trials if run.tune else None,
            "parallel_trials": run.parallel_trials if run.tune else None,
            "time_limit": run.time_limit if run.tune else None,
            "baseline_version": run.baseline.version if run.baseline else None,
            "bless": run.bless,
            "cache": run.cache,
            "metadata": str(run.metadata or metadata_path(run.root, model.name)),
        },
        "label": model.label,
        "class_names": list(model.class_names),
        "code": fingerprint.source_files(model.trainer_module),
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in LIBRARIES}},
        "machine": {"cpus": os.cpu_count(), "platform": platform.platform()},
        "nodes": [],
        "gates": [],
        "allowed": [],
        "pushed": None,
    }


def node_records(ir: pipeline_pb2.Pipeline, observer: RunObserver, outcomes: dict[str, NodeOutcome]) -> list[dict[str, Any]]:
    """State, time and outputs of every node of the graph."""
    failed = observer.error is not None
    records = []
    for node_id, upstream in graph_of(ir):
        outcome = outcomes.get(node_id)
        error = str(observer.error[1]) if observer.error and observer.error[0] == node_id else None
        records.append(
            {
                "id": node_id,
                "upstream": upstream,
                "state": "failed" if error is not None else outcome.state if outcome else "skipped" if failed else "pending",
                "seconds": round(observer.seconds[node_id], 3) if node_id in observer.seconds else None,
                "error": error,
                "outputs": outcome.outputs if outcome else {},
            }
        )
    return records


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Writes run.json in one step, so that a reader never sees half of it."""
    staged = folder / ".run.json"
    staged.write_text(json.dumps(record, indent=1, default=str))
    staged.replace(folder / "run.json")
