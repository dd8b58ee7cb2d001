"""Updates of an agent that learns from transitions: distributed over a strategy's replicas, with targets that follow slowly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common.strategies import check_batch, share_of

Batch = Mapping[str, tf.Tensor]


def distributed(
    strategy: tf.distribute.Strategy,
    step: Callable[[Batch, int], tf.Tensor],
    targets: Sequence[tuple[keras.Model, keras.Model]],
    rate: float,
) -> Callable[[Mapping[str, np.ndarray]], tf.Tensor]:
    """Makes an update of a step of one replica.

    Args:
        strategy: whose scope models and optimizers were built in.
        step: from a replica's share of a batch and the size of the whole one, applies gradients and gives the share's loss; its losses
            are sums over the share, divided by the size of the whole, so that replicas add up.
        targets: target networks, each with the network that it follows.
        rate: how much of the difference a target takes over with each update.

    Returns:
        From transitions, [batch, …] by name, to the loss of the whole batch. The batch must divide evenly among the replicas.
    """
    replicas = strategy.num_replicas_in_sync

    @tf.function
    def update(batch: Batch) -> tf.Tensor:
        size = next(iter(batch.values())).shape[0]
        loss = strategy.run(lambda whole: step(share_of(whole, size), size), args=(batch,))
        for target, source in targets:
            for slow, fast in zip(target.variables, source.variables, strict=True):
                slow.value.assign(slow.value + rate * (fast.value - slow.value))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)

    def call(batch: Mapping[str, np.ndarray]) -> tf.Tensor:
        size = len(next(iter(batch.values())))
        check_batch(size, replicas)
        return update({name: tf.constant(values) for name, values in batch.items()})

    return call


def follow(target: keras.Model, source: keras.Model) -> keras.Model:
    """Gives a target network the weights of the one that it follows, and has it learn nothing by itself."""
    target.set_weights(source.get_weights())
    target.trainable = False
    return target
