"""The stages of a pipeline as functions over TFX components, and the standard pipeline that calls them.

A model that needs another graph composes the stages itself in `pipelines/<model>.py`.
"""

import dataclasses
import datetime
import getpass
import json
from collections.abc import Sequence
from typing import Any

from tfx.components.evaluator.component import Evaluator
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel

from components.anomaly_gate.component import AnomalyGate
from components.curated_schema.component import CuratedSchema
from components.custom_evaluator.component import CustomEvaluator
from components.custom_evaluator.executor import Bound
from components.episode_example_gen.component import EpisodeExampleGen
from components.image_example_gen.component import ImageExampleGen
from components.manual_blessing.component import ManualBlessing
from components.mistakes.component import Mistakes
from components.pusher.component import Pusher
from components.serving_validator.component import ServingValidator
from components.splits import TEST, TRAIN, VALIDATION
from components.table_example_gen.component import TableExampleGen
from components.tflite_exporter.bounds import Bounds
from components.tflite_exporter.component import TFLiteExporter
from components.tuner.component import Tuner
from pipelines.common.allowances import read_allowances
from pipelines.common.config import OWN, ModelConfig, RunConfig
from pipelines.common.databases import pipeline_name
from pipelines.common.datasets.episodes import span_pattern
from pipelines.common.engines.options import beam_args
from pipelines.common.eval_config import eval_config
from pipelines.common.fingerprint import component_fingerprint, data_fingerprint, fingerprint, training_fingerprint
from pipelines.common.layout import artifacts_dir, checkpoint_dir, serving_dir
from pipelines.common.metadata_store import connection
from pipelines.common.recipe import lineage, reader, recipe
from pipelines.common.remote.endpoint import deployment

# In the metadata of exports.
AUTHOR, LICENSE = "made with Darsena", "Apache-2.0 for the code; the data that it learned from has terms of its own"


def ingest(model: ModelConfig, run: RunConfig) -> FileBasedExampleGen:
    """Raw data to tf.Examples in three splits, disjoint by content: train, validation and test."""
    source: dict[str, Any] = {
        "input_base": str(run.data.path),
        "pattern": run.data.pattern,
        "code_fingerprint": component_fingerprint(reader(model)),
        "data_fingerprint": data_fingerprint(run.data),
    }
    if model.data.episodes:
        return EpisodeExampleGen(**source | {"pattern": span_pattern(run.data)})
    source["class_names"] = model.class_names
    if model.data.table is None:
        return ImageExampleGen(**source, encoded=model.data.encoded)
    return TableExampleGen(**source, schema=model.schema_path.read_text(), label=model.label, **dataclasses.asdict(model.data.table))


def validate(model: ModelConfig, examples: BaseChannel) -> tuple[CuratedSchema, StatisticsGen, ExampleValidator, AnomalyGate]:
    """Statistics of every split, held to the curated schema; anomalies stop the run, unless they are allowed."""
    schema = CuratedSchema(model.schema_path).with_id("ImportSchemaGen")
    statistics = StatisticsGen(examples, schema=schema.outputs["schema"])
    validator = ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"])
    allowed = json.dumps(read_allowances(model.schema_dir, datetime.datetime.now(datetime.UTC).date()))
    gate = AnomalyGate(validator.outputs["anomalies"], component_fingerprint("anomaly_gate"), allowed)
    return schema, statistics, validator, gate


def transform(model: ModelConfig, run: RunConfig, examples: BaseChannel, schema: BaseChannel, gate: AnomalyGate) -> Transform:
    """Full-pass analysis of the training split into a graph from raw features to the model's.

    The transformed examples are not written out: the Trainer applies the graph as it reads, which costs less than a copy.
    """
    config: dict[str, Any] = {"code_fingerprint": training_fingerprint(model)}
    if model.transform_hparams:
        config["hparams"] = {name: run.hparams[name] for name in model.transform_hparams}
    node = Transform(
        examples,
        schema,
        preprocessing_fn=f"{model.trainer_module}.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=[TRAIN]),
        materialize=False,
        disable_statistics=True,
        custom_config=config,
    )
    node.add_upstream_node(gate)
    return node


