"""What ML Metadata knows of a run: the state and the outputs of its nodes; and the repair after a run that was killed."""

import contextlib
import dataclasses
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipelines.common.databases import Database, reached, refusal, server_connection, with_password
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import metadata_path

LOCK_SECONDS = 5  # a program that only looks is done by then
STATES = {pb.Execution.COMPLETE: "complete", pb.Execution.CACHED: "cached", pb.Execution.FAILED: "failed", pb.Execution.RUNNING: "running"}


@dataclasses.dataclass(frozen=True)
class NodeOutcome:
    """The last execution of a node.

    Attributes:
        execution_id: in ML Metadata.
        state: one of the values of STATES.
        outputs: URIs by output name.
        properties: custom properties of the first artifact of each output, by output name.
    """

    execution_id: int
    state: str
    outputs: dict[str, list[str]]
    properties: dict[str, dict[str, Any]]


def connection(root: Path, model: str, database: Database | None) -> pb.ConnectionConfig:
    """How ML Metadata connects to a model's metadata; without a password, as compiled pipelines are logged."""
    if database is not None:
        return server_connection(database)
    found = pb.ConnectionConfig()
    found.sqlite.filename_uri = str(metadata_path(root, model))
    found.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return found


def prepared(root: Path, model: str, database: Database | None) -> pb.ConnectionConfig:
    """A connection, with the password, to a model's metadata, whose tables are made if they are not there.

    Args:
        root: of the runs.
        model: its name.
        database: None for the SQLite file under the root.

    Raises:
        DarsenaError: the database can't be used.
    """
    config = with_password(connection(root, model, database))
    if database is None:
        check_file(metadata_path(root, model))
        return config
    with reached(database):
        try:
            mlmd.MetadataStore(config)
        except (RuntimeError, mlmd.errors.StatusError) as error:
            raise refusal(database, f"ML Metadata says: {error}") from error
    return config


def check_file(path: Path) -> None:
    """Begins a change of a file of ML Metadata, and takes it back: what keeps runs from writing is told at once, and in words.

    ML Metadata itself would try for 40 s, and then speak of concurrent writes.

    Raises:
        DarsenaError: the file is locked, read-only or damaged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        advice = "Have the program that keeps it close it" if "locked" in str(error) else "Mend its disk or its rights, or restore it"
        raise DarsenaError(f"expected to write ML Metadata in {path}, could not: {error}. {advice}, then run again.") from error


class MetadataStore:
    """What a pipeline's runs wrote into ML Metadata, which may hold other pipelines too.

    Each question has a connection of its own, as TFX's have: a server may have been restarted since the last.

    Args:
        config: the connection.
        pipeline: its name there.
    """

    def __init__(self, config: pb.ConnectionConfig, pipeline: str):
        self._config, self._pipeline = config, pipeline

    def _open(self) -> mlmd.MetadataStore:
        return mlmd.MetadataStore(self._config)

    def last_execution(self) -> int:
        """Id of the latest execution of any pipeline, 0 if there is none."""
        latest = self._open().get_executions(mlmd.ListOptions(limit=1, order_by=mlmd.OrderByField.ID, is_asc=False))
        return latest[0].id if latest else 0

    def outcomes(self, node_ids: list[str], after: int) -> dict[str, NodeOutcome]:
        """What became of the pipeline's nodes in the executions that came after the given one.

        Args:
            node_ids: of the nodes wanted.
            after: id of the last execution before the run.

        Returns:
            Outcomes by node id; a node that was not started is left out.
        """
        store, found = self._open(), {}
        for node_id in node_ids:
            context = store.get_context_by_type_and_name("node", f"{self._pipeline}.{node_id}")
            executions = store.get_executions_by_context(context.id) if context else []
            executions = [execution for execution in executions if execution.id > after]
            if executions:
                found[node_id] = outcome(store, max(executions, key=lambda execution: execution.id))
        return found

    def repair(self, artifacts: Path) -> list[int]:
        """Marks executions of the pipeline that a killed run left RUNNING as failed, and removes what they had written.

        Call it only while holding the model's lock, so that none of them really is running. Those of other pipelines may be.

        Args:
            artifacts: the pipeline root.

        Returns:
            Ids of the executions repaired.
        """
        store = self._open()
        context = store.get_context_by_type_and_name("pipeline", self._pipeline)
        executions = store.get_executions_by_context(context.id) if context else []
        stale = [execution for execution in executions if execution.last_known_state == pb.Execution.RUNNING]
        for execution in stale:
            execution.last_known_state = pb.Execution.FAILED
            # <node>/<output>/<execution>/ and <node>/.system/<kind>/<execution>/
            for folder in (*artifacts.glob(f"*/*/{execution.id}"), *artifacts.glob(f"*/.system/*/{execution.id}")):
                shutil.rmtree(folder)
        if stale:
            store.put_executions(stale)
        return [execution.id for execution in stale]


def outcome(store: mlmd.MetadataStore, execution: pb.Execution) -> NodeOutcome:
    """State and outputs of an execution."""
    outputs: dict[str, list[str]] = {}
    properties: dict[str, dict[str, Any]] = {}
    events = [event for event in store.get_events_by_execution_ids([execution.id]) if event.type == pb.Event.OUTPUT]
    artifacts = {artifact.id: artifact for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])}
    for event in events:
        name = event.path.steps[0].key
        artifact = artifacts[event.artifact_id]
        outputs.setdefault(name, []).append(artifact.uri)
        properties.setdefault(name, {key: getattr(value, value.WhichOneof("value")) for key, value in artifact.custom_properties.items()})
    return NodeOutcome(execution.id, STATES.get(execution.last_known_state, "failed"), outputs, properties)
