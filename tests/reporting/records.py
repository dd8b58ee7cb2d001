"""Runs as they would be left behind: a record, and artifacts with known numbers."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from reporting.evaluation import Value

GRAPH = {
    "ExampleGen": [],
    "ImportSchemaGen": [],
    "StatisticsGen": ["ExampleGen", "ImportSchemaGen"],
    "ExampleValidator": ["StatisticsGen", "ImportSchemaGen"],
    "Trainer": ["ExampleGen", "ExampleValidator"],
    "Evaluator": ["ExampleGen", "Trainer"],
    "Mistakes": ["ExampleGen", "Trainer"],
    "Exporter": ["Trainer", "Evaluator"],
    "Pusher": ["Trainer", "Exporter"],
}


def record(outputs: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """A run that was pushed.

    Args:
        outputs: folders by node and output.
    """
    nodes = [
        {"id": name, "upstream": upstream, "state": "complete", "seconds": 1.25 * (at + 1), "error": None, "outputs": outputs.get(name, {})}
        for at, (name, upstream) in enumerate(GRAPH.items())
    ]
    nodes[1]["state"] = "cached"
    return {
        "schema": 1,
        "run_id": "20261123-201500",
        "model": "berths",
        "learns": "tells ships apart",
        "reference": "0.97 in the original paper",
        "started": "2026-11-23T20:15:00+00:00",
        "finished": "2026-11-23T20:15:41+00:00",
        "seconds": 83.0,
        "verdict": "blessed and pushed",
        "exit_code": 0,
        "reason": "",
        "config": {"data": "sample", "data_path": "data/ships", "seed": 42, "hparams": {"units": 64, "epochs": 3}, "cache": True},
        "label": "kind",
        "class_names": ["tug", "ferry", "dredger"],
        "code": {"trainer_modules/berths.py": "f00dcafe"},
        "versions": {"tensorflow": "2.21.0"},
        "machine": {"cpus": 2},
        "nodes": nodes,
        "gates": [
            {
                "metric": "SparseCategoricalAccuracy",
                "kind": "value",
                "operator": ">=",
                "bound": 0.9,
                "value": 0.9412,
                "low": 0.9205,
                "high": 0.9619,
                "passed": True,
            }
        ],
        "pushed": {"version": 7, "path": "serving/berths/7"},
    }


def failed(run: dict[str, Any], node: str, verdict: str, error: str) -> dict[str, Any]:
    """The same run, but `node` failed and all that follow were skipped."""
    run = copy.deepcopy(run)
    at = list(GRAPH).index(node)
    run["nodes"][at] |= {"state": "failed", "error": error, "outputs": {}}
    for later in run["nodes"][at + 1 :]:
        later |= {"state": "skipped", "seconds": None, "outputs": {}}
    return run | {"verdict": verdict, "exit_code": 1, "reason": error.splitlines()[0], "gates": [], "pushed": None}


def write_json(folder: Path, name: str, content: object) -> None:
    """Writes a JSON file into a folder that may not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def write_statistics(folder: Path, feature: str) -> None:
    """Two splits with a number (`feature`) and a text ("port")."""
    for split, count in (("train", 120), ("test", 30)):
        protos = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = protos.datasets.add(num_examples=count)
        number = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
        number.path.step.append(feature)
        stats = number.num_stats
        stats.common_stats.num_non_missing, stats.common_stats.num_missing = count - 4, 4
        stats.mean, stats.std_dev, stats.min, stats.median, stats.max, stats.num_zeros = 5.5, 1.25, 0.0, 5.0, 12.5, 3
        histogram = stats.histograms.add()
        for low, high, sample_count in ((0.0, 5.0, 40.0), (5.0, 12.5, count - 44.0)):
            histogram.buckets.add(low_value=low, high_value=high, sample_count=sample_count)
        text = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
        text.path.step.append("port")
        text.string_stats.common_stats.num_non_missing = count
        text.string_stats.unique, text.string_stats.avg_length = 2, 6.5
        text.string_stats.top_values.add(value="Genova", frequency=count - 10)
        text.string_stats.top_values.add(value="<Bari>", frequency=10)
        path = folder / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(protos.SerializeToString())