def train(
    model: ModelConfig, run: RunConfig, examples: BaseChannel, transform_graph: BaseChannel, schema: BaseChannel
) -> tuple[Trainer, list[BaseNode]]:
    """The Trainer, after a hyperparameter search if one is asked for; the second value lists the search's nodes."""
    config = {
        "hparams": dict(run.hparams),
        "seed": run.seed,
        "run_fn": f"{model.trainer_module}.run_fn",
        "strategy": run.strategy,
        "workers": run.workers,
        "train_on": dict(run.train_on),
        "precision": run.precision,
        "scale_batch": run.scale_batch,
        "task": model.task,
        "class_names": list(model.class_names),
        "code_fingerprint": training_fingerprint(model),
    }
    train_args, eval_args = trainer_pb2.TrainArgs(splits=[TRAIN]), trainer_pb2.EvalArgs(splits=[VALIDATION])
    search: list[Tuner] = []
    if run.tune:
        asked = {"trials": run.trials, "parallel_trials": run.parallel_trials, "time_limit": run.time_limit}
        search_config = config | asked | {"tuner_fn": f"{model.trainer_module}.tuner_fn"}
        search = [
            Tuner(
                examples,
                schema=schema,
                transform_graph=transform_graph,
                tuner_fn=search_config["tuner_fn"],
                train_args=train_args,
                eval_args=eval_args,
                custom_config=search_config,
            )
        ]
    trainer = Trainer(
        examples=examples,
        transform_graph=transform_graph,
        schema=schema,
        run_fn=config["run_fn"],
        train_args=train_args,
        eval_args=eval_args,
        hyperparameters=search[0].outputs["best_hyperparameters"] if search else None,
        custom_config=config | {"checkpoint": str(checkpoint_dir(run.root, model.name) / recipe(model, run)[:16])},
    )
    return trainer, list(search)


def evaluate(
    model: ModelConfig, run: RunConfig, examples: BaseChannel, schema: BaseChannel, candidate: BaseChannel
) -> tuple[BaseNode, list[BaseNode]]:
    """The Evaluator: metrics on the test split against the gates and the served model; the second value lists what goes with it."""
    beside: list[BaseNode] = []
    baseline = None
    if run.baseline:
        served = Importer(source_uri=run.baseline.model_uri, artifact_type=standard_artifacts.Model).with_id("ServedModel")
        beside, baseline = [served], served.outputs["result"]
    if model.task == OWN:
        return measure(model, run, examples, candidate, baseline), beside
    evaluator = Evaluator(
        examples,
        candidate,
        baseline_model=baseline,
        eval_config=eval_config(model, run.data.kind, with_baseline=baseline is not None),
        schema=schema,
        example_splits=[TEST],
    )
    mistakes = Mistakes(
        examples=examples,
        model=candidate,
        split=TEST,
        label=model.label,
        class_names=json.dumps(model.class_names),
        code_fingerprint=component_fingerprint("mistakes"),
    )
    return evaluator, [*beside, mistakes]


def measure(
    model: ModelConfig, run: RunConfig, examples: BaseChannel, candidate: BaseChannel, baseline: BaseChannel | None
) -> CustomEvaluator:
    """The Evaluator of a model that TFMA has no metrics for: its own evaluate_fn."""
    bounds = []
    for gate in model.gates:
        sign = 1 if gate.higher_is_better else -1
        worst = gate.bound(run.data.kind) - sign * gate.margin
        bounds.append(Bound(gate.key, worst, gate.higher_is_better, gate.tolerance + gate.margin))
    return CustomEvaluator(
        examples=examples,
        model=candidate,
        baseline_model=baseline,
        evaluate_fn=f"{model.trainer_module}.evaluate_fn",
        bounds=bounds,
        config={"hparams": dict(run.hparams), "seed": run.seed},
        code_fingerprint=fingerprint([component_fingerprint("custom_evaluator"), training_fingerprint(model)]),
    ).with_id("Evaluator")


