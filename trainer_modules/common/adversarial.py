"""Networks that learn against each other: one compiled step under a distribution strategy, and the epochs around it.

A step draws one batch for all replicas, each of which takes its share. A learner's loss is the sum over examples divided by the size of
the whole batch, so that the gradients, which its optimizer sums over the replicas, are those of one device. What is drawn follows from
the seed and the number of the step alone: a training that was killed goes on to the same end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import precision
from trainer_modules.common.progress import Progress, check_finite, schedule
from trainer_modules.common.strategies import check_batch, share_of

# Nested tensors whose first axis is the batch.
Batch = Any
Draw = Callable[[tf.Tensor, tf.Tensor], Batch]
Losses = Callable[[Batch], dict[str, tf.Tensor]]
Step = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Learner:
    """Networks with one loss and one optimizer; make both in the strategy's scope.

    Attributes:
        networks: whose weights it moves.
        optimizer: built on those by `learner`.
        average: a network like the only one, which follows its weights as an exponential average; None for none.
        decay: of that average, for each step.
    """

    networks: Sequence[keras.Model]
    optimizer: keras.optimizers.Optimizer
    average: keras.Model | None = None
    decay: float = 0.0

    @property
    def weights(self) -> list[keras.Variable]:
        """What it moves."""
        return [weight for network in self.networks for weight in network.trainable_weights]

    @property
    def state(self) -> list[keras.Variable]:
        """All that a step changes."""
        averages = self.average.weights if self.average else []
        return [*(weight for network in self.networks for weight in network.weights), *averages, *self.optimizer.variables]


def learner(networks: Sequence[keras.Model], rate: float, average: keras.Model | None = None, decay: float = 0.0) -> Learner:
    """A learner with Adam as adversarial networks want it: a short memory of gradients (A. Radford et al., arXiv:1511.06434)."""
    found = Learner(networks, precision.optimizer(keras.optimizers.Adam(rate, beta_1=0.5)), average, decay)
    found.optimizer.build(found.weights)
    if average:
        average.set_weights(networks[0].get_weights())
    return found


def compiled_step(distribution: tf.distribute.Strategy, learners: Mapping[str, Learner], draw: Draw, losses: Losses, size: int) -> Step:
    """One step of all learners, from the same weights.

    Args:
        distribution: the strategy that the networks were made under.
        learners: by the name of the loss that each minimises.
        draw: from the numbers of an epoch and of a step in it, int64, to the batch of all replicas; it is compiled too.
        losses: of a replica's share of a batch: each learner's, and perhaps others to record, by example [N].
        size: examples in the batch of all replicas.

    Returns:
        A function of the numbers of an epoch and a step to the means of the losses.

    Raises:
        ValueError: the replicas can't have equal shares.
    """
    replicas = distribution.num_replicas_in_sync
    check_batch(size, replicas)

    def share(batch: Batch) -> dict[str, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            found = {name: tf.reduce_sum(loss) / size for name, loss in losses(share_of(batch, size)).items()}
            minimised = {name: each.optimizer.scale_loss(found[name]) for name, each in learners.items()}
        gradients = {name: tape.gradient(minimised[name], each.weights) for name, each in learners.items()}
        for name, each in learners.items():
            each.optimizer.apply(gradients[name], each.weights)
        return found

    @tf.function(jit_compile=False)
    def step(epoch: tf.Tensor, number: tf.Tensor) -> dict[str, tf.Tensor]:
        found = distribution.run(share, args=(draw(epoch, number),))
        for each in learners.values():
            if each.average:
                for kept, weight in zip(each.average.weights, each.networks[0].weights, strict=True):
                    kept.assign(each.decay * kept + (1 - each.decay) * weight)
        return {name: distribution.reduce("SUM", loss, axis=None) for name, loss in found.items()}

    return step


def train(
    step: Step,
    learners: Mapping[str, Learner],
    hparams: Mapping[str, Any],
    *,
    steps: int,
    size: int,
    replicas: int,
    checkpoint: Path | None,
    after_epoch: Callable[[int, Progress], dict[str, float]],
) -> tuple[dict[str, Any], Progress]:
    """All epochs, from the start or from where a training that was killed had come.

    Args:
        step: of `compiled_step`.
        learners: of its networks; their rates follow the schedule, each from its own.
        hparams: `epochs`, `learning_rate` and `schedule`.
        steps: of an epoch.
        size: of a batch.
        replicas: for the history.
        checkpoint: folder for the state; None to keep none.
        after_epoch: from the number of an epoch, counted from 0, and the progress, to which it may add arrays, to metrics beside the
            losses.

    Returns:
        The history, as of `training.fit_model`, and the progress.

    Raises:
        FloatingPointError: a loss or metric is no finite number.
    """
    # Before the state is restored, of which the rates that a schedule has lowered are part.
    rates = {name: float(each.optimizer.learning_rate.numpy()) / hparams["learning_rate"] for name, each in learners.items()}
    rate, progress = schedule(hparams), Progress(hparams["epochs"], {name: each.state for name, each in learners.items()}, checkpoint)
    for epoch in range(progress.done, hparams["epochs"]):
        for name, each in learners.items():
            each.optimizer.learning_rate.assign(rates[name] * rate(epoch))
        losses = [step(tf.constant(epoch, tf.int64), tf.constant(number, tf.int64)) for number in range(steps)]
        progress.end_epoch(means_of(losses, epoch) | after_epoch(epoch, progress))
    return progress.history(steps * size, replicas), progress


def means_of(losses: Sequence[Mapping[str, tf.Tensor]], epoch: int) -> dict[str, float]:
    """The means of the losses of an epoch's steps, by name.

    Raises:
        FloatingPointError: one is no finite number; the message names the first step with one.
    """
    found = {name: np.array([float(loss[name]) for loss in losses]) for name in losses[0]}
    wrong = [number for number in range(len(losses)) if not all(np.isfinite(values[number]) for values in found.values())]
    for number in wrong[:1]:
        check_finite({name: values[number] for name, values in found.items()}, f"step {number + 1} of epoch {epoch + 1}")
    return {name: float(values.mean()) for name, values in found.items()}


def shuffled(count: int, size: int, seed: int, salt: int, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Row numbers of a batch, int32 [size]: part `number` of an order of so many rows that seed, salt and epoch decide."""
    key = tf.stack([tf.constant(1009 * seed + salt, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.range(count), key)
    first = tf.cast(number, tf.int32) * size
    return order[first : first + size]


def key(seed: int, salt: int, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """A seed of stateless random numbers, int64 [2], that is another one for each step and each salt."""
    return tf.stack([tf.constant(1009 * seed + salt, tf.int64), epoch * (1 << 32) + number])
