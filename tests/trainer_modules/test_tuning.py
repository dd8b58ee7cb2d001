"""Searches: which hyperparameters trials get, when a search ends, what it records, and the choice of columns."""

import json
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.common import tuning
from trainer_modules.common.input_data import Rows
from trainer_modules.common.mutual_information import mutual_information
from trainer_modules.common.oracle import Oracle, expected_improvement, vector, widened
from trainer_modules.common.tabular import Category, Cross, Date, Number

DEFAULTS = {"units": 4, "rate": 0.01, "kind": "plain", "epochs": 3}
SIZES = [1, 2, 4, 8, 16]


def space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("units", SIZES)
    hp.Float("rate", 1e-3, 1e-1, sampling="log")
    hp.Choice("kind", ["plain", "residual"])
    return hp


def search(folder, train_trial, trials=4, objective="val_loss", ranking=(), **options):
    oracle = Oracle(
        DEFAULTS,
        space(),
        objective=keras_tuner.Objective(objective, tuning.direction(objective)),
        max_trials=trials,
        **{"seed": 1, **options},
    )
    return tuning.Search(train_trial, ranking, oracle=oracle, directory=str(folder), project_name="search", overwrite=True)


def record(found):
    return json.loads(Path(found.project_dir, tuning.RECORD).read_text())


def bowl(hp):
    """Lowest at 8 units, a rate of 0.03 and residual blocks."""
    distance = abs(np.log2(hp.get("units") / 8)) + abs(np.log(hp.get("rate") / 0.03)) + (hp.get("kind") == "plain")
    return {"val_loss": [9.0, float(distance)]}


def test_a_search_begins_with_the_defaults_and_scores_trials_by_their_last_epoch(tmp_path):
    found = search(tmp_path, bowl, trials=6)
    found.search()
    trials = record(found)["trials"]
    assert trials[0]["hparams"] == {name: DEFAULTS[name] for name in ("units", "rate", "kind")}
    scores = [trial["score"] for trial in trials]
    assert scores[0] == pytest.approx(1 + np.log(3) + 1)
    best = trials[int(np.argmin(scores))]["hparams"]
    assert found.get_best_hyperparameters()[0].values == best
    assert len({json.dumps(trial["hparams"], sort_keys=True) for trial in trials}) == 6


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("val_loss", "min"),
        ("val_rmse", "min"),
        ("val_mean_absolute_error", "min"),
        ("val_accuracy", "max"),
        ("val_auc", "max"),
        ("val_maelstrom", "max"),
    ],
)
def test_losses_and_errors_are_better_the_lower_they_are(metric, expected):
    assert tuning.direction(metric) == expected


def test_the_best_accuracy_is_the_highest(tmp_path):
    found = search(tmp_path, lambda hp: {"val_accuracy": [1 / hp.get("units")]}, objective="val_accuracy", trials=8)
    found.search()
    trials = record(found)["trials"]
    assert found.get_best_hyperparameters()[0].get("units") == min(trial["hparams"]["units"] for trial in trials)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_trials_and_another_seed_others(tmp_path):
    made = []
    for number, seed in enumerate((0, 0, 5)):
        found = search(tmp_path / str(number), bowl, trials=8, seed=seed)
        found.search()
        made.append([trial["hparams"] for trial in record(found)["trials"]])
    assert made[0] == made[1] != made[2]


@pytest.mark.slow
def test_guided_trials_come_closer_than_random_ones(tmp_path):
    reached = {True: [], False: []}
    for guided, scores in reached.items():
        for seed in range(3):
            found = search(tmp_path / f"{guided}{seed}", bowl, trials=14, seed=seed, guided=guided)
            found.search()
            scores.append(min(trial["score"] for trial in record(found)["trials"]))
    assert np.mean(reached[True]) < 0.7 * np.mean(reached[False])