def release(model: ModelConfig, run: RunConfig, examples: BaseChannel, trainer: Trainer, evaluator: BaseNode) -> list[BaseNode]:
    """Exports, the check that they and the C++ loader answer as the trained model did, the push, and the deployment if there is one."""
    blessing, by_hand = evaluator.outputs["blessing"], []
    if run.bless:
        by_hand = [ManualBlessing(blessing, run.bless, getpass.getuser(), component_fingerprint("manual_blessing"))]
        blessing = by_hand[0].outputs["blessing"]
    exporter = TFLiteExporter(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        examples=examples,
        blessing=blessing,
        metrics=model.gating_metrics,
        metric_split=TEST,
        label=model.label,
        class_names=model.label_names,
        about={
            "name": model.name,
            "description": model.learns,
            "version": f"{model.version}+{recipe(model, run)[:12]}",
            "author": AUTHOR,
            "license": LICENSE,
        },
        bounds=Bounds(**model.export_bounds),
        formats=model.export_formats,
        code_fingerprint=component_fingerprint("tflite_exporter"),
    )
    validator = ServingValidator(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        exports=exporter.outputs["exports"],
        model_blessing=blessing,
        code_fingerprint=component_fingerprint("serving_validator"),
    )
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        model_blessing=blessing,
        infra_blessing=validator.outputs["blessing"],
        exports=exporter.outputs["exports"],
        serving_dir=str(serving_dir(run.root, model.name)),
        evaluation=evaluator.outputs["evaluation"],
        lineage=json.dumps(lineage(model, run)),
        code_fingerprint=component_fingerprint("pusher"),
    )
    return [*by_hand, exporter, validator, pusher, *deployment(model, run, pusher)]


def standard_pipeline(model: ModelConfig, run: RunConfig) -> Pipeline:
    """All stages, from raw data to a pushed version."""
    model = model.for_run(run)
    example_gen = ingest(model, run)
    examples = example_gen.outputs["examples"]
    schema_gen, statistics, validator, gate = validate(model, examples)
    schema = schema_gen.outputs["schema"]
    transformer = transform(model, run, examples, schema, gate)
    trainer, search = train(model, run, examples, transformer.outputs["transform_graph"], schema)
    evaluator, beside = evaluate(model, run, examples, schema, trainer.outputs["model"])
    released = release(model, run, examples, trainer, evaluator)
    return assemble(
        model, run, [example_gen, schema_gen, statistics, validator, gate, transformer, *search, trainer, *beside, evaluator, *released]
    )


def assemble(model: ModelConfig, run: RunConfig, nodes: Sequence[BaseNode]) -> Pipeline:
    """Nodes to a pipeline whose artifacts lie under the root, whose metadata do or are in a database, and whose data work has an engine."""
    for node in nodes:
        if isinstance(node, BaseBeamComponent):
            node.with_beam_pipeline_args(beam_args(run.engine))
    return Pipeline(
        pipeline_name=pipeline_name(run.root, model.name, run.metadata),
        pipeline_root=str(artifacts_dir(run.root, model.name)),
        components=list(nodes),
        enable_cache=run.cache,
        metadata_connection_config=connection(run.root, model.name, run.metadata),
    )


# What each node does, for the terminal.
DESCRIPTIONS = {
    "ImageExampleGen": "reads raw images, splits them by content into train, validation and test",
    "EpisodeExampleGen": "reads recorded episodes, splits them whole by content into train, validation and test",
    "TableExampleGen": "reads rows, splits them by content into train, validation and test",
    "ImportSchemaGen": "brings in the curated schema",
    "StatisticsGen": "computes statistics of every split",
    "ExampleValidator": "holds the statistics to the schema",
    "AnomalyGate": "stops the run if there are anomalies",
    "Transform": "analyses the training split and makes the feature graph",
    "Tuner": "searches hyperparameters",
    "Trainer": "trains the model and exports it",
    "ServedModel": "brings in the model that is served now, to compare with",
    "Evaluator": "measures the test split, overall and by slice, against the gates",
    "ManualBlessing": "blesses the model by hand, where the Evaluator did not",
    "Mistakes": "collects the worst mistakes",
    "TFLiteExporter": "converts to TFLite, compares answers and metrics with the trained model's",
    "ServingValidator": "asks the C++ loader and compares with the trained model's answers",
    "Pusher": "publishes the version for serving",
}
