"""Which execution made what from what, by the events that ML Metadata keeps; a store may have more than one pipeline."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

DONE = (pb.Execution.COMPLETE, pb.Execution.CACHED)


@dataclasses.dataclass(frozen=True)
class Made:
    """An execution with what it took and made.

    Attributes:
        execution: as ML Metadata has it.
        pipeline: name of its pipeline.
        run: name of its pipeline run.
        node: its id in the pipeline.
        inputs, outputs: artifacts by name.
    """

    execution: pb.Execution
    pipeline: str
    run: str
    node: str
    inputs: dict[str, list[pb.Artifact]]
    outputs: dict[str, list[pb.Artifact]]


@dataclasses.dataclass(frozen=True)
class RunOn:
    """A pipeline run that read the data asked for.

    Attributes:
        pipeline: its name.
        run: its name.
        started: of its first execution, ISO 8601.
        examples_uri: of what it made of the data.
        trained: whether it trained, rather than took the model from the cache.
        pushed: its PushedModel, whether or not it holds a version; None if the run did not come as far.
        model_uri: of the model that was to be pushed; empty likewise.
        verdict: how it ended, as far as ML Metadata knows.
    """

    pipeline: str
    run: str
    started: str
    examples_uri: str
    trained: bool
    pushed: pb.Artifact | None
    model_uri: str
    verdict: str


class Events:
    """Questions about a store.

    Args:
        store: ML Metadata.
    """

    def __init__(self, store: mlmd.MetadataStore):
        self._store = store
        self._contexts = {kind.id: kind.name for kind in store.get_context_types()}
        self._components = {kind.id: kind.name.rpartition(".")[2] for kind in store.get_execution_types()}

    def pushed(self, pipeline: str, version: int) -> list[pb.Artifact]:
        """What a pipeline's runs pushed as a version, oldest first."""
        context = self._store.get_context_by_type_and_name("pipeline", pipeline)
        artifacts = self._store.get_artifacts_by_context(context.id) if context else []
        found = [each for each in artifacts if each.custom_properties["pushed_version"].string_value == str(version)]
        return sorted(found, key=lambda each: each.id)

    def maker(self, artifact: pb.Artifact) -> Made:
        """The execution that made an artifact: the first that put it out, as the cache's answers come later."""
        events = self._store.get_events_by_artifact_ids([artifact.id])
        first = min(event.execution_id for event in events if event.type == pb.Event.OUTPUT)
        return self._made(self._store.get_executions_by_id([first])[0])

    def runs_on(self, data_fingerprint: str) -> list[RunOn]:
        """Runs, of whichever pipeline, that made Examples of the data."""
        readers = [kind.name for kind in self._store.get_execution_types() if kind.name.endswith("ExampleGen")]
        found = [execution for name in readers for execution in self._store.get_executions_by_type(name)]
        return [
            self._run_on(self._made(execution))
            for execution in found
            if execution.last_known_state in DONE and reader_settings(execution).get("data_fingerprint") == data_fingerprint
        ]

    def _run_on(self, reader: Made) -> RunOn:
        context = self._store.get_context_by_type_and_name("pipeline_run", reader.run)
        executions = self._store.get_executions_by_context(context.id)
        of = {self._components[execution.type_id]: execution for execution in executions}
        pusher = self._made(of["Pusher"]) if "Pusher" in of else None
        pushed = pusher.outputs["pushed_model"][0] if pusher and pusher.execution.last_known_state in DONE else None
        failed = [execution for execution in executions if execution.last_known_state == pb.Execution.FAILED]
        if failed:
            verdict = f"failed in {self._made(failed[0]).node}"
        elif pushed is None:
            verdict = "not finished"
        else:
            verdict = "blessed and pushed" if pushed.custom_properties["pushed"].int_value == 1 else "not blessed"
        return RunOn(
            reader.pipeline,
            reader.run,
            moment(min(execution.create_time_since_epoch for execution in executions)),
            reader.outputs["examples"][0].uri,
            "Trainer" in of and of["Trainer"].last_known_state == pb.Execution.COMPLETE,
            pushed,
            pusher.inputs["model"][0].uri if pusher else "",
            verdict,
        )

    def _made(self, execution: pb.Execution) -> Made:
        contexts = {self._contexts[each.type_id]: each.name for each in self._store.get_contexts_by_execution(execution.id)}
        events = self._store.get_events_by_execution_ids([execution.id])
        artifacts = {each.id: each for each in self._store.get_artifacts_by_id([event.artifact_id for event in events])}
        sides: dict[int, dict[str, list[pb.Artifact]]] = {pb.Event.INPUT: {}, pb.Event.OUTPUT: {}}
        for event in events:
            if event.type in sides:
                sides[event.type].setdefault(event.path.steps[0].key, []).append(artifacts[event.artifact_id])
        pipeline = contexts["pipeline"]
        node = contexts["node"].removeprefix(f"{pipeline}.")
        return Made(execution, pipeline, contexts["pipeline_run"], node, sides[pb.Event.INPUT], sides[pb.Event.OUTPUT])


def text(execution: pb.Execution, name: str) -> str:
    """A parameter of an execution that is a text; empty if it has none of the name."""
    value: str = execution.custom_properties[name].string_value
    return value


def reader_settings(reader: pb.Execution) -> dict[str, Any]:
    """What an ExampleGen was told beyond TFX's own parameters (components/content_splits.py); empty if it is another's."""
    try:
        found: dict[str, Any] = json.loads(json.loads(text(reader, "custom_config"))["custom_config"]["value"])
    except (ValueError, KeyError, TypeError):
        return {}
    return found


def moment(milliseconds: int) -> str:
    """A time of ML Metadata (since 1970) as ISO 8601."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat(timespec="seconds")
