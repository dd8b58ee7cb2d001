import numpy as np
import pytest

from components.golden import Comparison
from components.tflite_exporter.bounds import Bounds
from components.tflite_exporter.gating import Gating, Loss, losses, measure
from tests.components.conftest import TEST_LABELS, write_records

ALIKE = Comparison(0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("metric", "answers", "labels", "expected"),
    [
        ("SparseCategoricalAccuracy", [[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.8, 0.2]], [0, 1, 1, 0], 3 / 4),
        ("BinaryAccuracy", [[0.5], [0.51], [0.9], [0.2]], [0, 1, 0, 0], 3 / 4),
        # Two of three found are right, two of three that are there are found.
        ("Precision", [[0.9], [0.8], [0.7], [0.2], [0.1]], [1, 1, 0, 1, 0], 2 / 3),
        ("F1Score", [[0.9], [0.8], [0.7], [0.2], [0.1]], [1, 1, 0, 1, 0], 2 / 3),
        # Of six pairs of a 1 and a 0, five are in order.
        ("AUC", [[0.9], [0.8], [0.7], [0.3], [0.1]], [1, 1, 0, 1, 0], 5 / 6),
        ("RootMeanSquaredError", [[1.0], [2.0], [3.0]], [1.0, 4.0, 7.0], np.sqrt(20 / 3)),
        ("MeanAbsoluteError", [[1.0], [2.0], [3.0]], [1.0, 4.0, 7.0], 2.0),
    ],
)
def test_metrics_of_known_answers(metric, answers, labels, expected):
    assert measure(metric, np.array(answers, np.float32), np.array(labels)) == pytest.approx(expected, abs=2e-4)


def test_a_metric_that_keras_has_not_is_refused():
    with pytest.raises(ValueError, match="metric of Keras, received 'Prettiness'"):
        measure("Prettiness", np.zeros((2, 1)), np.zeros(2))


def test_a_point_of_a_share_is_a_hundredth_and_of_an_error_a_hundredth_of_it():
    labels = np.zeros(100, np.int64)
    right = np.full((100, 1), 0.2, np.float32)
    worse = right.copy()
    worse[:3] = 0.8
    (loss,) = losses({"BinaryAccuracy": True}, right, worse, labels)
    assert (loss.points, loss.flips) == (pytest.approx(3, abs=1e-4), 3)
    (loss,) = losses({"BinaryAccuracy": True}, worse, right, labels)
    assert loss.points == pytest.approx(-3, abs=1e-4)
    truth = np.full(10, 200.0)
    (loss,) = losses({"MeanAbsoluteError": False}, np.full((10, 1), 100.0), np.full((10, 1), 98.0), truth)
    assert (loss.reference, loss.value, loss.points, loss.flips) == (100, 102, pytest.approx(2), None)


def loss(points, flips=None):
    return Loss("Accuracy", 0.9, 0.9 - points / 100, points, flips)


@pytest.mark.parametrize(
    ("name", "found", "lost", "holds"),
    [
        ("int8", ALIKE, [loss(1.0, 40)], True),
        ("int8", ALIKE, [loss(1.01, 40)], False),
        ("int8", ALIKE, [loss(-5.0, 40)], True),
        ("int8", ALIKE, [loss(0.0, 4), loss(1.5, 4)], False),
        # One example of 50 is two points, and one is always let pass; two are not, although one of them is lost twice only.
        ("int8", ALIKE, [loss(2.0, 1)], True),
        ("int8", ALIKE, [loss(2.0, 2)], False),
        ("int8", ALIKE, [loss(1.5)], False),
        # Classes that differ and metrics that hold: the metrics decide.
        ("dynamic", Comparison(0.9, 0.9, 0.9, 0.9, 0.5), [loss(0.5, 16)], True),
        ("dynamic", ALIKE, [loss(1.5, 16)], False),
        # Float formats are held to both.
        ("float32", Comparison(2e-5, 2e-5, 0.0, 0.0, 1.0), [loss(0.0, 0)], False),
        ("float16", ALIKE, [loss(1.5, 16)], False),
        ("int8", Comparison(np.nan, np.nan, np.nan, np.nan, None, "not finite"), [], False),
    ],
)
def test_a_format_may_lose_one_point_or_one_example(name, found, lost, holds):
    assert (Bounds().violation(name, found, 50, lost) == "") == holds


def test_the_reason_names_the_metric_and_both_values():
    assert Bounds().violation("int8", ALIKE, 50, [loss(3.0, 9)]) == (
        "expected at most 1 points of Accuracy lost, received 3.00 (0.87 where the trained model has 0.9)"
    )


def test_labels_are_those_of_the_first_examples(trained, tmp_path):
    names = tuple("abc")
    gating = Gating({"SparseCategoricalAccuracy": True}, trained.examples / "Split-test", "label", names)
    records, labels = gating.read()
    assert len(records) == 100
    np.testing.assert_array_equal(labels, TEST_LABELS)
    write_records(tmp_path / "data", records * 11)
    assert len(Gating({"Precision": True}, tmp_path, "label", names).read()[1]) == 1000
    assert Gating({}, tmp_path / "absent", "label", names).read()[0] == []
