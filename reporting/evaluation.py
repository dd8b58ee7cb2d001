"""Reads TFMA's results into plain values.

Layout, as the Evaluator leaves it: `metrics-*.tfrecord` holds MetricsForSlice protos, `plots-*.tfrecord` PlotsForSlice protos,
`eval_config.json` the configuration. The confusion matrix comes from a metric with `class_name: "MultiClassConfusionMatrixPlot"`,
or, of a model with one probability, from "ConfusionMatrixAtThresholds".
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reporting.record import Unreadable, read_json


@dataclasses.dataclass(frozen=True)
class Value:
    """A metric's value, with the ends of its 95% confidence interval where one was computed."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Slice:
    """The metrics of some of the examples.

    Attributes:
        features: (feature, value) that the examples have in common; empty for all examples.
        metrics: by TFMA's name.
        baseline: the same for the served model, where it was evaluated too.
    """

    features: tuple[tuple[str, str], ...]
    metrics: dict[str, Value]
    baseline: dict[str, Value]


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts by true and predicted class.

    Attributes:
        counts: [classes, classes]; rows are true classes, columns the classes with the largest output.
        unanswered: [classes] examples whose largest output is below the metric's threshold.
    """

    counts: list[list[float]]
    unanswered: list[float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What TFMA found.

    Attributes:
        overall: metrics of all examples.
        slices: metrics by slice, ordered by feature and value (numbers by their size).
        confusion: of all examples; None if it was not computed.
    """

    overall: Slice
    slices: list[Slice]
    confusion: Confusion | None


def read_evaluation(folder: Path) -> Evaluation:
    """Reads the Evaluator's `evaluation` artifact.

    Args:
        folder: of the artifact.

    Raises:
        Unreadable: there are no metrics, or they are not TFMA's.
    """
    from google.protobuf.message import DecodeError
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as protos

    baselines = _baselines(folder)
    try:
        metrics = [protos.MetricsForSlice.FromString(record) for record in _records(folder, "metrics")]
        plots = [protos.PlotsForSlice.FromString(record) for record in _records(folder, "plots")]
    except DecodeError as error:
        raise Unreadable(f"The evaluation in {folder} is damaged: {error}") from error
    found = sorted((_slice(proto, baselines) for proto in metrics if not proto.HasField("cross_slice_key")), key=_order)
    overall = [part for part in found if not part.features]
    if not overall:
        raise Unreadable(f"Expected metrics of all examples in {folder}, found {len(found)} slices.")
    confusion = _confusion(plots, baselines) or _two_classes(metrics, baselines)
    return Evaluation(overall[0], [part for part in found if part.features], confusion)


def _records(folder: Path, kind: str) -> Iterator[bytes]:
    """The records of the sharded TFRecord files of one kind.

    Raises:
        Unreadable: there are none, or they are damaged.
    """
    import tensorflow as tf

    files = sorted(str(path) for path in folder.glob(f"{kind}*.tfrecord"))
    if not files:
        raise Unreadable(f"Expected {kind}-*.tfrecord in {folder}, found none.")
    try:
        yield from tf.data.TFRecordDataset(files).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise Unreadable(f"The {kind} in {folder} are damaged: {error.message}") from error


def _baselines(folder: Path) -> set[str]:
    """Names of the models that the candidate was compared with."""
    specs = read_json(folder / "eval_config.json").get("evalConfig", {}).get("modelSpecs", [])
    return {spec.get("name", "") for spec in specs if spec.get("isBaseline")}


def _slice(proto: Any, baselines: set[str]) -> Slice:
    """One MetricsForSlice; differences to the baseline and metrics that are no single numbers are left out."""
    metrics: dict[str, Value] = {}
    baseline: dict[str, Value] = {}
    for item in proto.metric_keys_and_values:
        value = _value(item)
        if value is not None and not item.key.is_diff:
            (baseline if item.key.model_name in baselines else metrics)[_name(item.key)] = value
    return Slice(tuple((key.column, _text(key)) for key in proto.slice_key.single_slice_keys), metrics, baseline)


def _value(item: Any) -> Value | None:
    """The number in a MetricValue and its interval, which TFMA keeps beside the value or, in older files, around it."""
    kind = item.value.WhichOneof("type")
    if kind == "bounded_value":
        bounded = item.value.bounded_value
        return Value(bounded.value.value, bounded.lower_bound.value, bounded.upper_bound.value)
    if kind == "t_distribution_value":
        return Value(item.value.t_distribution_value.unsampled_value.value)
    if kind != "double_value":
        return None
    value = item.value.double_value.value
    if not item.HasField("confidence_interval"):
        return Value(value)
    low, high = item.confidence_interval.lower_bound.double_value.value, item.confidence_interval.upper_bound.double_value.value
    return Value(value, low, high) if math.isfinite(low) and math.isfinite(high) else Value(value)


def _name(key: Any) -> str:
    """The metric's name, with the class or the k it is limited to and the output it is of."""
    parts = [key.name]
    for field in ("class_id", "k", "top_k"):
        if key.sub_key.HasField(field):
            parts.append(f"({field} {getattr(key.sub_key, field).value})")
    if key.output_name:
        parts.append(f"of {key.output_name}")
    return " ".join(parts)


def _text(key: Any) -> str:
    """The value of a SingleSliceKey."""
    kind = key.WhichOneof("kind")
    if kind == "bytes_value":
        text: str = key.bytes_value.decode("utf-8", "replace")
        return text
    return f"{getattr(key, kind):g}" if kind == "float_value" else str(getattr(key, kind)) if kind else ""


def _order(part: Slice) -> list[tuple[str, int, float, str]]:
    """Sorts numbers by their size and before text."""
    keys = []
    for feature, text in part.features:
        try:
            keys.append((feature, 0, float(text), ""))
        except ValueError:
            keys.append((feature, 1, 0.0, text))
    return keys


def _confusion(plots: Sequence[Any], baselines: set[str]) -> Confusion | None:
    """The matrix of all examples at the lowest threshold, where every example counts for the class with the largest output."""
    for proto in plots:
        if proto.slice_key.single_slice_keys or proto.HasField("cross_slice_key"):
            continue
        for item in proto.plot_keys_and_values:
            matrices = item.value.multi_class_confusion_matrix_at_thresholds.matrices
            if item.key.model_name not in baselines and matrices:
                return _matrix(min(matrices, key=lambda matrix: matrix.threshold).entries)
    return None


def _two_classes(metrics: Sequence[Any], baselines: set[str]) -> Confusion | None:
    """The matrix of all examples at the one threshold that was asked for."""
    for proto in metrics:
        if proto.slice_key.single_slice_keys or proto.HasField("cross_slice_key"):
            continue
        for item in proto.metric_keys_and_values:
            matrices = item.value.confusion_matrix_at_thresholds.matrices
            if item.key.model_name not in baselines and not item.key.is_diff and matrices:
                found = matrices[0]
                counts = [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]]
                return Confusion(counts, [0.0, 0.0])
    return None


def _matrix(entries: Sequence[Any]) -> Confusion:
    """Entries to a full matrix; TFMA's predicted class -1 means no answer."""
    classes = 1 + max(max(entry.actual_class_id, entry.predicted_class_id) for entry in entries)
    confusion = Confusion([[0.0] * classes for _ in range(classes)], [0.0] * classes)
    for entry in entries:
        if entry.predicted_class_id < 0:
            confusion.unanswered[entry.actual_class_id] += entry.num_weighted_examples
        else:
            confusion.counts[entry.actual_class_id][entry.predicted_class_id] += entry.num_weighted_examples
    return confusion
