"""Keras's `fit` over several processes, which Keras 3 by itself does not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer_modules.common.input_data import Rows, gather


def prepare(model: keras.Model, distribution: tf.distribute.Strategy, rows: Rows) -> None:
    """Makes a compiled model fit for `fit` under MultiWorkerMirroredStrategy.

    Keras would build the metrics from a distributed batch, which it can't average (`Attempt to convert a value (PerReplica…`), and
    average the steps' scalars along an axis that they don't have (`Invalid reduction dimension 0`). So they are built here from rows of
    this worker's, and the scalars become vectors. It takes a private method of Keras 3.15; tests/trainer_modules/test_workers.py tells
    when it can go.

    Args:
        model: built and compiled in the strategy's scope.
        distribution: the strategy.
        rows: that it is to learn from.
    """
    with distribution.scope():
        model._symbolic_build(data_batch=gather(rows, tf.range(min(2, rows.count))))
    model._maybe_symbolic_build = lambda **_: None
    model.train_step, model.test_step = vectors(model.train_step), vectors(model.test_step)


def vectors(step: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A step whose scalars are vectors of one."""
    return lambda data: {name: tf.reshape(value, [1]) for name, value in step(data).items()}
