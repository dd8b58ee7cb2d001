"""Observations on their way into a model: of recorded transitions, and of environments that are played."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from trainer_modules.common import decoding, playing
from trainer_modules.common.environments import Environments, observation_spec
from trainer_modules.common.online import ACTION, EPISODE, NEXT, OBSERVATION, REWARD, TERMINATED


def transitions(inputs: Mapping[str, tf.Tensor], observation: str) -> dict[str, tf.Tensor]:
    """Raw features of recorded transitions to transformed ones: what a preprocessing_fn of an agent does.

    Bytes become numbers, and all numbers float32; nothing is scaled by what the data has, since an agent gets elsewhere than the one
    that was recorded. So what an agent sees while it plays needs no more than a change of type to be the same.

    Args:
        inputs: `observation` and `next_observation`, string [N] of raw bytes or float32 [N, numbers]; others as they are.
        observation: shape and type, see environments.py.

    Returns:
        `observation` and `next_observation`, float32 [N, …], `action`, `reward`, `terminated` and `episode`.
    """
    shape, dtype = observation_spec(observation)

    def seen(name: str) -> tf.Tensor:
        if dtype != np.uint8:
            return tf.reshape(inputs[name], [-1, *shape])
        return tf.cast(decoding.decode_pixels(name, inputs[name], shape), tf.float32)

    return {name: seen(name) for name in (OBSERVATION, NEXT)} | {name: inputs[name] for name in (ACTION, REWARD, TERMINATED, EPISODE)}


def policy(answer: Callable[[tf.Tensor], tf.Tensor]) -> playing.Policy:
    """A compiled policy from a function of observations, float32 [N, …], to actions."""
    compiled = tf.function(lambda seen: answer(tf.cast(seen, tf.float32)), reduce_retracing=True)

    def act(environments: Environments, _: np.random.Generator) -> np.ndarray:
        return np.asarray(compiled(tf.constant(environments.observations)).numpy())

    return act


def dtypes(observation: str) -> dict[str, str]:
    """In which types transformed observations are kept in memory: whole pixels take a quarter of it so."""
    _, dtype = observation_spec(observation)
    return {name: dtype.name for name in (OBSERVATION, NEXT)} if dtype == np.uint8 else {}
