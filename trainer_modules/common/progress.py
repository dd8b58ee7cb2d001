"""What goes with the epochs of a training: its state on disk, its metrics, its log and its learning rate."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from trainer_modules.common import checkpoints


class Progress(keras.callbacks.Callback):
    """The metrics of all epochs, and the state of a training with `fit`, saved after an epoch and restored when it is made.

    Args:
        model: built and compiled, its optimizer built too.
        checkpoint: folder for the state; None to keep none.

    Attributes:
        epochs: how many have been trained.
        seconds: that those took which were restored.
        metrics: {name: one value per epoch}.
    """

    def __init__(self, model: keras.Model, checkpoint: Path | None):
        super().__init__()
        self.epochs, self.seconds = 0, 0.0
        self.metrics: dict[str, list[float]] = {}
        self._checkpoint, self._started = checkpoint, time.monotonic()
        self._saved = self._started
        if found := checkpoints.load(checkpoint):
            arrays, progress = found
            checkpoints.assign(model.variables, "model", arrays)
            checkpoints.assign(model.optimizer.variables, "optimizer", arrays)
            self.epochs, self.seconds, self.metrics = progress["epochs"], progress["seconds"], progress["metrics"]
            logging.info("going on after epoch %d, from %s", self.epochs, checkpoint)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keeps the metrics, and now and then the state.

        Raises:
            FloatingPointError: a metric is no finite number.
        """
        check_finite(logs or {}, f"epoch {epoch + 1}")
        for name, value in (logs or {}).items():
            self.metrics.setdefault(name, []).append(float(value))
        self.epochs = epoch + 1
        now = time.monotonic()
        if self._checkpoint and now - self._saved >= checkpoints.SECONDS:
            self._saved = now
            arrays = checkpoints.values(self.model.variables, "model") | checkpoints.values(self.model.optimizer.variables, "optimizer")
            progress = {"epochs": self.epochs, "seconds": self.seconds + now - self._started, "metrics": self.metrics}
            checkpoints.save(self._checkpoint, arrays, progress)


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


def log_epoch(epochs: int) -> Callable[[int, Mapping[str, float]], None]:
    """Tells the log of each epoch, so that a training of hours can be followed there."""

    def log(epoch: int, logs: Mapping[str, float]) -> None:
        logging.info("epoch %d of %d: %s", epoch + 1, epochs, ", ".join(f"{name} {value:.4g}" for name, value in logs.items()))

    return log


def schedule(hparams: Mapping[str, Any]) -> Callable[[int], float]:
    """The learning rate of each epoch.

    Args:
        hparams: `schedule` is "constant", or "cosine" for half a cosine from `learning_rate` towards 0 over `epochs`
            (Loshchilov and Hutter, 2017, without restarts), which takes the noise out of the last epochs.

    Returns:
        From the number of an epoch, counted from 0, to its rate.

    Raises:
        ValueError: there is no such schedule.
    """
    if hparams["schedule"] == "constant":
        return lambda epoch: float(hparams["learning_rate"])
    if hparams["schedule"] == "cosine":
        return lambda epoch: float(hparams["learning_rate"] * (1 + math.cos(math.pi * epoch / hparams["epochs"])) / 2)
    raise ValueError(f"there is no learning rate schedule {hparams['schedule']!r}. Known: constant, cosine.")
