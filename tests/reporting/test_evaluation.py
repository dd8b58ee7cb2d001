"""The reader of TFMA's results: against a real evaluation small enough to count by hand, and against protos with known numbers."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from reporting import metrics
from reporting.evaluation import Confusion, Evaluation, Slice, Value, read_evaluation
from reporting.record import Unreadable
from tests.reporting import records
from tests.reporting.page import Page

# Rows are true classes, columns predicted ones.
COUNTS = [[28, 2, 0], [5, 31, 4], [0, 1, 29]]


def evaluate(work: Path, rows: Sequence[tuple[int, Sequence[float], int]], metrics: dict[str, str]) -> Path:
    """TFMA's results, with jackknife intervals and slices by label.

    Args:
        work: an empty folder.
        rows: label, outputs of the model, and how many such rows there are.
        metrics: configuration by class name.
    """
    import tensorflow_model_analysis as tfma
    from apache_beam.options.pipeline_options import PipelineOptions
    from tensorflow_model_analysis.proto import config_pb2

    with tf.io.TFRecordWriter(str(work / "rows.tfrecord")) as writer:
        for label, outputs, count in rows:
            features = {
                "kind": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "outputs": tf.train.Feature(float_list=tf.train.FloatList(value=outputs)),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            for _ in range(count):
                writer.write(example.SerializeToString())
    specs = [config_pb2.MetricConfig(class_name=name, config=text) for name, text in metrics.items()]
    config = config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key="kind", prediction_key="outputs")],
        metrics_specs=[config_pb2.MetricsSpec(metrics=specs)],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["kind"])],
    )
    config.options.compute_confidence_intervals.value = True
    config.options.confidence_intervals.method = config_pb2.ConfidenceIntervalOptions.JACKKNIFE
    runner = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    tfma.run_model_analysis(
        eval_config=config,
        data_location=str(work / "rows.tfrecord"),
        output_path=str(work / "out"),
        pipeline_options=PipelineOptions([f"--runner={runner}", "--sdk_container_image=unused"]),
    )
    return work / "out"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evaluation of 100 rows whose confusion matrix is COUNTS."""
    # The largest probability is below one half: the class counts, not a threshold.
    rows = [
        (label, np.where(np.arange(3) == predicted, 0.4, 0.3), count)
        for label, row in enumerate(COUNTS)
        for predicted, count in enumerate(row)
    ]
    names = ("SparseCategoricalAccuracy", "ExampleCount", "MultiClassConfusionMatrixPlot")
    return evaluate(tmp_path_factory.mktemp("evaluation"), rows, dict.fromkeys(names, ""))


def test_two_classes_by_one_probability(tmp_path: Path) -> None:
    rows = [(0, [0.2], 50), (0, [0.7], 10), (1, [0.4], 5), (1, [0.9], 35)]
    found = read_evaluation(evaluate(tmp_path, rows, {"BinaryAccuracy": "", "ConfusionMatrixAtThresholds": '{"thresholds": [0.5]}'}))
    assert found.confusion == Confusion([[50, 10], [5, 35]], [0, 0])
    accuracy = found.overall.metrics["binary_accuracy"]
    assert accuracy.value == pytest.approx(0.85)
    assert accuracy.low < 0.85 < accuracy.high


def test_accuracy_and_counts_overall_and_by_class(folder: Path) -> None:
    found = read_evaluation(folder)
    assert found.overall.metrics["example_count"] == Value(100.0)
    assert found.overall.metrics["sparse_categorical_accuracy"].value == pytest.approx(0.88)
    assert [part.features for part in found.slices] == [(("kind", "0"),), (("kind", "1"),), (("kind", "2"),)]
    assert [part.metrics["sparse_categorical_accuracy"].value for part in found.slices] == pytest.approx([28 / 30, 31 / 40, 29 / 30])
    assert [part.metrics["example_count"].value for part in found.slices] == [30, 40, 30]


def test_intervals_lie_around_their_values_and_are_of_the_binomial_size(folder: Path) -> None:
    accuracy = read_evaluation(folder).overall.metrics["sparse_categorical_accuracy"]
    assert accuracy.low is not None and accuracy.high is not None
    assert accuracy.high - accuracy.value == pytest.approx(accuracy.value - accuracy.low, rel=0.2)
    # The jackknife splits the rows by chance; its interval is within a factor of 3 of the normal approximation.
    assert 1 / 3 < (accuracy.high - accuracy.low) / (2 * 1.96 * math.sqrt(0.88 * 0.12 / 100)) < 3


def test_confusion_counts(folder: Path) -> None:
    assert read_evaluation(folder).confusion == Confusion([[float(count) for count in row] for row in COUNTS], [0.0, 0.0, 0.0])


def test_evaluation_in_the_report(folder: Path, tmp_path: Path) -> None:
    from reporting.html import render

    run = records.write_run(tmp_path)
    run["nodes"][5]["outputs"] = {"evaluation": [str(folder)]}
    page = Page(render(run))
    section = page.section("evaluation")
    assert section.row("Sparse categorical accuracy")[1] == "0.8800"
    assert section.row("kind = 1 (ferry)")[1:3] == ["40", "0.7750"]
    assert "88 of 100 examples are on the diagonal" in section.text
    assert [row for row in section.rows if row[0] == "ferry"] == [["ferry", "tug", "5", "12.5%"], ["ferry", "dredger", "4", "10%"]]
    titles = [element.text for picture in section.pictures() for element in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert "true ferry, predicted tug: 5 (12.5% of its class)" in titles
    assert "Weakest at kind = 1 (ferry): sparse categorical accuracy 0.7750" in page.section("card").text


def write_protos(folder: Path, kind: str, protos: Sequence[object]) -> None:
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / f"{kind}-00000-of-00001.tfrecord")) as writer:
        for proto in protos:
            writer.write(proto.SerializeToString())  # type: ignore[attr-defined]


