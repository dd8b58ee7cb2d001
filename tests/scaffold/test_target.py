"""The label: its kind, its classes, and a bound that no answer without a look at the inputs reaches."""

import math

import numpy as np
import pytest

from components.errors import DataRejected
from pipelines.common.config import BINARY, MULTICLASS, REGRESSION
from pipelines.common.errors import UsageError
from pipelines.common.scaffold.target import baseline, find_target, labelled


@pytest.mark.parametrize(
    ("cells", "task", "classes", "counts"),
    [
        (["b", "a", "a"] * 40, BINARY, ("a", "b"), (80, 40)),
        (["1", "0", "0"] * 40, BINARY, ("0", "1"), (80, 40)),
        (["True", "False"] * 40, BINARY, ("False", "True"), (40, 40)),
        (["c", "b", "a"] * 40, MULTICLASS, ("a", "b", "c"), (40, 40, 40)),
        (["10", "9", "8"] * 40, MULTICLASS, ("8", "9", "10"), (40, 40, 40)),
        # What is rare is what is looked for: the second of two, unless they are numbers.
        (["fraud"] * 10 + ["sound"] * 190, BINARY, ("sound", "fraud"), (190, 10)),
        (["0"] * 10 + ["1"] * 190, BINARY, ("0", "1"), (10, 190)),
        (["none", "some", "NA"] * 40, BINARY, ("none", "some"), (40, 40)),
    ],
)
def test_classes_are_the_values_in_their_order(cells, task, classes, counts):
    found = find_target("y", cells, "auto")
    assert (found.task, found.class_names, found.counts) == (task, classes, counts)
    assert found.rows == sum(counts) and found.missing == len(cells) - sum(counts)


@pytest.mark.parametrize(
    "cells", [[f"{n}.5" for n in range(60)], [str(n) for n in range(60)], [str(n % 11) for n in range(200)], ["1", "2", "3"] * 500 + ["4"]]
)
def test_numbers_are_a_regression_unless_they_are_few_whole_and_common(cells):
    found = find_target("y", [*cells, "", "NA", "none"], "auto")
    assert (found.task, found.class_names, found.missing) == (REGRESSION, (), 3)
    assert found.values == tuple(map(float, cells))


def test_the_user_may_say_what_it_is():
    assert find_target("y", ["1", "2", "3"] * 40, "regression").task == REGRESSION
    assert find_target("y", ["1", "2"] * 40, "multiclass").class_names == ("1", "2")
    assert find_target("y", [str(n % 20) for n in range(200)], "multiclass").task == MULTICLASS


@pytest.mark.parametrize(
    ("cells", "task", "kind", "said"),
    [
        (["a", "b"] * 40, "regression", UsageError, "expected numbers of y for a regression, received 'a'"),
        (["a", "b", "c"] * 40, "binary", UsageError, "expected two values of y for --task binary, received 3"),
        (
            [f"t{n}" for n in range(200)],
            "auto",
            UsageError,
            "at most 100 classes of y, received 200 different values. Choose another label",
        ),
        ([str(n) for n in range(200)], "multiclass", UsageError, "Use --task regression"),
        (["a"] * 80, "auto", DataRejected, "received 'a' on all rows"),
        (["a", "b"] * 24, "auto", DataRejected, "at least 50 rows with a value of y, received 48"),
        (["", "a", "b"] * 24, "auto", DataRejected, "at least 50 rows with a value of y, received 48"),
        ([""] * 80, "auto", DataRejected, "received 0"),
        (["a", "b"] * 40 + ["c"] * 4, "auto", DataRejected, "at least 5 rows of each y, received 4 of 'c'"),
    ],
)
def test_a_label_that_cannot_be_learned_is_one_line(cells, task, kind, said):
    with pytest.raises(kind) as raised:
        find_target("y", cells, task)
    assert said in str(raised.value)


def test_the_word_none_is_a_class_among_words_and_nothing_among_numbers():
    assert labelled(["none", "some", "", " ", "nan"]) == [True, True, False, False, False]
    assert labelled(["none", "1", "2", "NA"]) == [False, True, True, False]


def test_numbers_have_to_be_better_than_their_mean():
    values = np.random.default_rng(0).normal(50, 10, 400)
    found = baseline(find_target("y", [f"{value:.6f}" for value in values], "auto"))
    assert found.value == pytest.approx(values.std(), rel=1e-4)
    assert (found.gate.metric, found.gate.higher_is_better, found.what) == ("RootMeanSquaredError", False, "always answering the mean")
    assert found.gate.sample == found.gate.full == pytest.approx(0.95 * values.std(), rel=0.005)


@pytest.mark.parametrize(
    ("counts", "metric", "value", "bound"),
    [
        # Two standard errors of an accuracy of 1/2 on 20 of 100 rows are 0.22; of 6/10 on 200 of 1000, 0.069.
        ({"a": 50, "b": 50}, "BinaryAccuracy", 0.5, 0.724),
        ({"a": 600, "b": 400}, "BinaryAccuracy", 0.6, 0.669),
        ({"a": 400, "b": 300, "c": 300}, "SparseCategoricalAccuracy", 0.4, 0.469),
        # At most half way from the most frequent class's share to 1.
        ({"a": 90, "b": 5, "c": 5}, "SparseCategoricalAccuracy", 0.9, 0.95),
        # And never less than a hundredth above it.
        ({"a": 60000, "b": 40000}, "BinaryAccuracy", 0.6, 0.61),
    ],
)
def test_classes_have_to_be_better_than_the_most_frequent_one(counts, metric, value, bound):
    found = baseline(find_target("y", [name for name, count in counts.items() for _ in range(count)], "auto"))
    assert (found.gate.metric, found.value, found.what) == (metric, pytest.approx(value), "always answering a")
    assert found.gate.sample == found.gate.full == pytest.approx(bound, abs=0.001)
    assert found.gate.higher_is_better


def test_a_rare_class_is_judged_by_how_well_it_is_told_from_the_other():
    found = baseline(find_target("y", ["yes"] * 40 + ["no"] * 960, "auto"))
    error = math.sqrt((200 + 1) / (12 * 8 * 192))  # of the Mann-Whitney statistic of 8 against 192
    assert (found.gate.metric, found.value) == ("AUC", 0.5)
    assert found.gate.sample == pytest.approx(0.5 + 2 * error, abs=0.001)
    assert baseline(find_target("y", ["yes"] * 5 + ["no"] * 95, "auto")).gate.sample == 0.75
    assert {"Precision", "Recall"} < set(found.metrics)