def test_expected_improvement_is_largest_where_the_known_scores_fall_off():
    known = np.linspace(0, 1, 6)[:, np.newaxis]
    scores = (known[:, 0] - 0.3) ** 2
    candidates = np.linspace(0, 1, 101)[:, np.newaxis]
    gains = expected_improvement(known, scores, candidates, seed=0)
    assert gains.min() >= 0
    assert 0.1 <= candidates[np.argmax(gains), 0] <= 0.5
    assert gains[80] < gains[30] / 2


def test_the_first_trials_vary_the_defaults_in_part(tmp_path):
    hp = keras_tuner.HyperParameters()
    names = [f"rate{number}" for number in range(10)]
    for name in names:
        hp.Float(name, 0.0, 1.0)
    oracle = Oracle(dict.fromkeys(names, 0.5), hp, objective=keras_tuner.Objective("val_loss", "min"), max_trials=40, seed=2)
    found = tuning.Search(lambda values: {"val_loss": [1.0]}, oracle=oracle, directory=str(tmp_path), project_name="search")
    for _ in range(10):
        trial = oracle.create_trial("tuner")
        trial.status = "COMPLETED"
        oracle.update_trial(trial.trial_id, {"val_loss": 1.0})
        oracle.end_trial(trial)
    changed = [sum(value != 0.5 for value in trial["hparams"].values()) for trial in found.trials()]
    assert changed[0] == 0 and min(changed[1:]) >= 1
    assert 3 < np.mean(changed[1:]) < 5


def test_no_trial_begins_after_the_time_limit(tmp_path):
    now = [0.0]

    def slow(hp):
        now[0] += 40.0
        return bowl(hp)

    found = search(tmp_path, slow, trials=50, time_limit=100, clock=lambda: now[0])
    found.search()
    assert len(record(found)["trials"]) == 3  # the third begins after 80 seconds and ends after 120
    assert record(found)["asked"] == 50


def test_the_first_trial_ends_however_short_the_time(tmp_path):
    now = [0.0]

    def slow(hp):
        now[0] += 40.0
        return bowl(hp)

    found = search(tmp_path, slow, trials=5, time_limit=0.001, clock=lambda: now[0])
    found.search()
    assert [trial["status"] for trial in record(found)["trials"]] == ["completed"]


def test_failed_trials_are_recorded_and_do_not_end_the_search(tmp_path):
    made = []

    def unstable(hp):
        made.append(hp.values)
        if len(made) in (2, 3, 4, 5):
            raise ValueError("no such layer")
        return {"val_loss": [1.0, float("nan")]} if len(made) == 6 else bowl(hp)

    found = search(tmp_path, unstable, trials=8)
    found.search()
    trials = record(found)["trials"]
    assert [trial["status"] for trial in trials] == ["completed"] + ["failed"] * 5 + ["completed"] * 2
    assert [trial["score"] is None for trial in trials] == [False] + [True] * 5 + [False] * 2
    assert trials[1]["reason"] == "ValueError: no such layer"
    assert "expected val_loss to be a finite number, received nan" in trials[5]["reason"]
    assert found.get_best_hyperparameters()[0].values in [trial["hparams"] for trial in trials if trial["status"] == "completed"]


def test_a_search_in_which_no_trial_completed_fails(tmp_path):
    def broken(hp):
        raise ValueError("no such layer")

    with pytest.raises(RuntimeError, match=r"expected at least one trial of the search to complete, none of 4 did; .*no such layer"):
        search(tmp_path, broken).search()


def test_an_objective_that_training_does_not_report_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"expected the metric val_auc in the training history, received val_loss"):
        search(tmp_path, bowl, objective="val_auc").search()


def test_a_space_takes_in_defaults_that_a_user_set_outside_of_it():
    found = {parameter.name: parameter for parameter in widened(space(), DEFAULTS | {"units": 5, "rate": 0.5, "kind": "wide"}).space}
    assert found["units"].values == [1, 2, 4, 5, 8, 16]
    assert (found["rate"].min_value, found["rate"].max_value) == (1e-3, 0.5)
    assert found["kind"].values == ["plain", "residual", "wide"]


