"""Which hyperparameters each trial of a search gets: the defaults, then random ones, then what earlier trials speak for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters

# Trials at random before any are chosen, as a share of all (and at least so many), and candidates to choose from each time.
RANDOM_SHARE, LEAST_RANDOM, CANDIDATES = 0.3, 4, 400
# How much of a score's variance is taken for noise.
NOISE = 1e-2

Values = dict[str, Any]


class Oracle(keras_tuner.oracles.RandomSearchOracle):
    """Begins with the defaults, so that what a search finds is at least as good on the validation split.

    Later trials are chosen by Bayesian optimisation (J. Snoek, H. Larochelle and R. P. Adams, "Practical Bayesian Optimization of
    Machine Learning Algorithms"): the candidate with the largest expected improvement under a Gaussian process with a Matérn kernel.
    Candidates are drawn from the space and from around the best trial, rather than found by gradients as KerasTuner's own
    Bayesian oracle does, which suits categories and takes a hundredth of the time.

    Args:
        defaults: the hyperparameters' defaults by name; those that are not searched are left out of account.
        space: what is searched; ranges are widened to take the defaults in.
        guided: whether earlier trials choose later ones; else all are random.
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
        self._defaults, self._guided, self._time_limit, self._clock = defaults, guided, time_limit, clock
        self._started = 0.0
        self.verbose = 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of a trial, as KerasTuner asks for them."""
        parameters = self.hyperparameters.space
        if not self.trials:
            self._started = self._clock()
            return {"status": "RUNNING", "values": {parameter.name: self._defaults[parameter.name] for parameter in parameters}}
        if self._time_limit and self._clock() - self._started >= self._time_limit:
            return {"status": "STOPPED", "values": None}
        completed = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        if not self._guided or len(completed) < max(LEAST_RANDOM, RANDOM_SHARE * self.max_trials):
            drawn: dict[str, Any] = super().populate_space(trial_id)
            return drawn
        candidates = self._candidates(trial_id, completed)
        if not candidates:
            return {"status": "STOPPED", "values": None}
        sign = 1 if self.objective.direction == "min" else -1
        known = np.array([vector(parameters, trial.hyperparameters.values) for trial in completed])
        gains = expected_improvement(
            known,
            np.array([sign * trial.score for trial in completed]),
            np.array([vector(parameters, candidate) for candidate in candidates]),
            self.seed,
        )
        return {"status": "RUNNING", "values": candidates[int(np.argmax(gains))]}

    def _candidates(self, trial_id: str, completed: Sequence[Any]) -> list[Values]:
        """Values that were not tried: half of them anywhere in the space, half of them the best trial's with few changed."""
        drawn = [super(Oracle, self).populate_space(trial_id)["values"] for _ in range(CANDIDATES)]
        drawn = [values for values in drawn if values is not None]
        sign = 1 if self.objective.direction == "min" else -1
        best = min(completed, key=lambda trial: sign * trial.score).hyperparameters.values
        random = np.random.default_rng([self.seed, len(self.trials)])
        for values in drawn[::2]:
            kept = [name for name in values if name in best]
            for name in random.permutation(kept)[random.integers(1, 4) :]:
                values[name] = best[name]
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        return [values for values in drawn if values not in tried]


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


def vector(parameters: Sequence[Any], values: Mapping[str, Any]) -> list[float]:
    """A trial as numbers between 0 and 1: one for each hyperparameter that has an order, one for each value of the others."""
    numbers: list[float] = []
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
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
        seed: of the fit's starting points.

    Returns:
        [candidates], in standard deviations of the scores.
    """
    from scipy.stats import norm
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    # A trial that went very wrong would flatten the differences between the good ones.
    scores = np.minimum(scores, np.median(scores) + 3 * (np.median(scores) - scores.min()))
    scaled = (scores - scores.mean()) / (scores.std() or 1.0)
    process = GaussianProcessRegressor(Matern(length_scale=1.0, length_scale_bounds=(0.3, 10), nu=2.5), alpha=NOISE, random_state=seed)
    mean, deviation = process.fit(known, scaled).predict(candidates, return_std=True)
    deviation = np.maximum(deviation, 1e-9)
    gain = scaled.min() - mean
    z = gain / deviation
    return np.asarray(gain * norm.cdf(z) + deviation * norm.pdf(z))