def write_anomalies(folder: Path, found: Sequence[tuple[str, str, str]]) -> None:
    """Anomalies of the split train, (feature, short, description) each; none in the split test."""
    for split, anomalies in (("train", found), ("test", ())):
        proto = anomalies_pb2.Anomalies()
        for feature, short, description in anomalies:
            proto.anomaly_info[feature].short_description = short
            proto.anomaly_info[feature].description = description
        path = folder / f"Split-{split}" / "SchemaDiff.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(proto.SerializeToString())


def write_evaluation(folder: Path, metrics: dict[str, Value], examples: int) -> None:
    """TFMA's results: metrics of all examples, by TFMA's name."""
    import tensorflow as tf
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as protos

    overall = protos.MetricsForSlice()
    for name, value in (metrics | {"example_count": Value(examples)}).items():
        item = overall.metric_keys_and_values.add()
        item.key.name = name
        item.value.double_value.value = value.value
        if value.low is not None:
            item.confidence_interval.lower_bound.double_value.value = value.low
            item.confidence_interval.upper_bound.double_value.value = value.high
    write_json(folder, "eval_config.json", {})
    for kind, content in (("metrics", [overall.SerializeToString()]), ("plots", [])):
        with tf.io.TFRecordWriter(str(folder / f"{kind}-00000-of-00001.tfrecord")) as writer:
            for proto in content:
                writer.write(proto)


def write_run(root: Path, feature: str = "length") -> dict[str, Any]:
    """A whole run's artifacts but for the evaluation, and its record.

    Args:
        root: an empty folder.
        feature: name of a feature.
    """
    write_statistics(root / "statistics", feature)
    write_anomalies(root / "anomalies", [])
    history = {"epochs": 3, "seconds": 2.5, "examples_per_second": 1234.5, "hparams": {"units": 64, "epochs": 3}, "parameters": 4711}
    write_json(root / "model_run", "history.json", history | {"metrics": {"loss": [0.9, 0.5, 0.25], "val_loss": [1.0, 0.75, 0.625]}})
    export = {"name": "int8", "format": "tflite", "file": "int8.tflite", "bytes": 93412, "latency_ms": 0.125, "agreement": 0.9975}
    export["latency_2_threads_ms"] = 0.075
    export |= {"metrics": {"BinaryAccuracy": 0.8975}, "points_lost": 1.25}
    reference = {"name": "SavedModel", "bytes": 1310221, "latency_ms": 0.5, "metrics": {"BinaryAccuracy": 0.91}}
    write_json(root / "exports", "exports.json", {"exports": [export | {"max_abs_diff": 0.031, "passed": False}], "reference": reference})
    signatures = [{"name": "raw", "examples": 32, "max_abs_diff": 1e-7}]
    write_json(root / "validation", "validation.json", {"passed": True, "signatures": signatures, "load_seconds": 0.12, "reason": ""})
    pictures = [{"file": "1.png", "caption": "true tug, predicted ferry (0.98)"}]
    tables = [{"title": "Inputs", "columns": ["kind", "sure"], "rows": [["tug", 0.98], ["ferry", True]]}]
    write_json(root / "mistakes", "section.json", {"title": "Worst mistakes", "text": "1 of 30.", "pictures": pictures, "tables": tables})
    Image.new("L", (2, 2), 255).save(root / "mistakes" / "1.png")
    outputs = {
        "StatisticsGen": {"statistics": ["statistics"]},
        "ExampleValidator": {"anomalies": ["anomalies"]},
        "Trainer": {"model_run": ["model_run"]},
        "Mistakes": {"mistakes": ["mistakes"]},
        "Exporter": {"exports": ["exports"], "validation": ["validation"]},
    }
    return record({node: {name: [str(root / uri) for uri in uris] for name, uris in found.items()} for node, found in outputs.items()})