def test_a_trial_as_numbers():
    numbers = vector(space().space, {"units": 4, "rate": 0.01, "kind": "residual"})
    np.testing.assert_allclose(numbers, [0.5, 0.5, 0, 1])


def test_the_record_tells_objective_times_and_ranking(tmp_path):
    found = search(tmp_path, bowl, trials=2, ranking=[("income", 0.4), ("age", 0.1)])
    found.search()
    kept = record(found)
    assert (kept["objective"], kept["direction"], kept["asked"]) == ("val_loss", "min", 2)
    assert kept["ranking"] == [{"column": "income", "mutual_information": 0.4}, {"column": "age", "mutual_information": 0.1}]
    assert all(0 <= trial["seconds"] <= kept["seconds"] for trial in kept["trials"])


def test_features_are_all_or_those_that_lead_the_ranking():
    assert tuning.feature_lists(list("abcdefgh")) == ["all", "a,b,c,d,e,f", "a,b,c,d", "a,b"]
    assert tuning.feature_lists(["a", "b"]) == ["all", "a"]
    assert tuning.feature_lists(["a"]) == ["all"]
    assert tuning.feature_lists([]) == ["all"]


COLUMNS = (
    Number("linear", missing=True),
    Number("square"),
    Number("noise"),
    Category("kind", 2),
    Date("day"),
    Cross("both", ("linear", "square")),
)


@pytest.fixture(scope="module")
def rows():
    """600 transformed rows: the label depends on all columns but the noise; uncorrelated with "square", and on the day by its weekday."""
    random = np.random.default_rng(3)
    linear, square, noise = random.uniform(-1, 1, (3, 600)).astype(np.float32)
    kind, weekday = random.integers(2, 4, 600), random.integers(1, 8, 600)
    label = 2 * linear + 6 * square**2 + 1.5 * kind + 1.5 * (weekday > 5) + random.normal(0, 0.1, 600)
    numbers = {"linear__quantile": linear, "square__quantile": square, "noise__quantile": noise, "linear__missing": linear * 0}
    numbers |= {"day__days": noise[::-1], "day__missing": noise * 0}
    ids = {"kind__id": kind, "day__month": weekday * 0 + 3, "day__weekday": weekday}
    features = {name: tf.constant(values[:, np.newaxis]) for name, values in (numbers | ids).items()}
    return Rows(features, tf.constant(label.astype(np.float32)), 600)


def test_noise_comes_last_by_mutual_information(rows):
    ranked = mutual_information(COLUMNS, "regression", rows, seed=7)
    names = [name for name, _ in ranked]
    assert names[:2] == ["square", "linear"]
    assert names[-1] == "noise" and set(names) == {"linear", "square", "noise", "kind", "day"}
    assert dict(ranked)["noise"] < 0.04 < min(dict(ranked)["kind"], dict(ranked)["day"])


def test_mutual_information_is_scikit_learns(rows):
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    def column(name):
        return rows.features[name].numpy()[:, 0]

    columns, order = (Number("square"), Category("kind", 2)), np.arange(600)
    table = np.column_stack([column("square__quantile"), column("kind__id")])
    expected = mutual_info_regression(table[order], rows.labels.numpy()[order], discrete_features=[False, True], random_state=7)
    ranked = dict(mutual_information(columns, "regression", rows, seed=7))
    np.testing.assert_allclose([ranked["square"], ranked["kind"]], expected, atol=1e-9)
    classes = Rows(rows.features, tf.cast(rows.labels > 6.0, tf.int64), 600)
    expected = mutual_info_classif(table, classes.labels.numpy(), discrete_features=[False, True], random_state=7)
    ranked = dict(mutual_information(columns, "binary", classes, seed=7))
    np.testing.assert_allclose([ranked["square"], ranked["kind"]], expected, atol=1e-9)


def test_a_table_of_crosses_alone_has_no_ranking(rows):
    assert mutual_information((Cross("both", ("linear", "square")),), "regression", rows, seed=0) == []
