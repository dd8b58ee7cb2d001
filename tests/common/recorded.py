"""Runs as TFX records them in ML Metadata, without running anything."""

from __future__ import annotations

import json
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipelines.common.metadata_store import prepared

COMPLETE, CACHED, FAILED, RUNNING = pb.Execution.COMPLETE, pb.Execution.CACHED, pb.Execution.FAILED, pb.Execution.RUNNING


class Recorder:
    """Writes the executions of one model's pipeline.

    Args:
        root: of its runs.
        model: its name.
        config: of the store; None for the file under the root.
        pipeline: its name there; None for the model's.
    """

    def __init__(self, root: Path, model: str, config: pb.ConnectionConfig | None = None, pipeline: str | None = None):
        self.root, self.model, self.pipeline = root, model, pipeline or model
        self.store = mlmd.MetadataStore(config or prepared(root, model, None))
        self._run = ""

    def node(self, run, node, inputs, outputs, state=COMPLETE, component=None, **parameters):
        """An execution of a node: artifacts by name as its inputs and outputs, and texts as its parameters.

        An output is the name of a new artifact's type, or an artifact of an earlier execution. Returns the outputs.
        """
        store = self.store
        kind = store.put_execution_type(pb.ExecutionType(name=f"components.{component or node}"))
        contexts = [
            pb.Context(type_id=store.put_context_type(pb.ContextType(name=name)), name=value)
            for name, value in (("pipeline", self.pipeline), ("pipeline_run", run), ("node", f"{self.pipeline}.{node}"))
        ]
        execution = pb.Execution(type_id=kind, last_known_state=state)
        for name, value in parameters.items():
            execution.custom_properties[name].string_value = value
        (execution.id,) = store.put_executions([execution])
        made = {}
        for name, what in outputs.items():
            if isinstance(what, str):
                uri = str(self.root / "artifacts" / self.model / node / name / str(execution.id))
                what = pb.Artifact(type_id=store.put_artifact_type(pb.ArtifactType(name=what)), uri=uri)
            made[name] = what
        sides = [*((pb.Event.INPUT, *pair) for pair in inputs.items()), *((pb.Event.OUTPUT, *pair) for pair in made.items())]
        pairs = []
        for side, name, artifact in sides:
            event = pb.Event(type=side)
            event.path.steps.add().key = name
            event.path.steps.add().index = 0
            pairs.append((artifact, event))
        _, artifact_ids, _ = store.put_execution(execution, pairs, contexts, reuse_context_if_already_exist=True)
        return dict(zip(made, store.get_artifacts_by_id(artifact_ids[len(inputs) :]), strict=True))

    def read(self, run, data, cached=None):
        """An ExampleGen's execution; returns the Examples."""
        settings = json.dumps({"data_fingerprint": data, "code_fingerprint": "reader"})
        config = json.dumps({"custom_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": settings}})
        state = CACHED if cached else COMPLETE
        made = self.node(run, "ImageExampleGen", {}, {"examples": cached or "Examples"}, state, custom_config=config, input_base=f"/{data}")
        return made["examples"]

    def train(self, run, examples, cached=None, **hparams):
        """A Trainer's execution; returns the Model."""
        config = {"hparams": hparams, "seed": 42, "strategy": "auto", "workers": 0, "precision": "float32", "code_fingerprint": "code"}
        state = CACHED if cached else COMPLETE
        made = self.node(run, "Trainer", {"examples": examples}, {"model": cached or "Model"}, state, custom_config=json.dumps(config))
        return made["model"]

    def push(self, run, model, version=None, cached=None, baseline=None, by_hand=""):
        """A Pusher's execution; returns the PushedModel. Without a version it says that the model was not blessed."""
        if cached is None:
            kind = self.store.put_artifact_type(pb.ArtifactType(name="PushedModel"))
            pushed = pb.Artifact(type_id=kind, uri=str(self.root / "artifacts" / self.model / f"Pusher/pushed_model/{run}"))
            pushed.custom_properties["pushed"].int_value = int(version is not None)
            if version is not None:
                pushed.custom_properties["pushed_version"].string_value = str(version)
                pushed.custom_properties["pushed_destination"].string_value = str(self.folder(version))
        state = CACHED if cached else COMPLETE
        blessing = self.node(run, "Evaluator", {"model": model}, {"blessing": "ModelBlessing"})["blessing"]
        if by_hand:
            blessing.custom_properties["manual_reason"].string_value = by_hand
            blessing.custom_properties["manual_by"].string_value = "ada"
            self.store.put_artifacts([blessing])
        made = self.node(
            run,
            "Pusher",
            {"model": model, "model_blessing": blessing},
            {"pushed_model": cached or pushed},
            state,
            lineage=json.dumps({"baseline": baseline}),
        )
        return made["pushed_model"]

    def folder(self, version):
        """Where a version lies."""
        return self.root / "serving" / self.model / str(version)

    def publish(self, version, model):
        """Writes what the Pusher leaves of a version beside the model."""
        (self.folder(version) / "assets.extra").mkdir(parents=True)
        (self.folder(version) / "assets.extra/darsena.json").write_text(json.dumps({"version": version, "model_uri": model.uri}))

    def whole_run(self, run, data, version=None, **hparams):
        """All three; returns the Model."""
        model = self.train(run, self.read(run, data), **hparams)
        self.push(run, model, version)
        if version is not None:
            self.publish(version, model)
        return model
