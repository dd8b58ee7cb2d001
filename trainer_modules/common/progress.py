"""What goes with the epochs of a training: its state on disk, its metrics, its log and its learning rate."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import checkpoints

log = logging.getLogger(__name__)

# The share of the learning rate by the share of the epochs that are over.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda over: 1.0,
    "cosine": lambda over: (1 + math.cos(math.pi * over)) / 2,
}
WARM_UP_EPOCHS = 5
NOTES = "notes/"  # begins the names of other arrays than variables in a checkpoint


class Progress:
    """Where a training is: how many epochs it has trained, and what came of them; restored when it is made, and saved now and then.

    Args:
        epochs: how many there are to be.
        state: variables by name, all that an epoch changes; they get the values that were saved.
        checkpoint: folder for the state; None to keep none.

    Attributes:
        done: how many epochs have been trained.
        metrics: {name: one value per epoch}.
        arrays: others that are to be kept, by name, e.g. pictures of each epoch.
    """

    def __init__(self, epochs: int, state: Mapping[str, Sequence[keras.Variable | tf.Variable]], checkpoint: Path | None):
        self.done, self.metrics = 0, dict[str, list[float]]()
        self.arrays: dict[str, np.ndarray] = {}
        self._epochs, self._state, self._checkpoint = epochs, state, checkpoint
        self._before, self._started = 0.0, time.monotonic()
        self._saved = self._started
        if found := checkpoints.load(checkpoint):
            arrays, place = found
            for name, variables in state.items():
                checkpoints.assign(variables, name, arrays)
            self.arrays = {name.removeprefix(NOTES): array for name, array in arrays.items() if name.startswith(NOTES)}
            self.done, self._before, self.metrics = place["epochs"], place["seconds"], place["metrics"]
            log.info("going on after epoch %d, from %s", self.done, checkpoint)

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """Notes the metrics of an epoch, and tells them to the log, so that a training of hours can be followed there.

        Raises:
            FloatingPointError: one is no finite number.
        """
        check_finite(metrics, f"epoch {self.done + 1}")
        self.done += 1
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(float(value))
        told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        log.info("epoch %d of %d: %s", self.done, self._epochs, told)
        if self._checkpoint and time.monotonic() - self._saved >= checkpoints.SECONDS:
            self._saved = time.monotonic()
            arrays = {f"{NOTES}{name}": array for name, array in self.arrays.items()}
            for name, variables in self._state.items():
                arrays |= checkpoints.values(variables, name)
            checkpoints.save(self._checkpoint, arrays, {"epochs": self.done, "seconds": self._seconds, "metrics": self.metrics})

    def history(self, examples: int, replicas: int = 1) -> dict[str, Any]:
        """The history of a training that ends now, of so many examples an epoch."""
        return history(self.metrics, epochs=self._epochs, seconds=self._seconds, examples=self._epochs * examples, replicas=replicas)

    @property
    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started


def history(
    metrics: Mapping[str, Sequence[float | None]], *, epochs: int, seconds: float, examples: float, replicas: int = 1
) -> dict[str, Any]:
    """What history.json and the report take of a training.

    Args:
        metrics: {name: one value per epoch}.
        epochs: or what stands for them, such as iterations or rounds.
        seconds: that it took.
        examples: learned from in all, each as often as it was.
        replicas: that shared the work.

    Returns:
        {epochs, seconds, examples_per_second, replicas, metrics}.
    """
    return {
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "examples_per_second": round(examples / max(seconds, 1e-9), 1),
        "replicas": replicas,
        "metrics": metrics,
    }


def check_finite(figures: Mapping[str, float], when: str) -> None:
    """Ends a training whose losses are no numbers any more.

    Args:
        figures: losses and other metrics by name.
        when: they are of, e.g. "epoch 3".

    Raises:
        FloatingPointError: one is not finite.
    """
    wrong = [f"{name} = {value}" for name, value in figures.items() if not math.isfinite(value)]
    if wrong:
        raise FloatingPointError(
            f"expected finite numbers in {when} of the training, received {', '.join(wrong)}. Lower learning_rate, or look for numbers "
            "in the data that are far out."
        )


def schedule(hparams: Mapping[str, Any]) -> Callable[[int], float]:
    """The learning rate of each epoch.

    Args:
        hparams: `schedule` is "constant", or "cosine" for half a cosine from `learning_rate` towards 0 over `epochs`
            (Loshchilov and Hutter, 2017, without restarts), which takes the noise out of the last epochs. `warm_up_from`, if there,
            is the share of it to begin with, from which it rises over the first five epochs.

    Returns:
        From the number of an epoch, counted from 0, to its rate.

    Raises:
        ValueError: there is no such schedule.
    """
    if hparams["schedule"] not in SCHEDULES:
        raise ValueError(f"there is no learning rate schedule {hparams['schedule']!r}. Known: {', '.join(SCHEDULES)}.")
    share, first = SCHEDULES[hparams["schedule"]], hparams.get("warm_up_from", 1.0)

    def rate(epoch: int) -> float:
        warmth = first + (1 - first) * min(1.0, epoch / WARM_UP_EPOCHS)
        return float(hparams["learning_rate"] * warmth * share(epoch / hparams["epochs"]))

    return rate