def test_baseline_bounded_values_and_text_slices(tmp_path: Path) -> None:
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as protos

    overall = protos.MetricsForSlice()
    for model, is_diff, value in (("candidate", False, 0.9), ("baseline", False, 0.8), ("candidate", True, 0.1)):
        item = overall.metric_keys_and_values.add()
        item.key.name, item.key.model_name, item.key.is_diff = "auc", model, is_diff
        item.value.double_value.value = value
    item = overall.metric_keys_and_values.add()
    item.key.name, item.key.model_name = "precision", "candidate"
    item.key.sub_key.class_id.value = 2
    item.value.bounded_value.value.value, item.value.bounded_value.lower_bound.value = 0.5, 0.4
    item.value.bounded_value.upper_bound.value = 0.6
    array = overall.metric_keys_and_values.add()
    array.key.name = "no_number"
    array.value.array_value.float64_values.append(1.0)
    parts = [overall]
    for size in (b"10", b"9", b"caf\xe9"):
        part = protos.MetricsForSlice()
        part.slice_key.single_slice_keys.add(column="size", bytes_value=size)
        parts.append(part)
    write_protos(tmp_path, "metrics", parts)
    write_protos(tmp_path, "plots", [])
    specs = [{"name": "candidate"}, {"name": "baseline", "isBaseline": True}]
    records.write_json(tmp_path, "eval_config.json", {"evalConfig": {"modelSpecs": specs}})

    found = read_evaluation(tmp_path)
    assert found.overall == Slice((), {"auc": Value(0.9), "precision (class_id 2)": Value(0.5, 0.4, 0.6)}, {"auc": Value(0.8)})
    assert [part.features[0][1] for part in found.slices] == ["9", "10", "caf\ufffd"]
    assert found.confusion is None


def test_matrix_of_the_lowest_threshold_is_taken_and_missing_answers_are_kept(tmp_path: Path) -> None:
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2 as protos

    plots = protos.PlotsForSlice()
    matrices = plots.plot_keys_and_values.add().value.multi_class_confusion_matrix_at_thresholds.matrices
    matrices.add(threshold=1.0).entries.add(actual_class_id=0, predicted_class_id=-1, num_weighted_examples=9)
    lowest = matrices.add(threshold=0.0)
    for actual, predicted, count in ((0, 0, 5), (1, 0, 2), (1, -1, 2)):
        lowest.entries.add(actual_class_id=actual, predicted_class_id=predicted, num_weighted_examples=count)
    write_protos(tmp_path, "metrics", [protos.MetricsForSlice()])
    write_protos(tmp_path, "plots", [plots])
    records.write_json(tmp_path, "eval_config.json", {})
    confusion = read_evaluation(tmp_path).confusion
    assert confusion == Confusion([[5.0, 0.0], [2.0, 0.0]], [0.0, 2.0])
    view = metrics.confusion_view(confusion, ["cat", "dog", "newt"])
    assert (view["right"], view["total"], view["unanswered"], view["errors"]) == (5.0, 9.0, 2.0, [("dog", "cat", 2.0, 1.0)])


def test_missing_and_damaged_results_are_said(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"eval_config\.json"):
        read_evaluation(tmp_path)
    records.write_json(tmp_path, "eval_config.json", {})
    with pytest.raises(Unreadable, match=r"Expected metrics-\*\.tfrecord"):
        read_evaluation(tmp_path)
    (tmp_path / "metrics-00000-of-00001.tfrecord").write_bytes(b"cut off" * 9)
    with pytest.raises(Unreadable, match=r"metrics in .* are damaged"):
        read_evaluation(tmp_path)


def test_metrics_without_intervals_or_slices_are_shown() -> None:
    view = metrics.evaluation_view(
        Evaluation(Slice((), {"mean_squared_error": Value(12.5)}, {"mean_squared_error": Value(13.0)}), [], None), "y", []
    )
    assert [(row["metric"], row["cell"]["value"], row["cell"]["interval"], row["served"]) for row in view["overall"]] == [
        ("Mean squared error", 12.5, "", 13.0)
    ]
    assert view["slices"] == [] and view["confusion"] is None


def test_of_a_thousand_classes_the_picture_has_those_that_occur() -> None:
    counts = [[0.0] * 1000 for _ in range(1000)]
    counts[7][7], counts[7][900], counts[30][30] = 5.0, 2.0, 1.0
    view = metrics.confusion_view(Confusion(counts, [0.0] * 1000), [f"class {index}" for index in range(1000)])
    assert (view["shown"], view["classes"], view["right"], view["total"]) == (3, 1000, 6, 8)
    assert view["figure"].count("<rect") == 9
    assert all(f"class {index}" in view["figure"] for index in (7, 30, 900)) and "class 8" not in view["figure"]


def test_no_picture_of_a_confusion_matrix_has_more_than_fifty_classes() -> None:
    counts = [[float(i == j) * (i + 1) for j in range(60)] for i in range(60)]
    assert metrics.most_frequent(counts) == list(range(10, 60))
    assert list(metrics.most_frequent([[0.0] * 50] * 50)) == list(range(50))
