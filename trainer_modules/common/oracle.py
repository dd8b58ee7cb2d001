"""Which hyperparameters each trial of a search gets: the defaults, then variations of them, then what earlier trials speak for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters

# Share of the trials that vary the defaults before any are chosen, and of the values that are varied then and later.
FIRST_SHARE, FIRST_VARIED, VARIED = 0.3, 0.4, 0.3
CANDIDATES, TREES = 100, 40
# Least uncertainty of an expected score, in standard deviations of the scores.
LEAST_DEVIATION = 0.05

Values = dict[str, Any]


class Oracle(keras_tuner.oracles.RandomSearchOracle):
    """Begins with the defaults, so that what a search finds is at least as good on the validation split.

    Next come variations of the defaults, which are sensible in most respects, and then variations of the best trial: of many
    candidates the one with the largest expected improvement under a forest of randomised trees, as in sequential model-based
    optimisation (F. Hutter, H. H. Hoos and K. Leyton-Brown, "Sequential Model-Based Optimization for General Algorithm
    Configuration"). Trees suit a few dozen trials with many categories among their hyperparameters, and take a hundredth of the
    time of KerasTuner's own Bayesian oracle.

    Args:
        defaults: the hyperparameters' defaults by name; those that are not searched are left out of account.
        space: what is searched, all of it at once (no conditional scopes); ranges are widened to take the defaults in.
        guided: whether defaults and earlier trials guide later ones; else all but the first are random.
        time_limit: seconds after which no further trial begins; 0 for none. The first always does.
        clock: tells the time in seconds.
        **kwargs: of keras_tuner's oracle.
    """

    def __init__(
        self,
        defaults: Mapping[str, Any],
        space: keras_tuner.HyperParameters,
        guided: bool = True,
        time_limit: float = 0,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ):
        # KerasTuner takes a seed of 0 for none, and would end the search after three failures.
        kwargs |= {"seed": kwargs["seed"] + 1, "max_consecutive_failed_trials": kwargs["max_trials"] + 1}
        super().__init__(hyperparameters=widened(space, defaults), **kwargs)
        self._defaults = {parameter.name: defaults[parameter.name] for parameter in self.hyperparameters.space}
        self._guided, self._time_limit, self._clock = guided, time_limit, clock
        self._started = 0.0
        self.verbose = 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of a trial, as KerasTuner asks for them."""
        if not self.trials:
            self._started = self._clock()
            return {"status": "RUNNING", "values": dict(self._defaults)}
        if self._time_limit and self._clock() - self._started >= self._time_limit:
            return {"status": "STOPPED", "values": None}
        drawn: dict[str, Any] = super().populate_space(trial_id)
        if not self._guided or drawn["values"] is None:
            return drawn
        candidates = self._candidates(trial_id)
        return {"status": "RUNNING", "values": candidates[self._most_promising(candidates)]} if candidates else drawn

    def _completed(self) -> tuple[list[Values], np.ndarray]:
        """Values of the completed trials, and their scores, the lower the better."""
        completed = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        sign = 1 if self.objective.direction == "min" else -1
        return [trial.hyperparameters.values for trial in completed], np.array([sign * trial.score for trial in completed])

    def _candidates(self, trial_id: str) -> list[Values]:
        """Variations that were not tried: one of the defaults at first, later many of the best trial."""
        values, scores = self._completed()
        first = len(scores) < FIRST_SHARE * self.max_trials
        base, share = (self._defaults, FIRST_VARIED) if first else (values[int(np.argmin(scores))], VARIED)
        random = np.random.default_rng([self.seed, len(self.trials)])
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        found: list[Values] = []
        for _ in range(CANDIDATES):
            drawn = super().populate_space(trial_id)["values"]
            varied = {name: value if drawn is None or random.random() >= share else drawn[name] for name, value in base.items()}
            if varied not in tried:
                found.append(varied)
            if found and first:
                break
        return found

    def _most_promising(self, candidates: list[Values]) -> int:
        """Index of the candidate with the largest expected improvement."""
        if len(candidates) == 1:
            return 0
        values, scores = self._completed()
        parameters = self.hyperparameters.space
        known, asked = (np.array([vector(parameters, one) for one in many]) for many in (values, candidates))
        return int(np.argmax(expected_improvement(known, scores, asked, self.seed)))


def widened(space: keras_tuner.HyperParameters, defaults: Mapping[str, Any]) -> keras_tuner.HyperParameters:
    """The space with every default inside its range, which a user may have set to anything."""
    for parameter in space.space:
        default = defaults[parameter.name]
        if isinstance(parameter, hyperparameters.Int | hyperparameters.Float):
            parameter.min_value, parameter.max_value = min(parameter.min_value, default), max(parameter.max_value, default)
        elif isinstance(parameter, hyperparameters.Choice) and default not in parameter.values:
            parameter.values.append(default)
            if parameter.ordered:
                parameter.values.sort()
    return space


def vector(parameters: list[Any], values: Mapping[str, Any]) -> list[float]:
    """A trial as numbers between 0 and 1: one for each hyperparameter that has an order, one for each value of the others."""
    numbers: list[float] = []
    for parameter in parameters:
        value = values[parameter.name]
        if isinstance(parameter, hyperparameters.Choice) and not parameter.ordered:
            numbers += [float(value == one) for one in parameter.values]
        else:
            numbers.append(float(parameter.value_to_prob(value)))
    return numbers


def expected_improvement(known: np.ndarray, scores: np.ndarray, candidates: np.ndarray, seed: int) -> np.ndarray:
    """By how much each candidate is expected to be below the lowest score.

    Args:
        known: trials that were made, [trials, dimensions].
        scores: of these, the lower the better, [trials].
        candidates: [candidates, dimensions].
        seed: of the trees.

    Returns:
        [candidates], in standard deviations of the scores.
    """
    from scipy.stats import norm
    from sklearn.ensemble import ExtraTreesRegressor

    # A trial that went very wrong would hide the differences between the good ones.
    middle = np.median(scores)
    scores = np.minimum(scores, middle + 3 * (middle - scores.min()))
    scaled = (scores - scores.mean()) / (scores.std() or 1.0)
    forest = ExtraTreesRegressor(TREES, bootstrap=True, max_features=0.5, random_state=seed).fit(known, scaled)
    answers = np.stack([tree.predict(candidates) for tree in forest.estimators_])
    deviation = answers.std(axis=0) + LEAST_DEVIATION
    gain = scaled.min() - answers.mean(axis=0)
    z = gain / deviation
    return np.asarray(gain * norm.cdf(z) + deviation * norm.pdf(z))
