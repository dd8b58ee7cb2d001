"""What ML Metadata knows of a run: the state and the outputs of its nodes; and the repair after a run that was killed."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.orchestration import metadata

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


class MetadataStore:
    """A model's ML Metadata store.

    Args:
        path: of the SQLite file; made with its folder if it is not there.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._store = mlmd.MetadataStore(metadata.sqlite_metadata_connection_config(str(path)))

    def last_execution(self) -> int:
        """Id of the latest execution, 0 if there is none."""
        latest = self._store.get_executions(mlmd.ListOptions(limit=1, order_by=mlmd.OrderByField.ID, is_asc=False))
        return latest[0].id if latest else 0

    def outcomes(self, pipeline: str, node_ids: list[str], after: int) -> dict[str, NodeOutcome]:
        """What became of the nodes in the executions that came after the given one.

        Args:
            pipeline: its name.
            node_ids: of the nodes wanted.
            after: id of the last execution before the run.

        Returns:
            Outcomes by node id; a node that was not started is left out.
        """
        found = {}
        for node_id in node_ids:
            context = self._store.get_context_by_type_and_name("node", f"{pipeline}.{node_id}")
            executions = self._store.get_executions_by_context(context.id) if context else []
            executions = [execution for execution in executions if execution.id > after]
            if executions:
                found[node_id] = self._outcome(max(executions, key=lambda execution: execution.id))
        return found

    def _outcome(self, execution: pb.Execution) -> NodeOutcome:
        outputs: dict[str, list[str]] = {}
        properties: dict[str, dict[str, Any]] = {}
        events = [event for event in self._store.get_events_by_execution_ids([execution.id]) if event.type == pb.Event.OUTPUT]
        artifacts = {artifact.id: artifact for artifact in self._store.get_artifacts_by_id([event.artifact_id for event in events])}
        for event in events:
            name = event.path.steps[0].key
            artifact = artifacts[event.artifact_id]
            outputs.setdefault(name, []).append(artifact.uri)
            properties.setdefault(
                name, {key: getattr(value, value.WhichOneof("value")) for key, value in artifact.custom_properties.items()}
            )
        return NodeOutcome(execution.id, STATES.get(execution.last_known_state, "failed"), outputs, properties)

    def repair(self, artifacts: Path) -> list[int]:
        """Marks executions that a killed run left RUNNING as failed, and removes what they had written.

        Call it only while holding the model's lock, so that no execution really is running.

        Args:
            artifacts: the pipeline root.

        Returns:
            Ids of the executions repaired.
        """
        stale = [execution for execution in self._store.get_executions() if execution.last_known_state == pb.Execution.RUNNING]
        for execution in stale:
            execution.last_known_state = pb.Execution.FAILED
            # <node>/<output>/<execution>/ and <node>/.system/<kind>/<execution>/
            for folder in (*artifacts.glob(f"*/*/{execution.id}"), *artifacts.glob(f"*/.system/*/{execution.id}")):
                shutil.rmtree(folder)
        if stale:
            self._store.put_executions(stale)
        return [execution.id for execution in stale]
