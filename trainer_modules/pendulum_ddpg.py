"""An agent that swings a pendulum up and keeps it there.

Deep deterministic policy gradients (T. Lillicrap et al., "Continuous control with deep reinforcement learning", 2016): a critic learns
what an action is worth, an actor learns the action that the critic likes most, and target networks follow both slowly. It starts with
recorded episodes of the agent that acts at random, and collects its own with normal noise on its actions
(trainer_modules/common/online.py). The reference is a mean return of -200 over 100 fresh episodes of Pendulum-v1; here it is -138, and at
random about -1,200.

    darsena run pendulum_ddpg                      24,000 steps, under a minute on two cores
    darsena run pendulum_ddpg --set steps=60000    longer

Simplified: noise without memory where Lillicrap et al. took an Ornstein-Uhlenbeck process, and no batch normalisation. Episodes of
Pendulum never terminate: they are cut off after 200 steps, and the value of what would have followed is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import agents, findings, observations, online, playing, precision, training
from trainer_modules.common.environments import Environments, observation_spec
from trainer_modules.common.strategies import make_strategy
from trainer_modules.common.updates import Batch, distributed, follow

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

OBSERVATION, ACTION = online.OBSERVATION, online.ACTION


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `observation` and `next_observation`, float32 [N, 3]; `action`, float32 [N, 1]; `reward`, float32 [N]; `terminated` and
            `step`, int64 [N]; `episode`, string [N].
        custom_config: its `hparams` have `observation`, shape and type.

    Returns:
        All but `step`, as they are.
    """
    return observations.transitions(inputs, custom_config["hparams"]["observation"])


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The actor.

    Args:
        hparams: `observation`, its shape and type; `action_size`, numbers of an action; `action_bound`, which they keep to on both sides
            of 0; `hidden_units` of each of two layers.

    Returns:
        A model from {`observation`: float32 [N, numbers]} to {`action`: float32 [N, action_size]}.
    """
    shape, _ = observation_spec(hparams["observation"])
    seen = keras.Input(shape, name=OBSERVATION)
    x = hidden(seen, hparams)
    # Small weights to begin with: tanh learns little where it is flat.
    small = keras.initializers.RandomUniform(-3e-3, 3e-3)
    x = keras.layers.Dense(hparams["action_size"], activation="tanh", kernel_initializer=small, dtype="float32")(x)
    return keras.Model({OBSERVATION: seen}, {ACTION: keras.layers.Rescaling(hparams["action_bound"], dtype="float32", name=ACTION)(x)})


def build_critic(hparams: Mapping[str, Any]) -> keras.Model:
    """The critic: from {`observation`, `action`} to the discounted sum of rewards to come, float32 [N]."""
    shape, _ = observation_spec(hparams["observation"])
    seen, action = keras.Input(shape, name=OBSERVATION), keras.Input((hparams["action_size"],), name=ACTION)
    x = hidden(keras.layers.Concatenate()([seen, action]), hparams)
    return keras.Model(
        {OBSERVATION: seen, ACTION: action}, keras.layers.Reshape((), dtype="float32")(keras.layers.Dense(1, dtype="float32")(x))
    )


def hidden(x: keras.KerasTensor, hparams: Mapping[str, Any]) -> keras.KerasTensor:
    """Two dense layers."""
    for _ in range(2):
        x = keras.layers.Dense(hparams["hidden_units"], activation="relu")(x)
    return x


def make_agent(build_model: training.BuildModel, hparams: training.Hparams, strategy: str) -> online.Agent:
    """The agent with its critic, their target networks and optimizers, in the scope of a strategy."""
    distribution = make_strategy(strategy)
    with distribution.scope():
        actor, critic = build_model(hparams), build_critic(hparams)
        target_actor, target_critic = follow(build_model(hparams), actor), follow(build_critic(hparams), critic)
        actor_optimizer, critic_optimizer = (
            precision.optimizer(keras.optimizers.Adam(hparams[f"{name}_learning_rate"])) for name in ("actor", "critic")
        )
        actor_optimizer.build(actor.trainable_variables)
        critic_optimizer.build(critic.trainable_variables)

    def step(batch: Batch, size: int) -> tf.Tensor:
        seen, following = {OBSERVATION: batch[OBSERVATION]}, {OBSERVATION: batch[online.NEXT]}
        wanted = targets(batch, target_critic(following | target_actor(following)))
        with tf.GradientTape() as tape:
            values = critic(seen | {ACTION: batch[ACTION]}, training=True)
            loss = tf.reduce_sum((values - wanted) ** 2) / size
            minimised = critic_optimizer.scale_loss(loss)
        gradients = tape.gradient(minimised, critic.trainable_variables)
        with tf.GradientTape() as tape:
            # What the critic thinks of the actor's actions is to go up.
            disliked = actor_optimizer.scale_loss(-tf.reduce_sum(critic(seen | actor(seen, training=True))) / size)
        improvements = tape.gradient(disliked, actor.trainable_variables)
        critic_optimizer.apply(gradients, critic.trainable_variables)
        actor_optimizer.apply(improvements, actor.trainable_variables)
        return loss

    greedy = observations.policy(lambda seen: actor({OBSERVATION: seen})[ACTION])

    def explore(steps: int) -> playing.Policy:
        return noisy(greedy, hparams["noise"]) if steps >= hparams["random_steps"] else playing.at_random

    return online.Agent(
        model=actor,
        variables=[
            variable
            for each in (actor, critic, target_actor, target_critic, actor_optimizer, critic_optimizer)
            for variable in each.variables
        ],
        policy=greedy,
        explore=explore,
        update=distributed(distribution, step, [(target_actor, actor), (target_critic, critic)], hparams["target_rate"]),
        replicas=distribution.num_replicas_in_sync,
    )


def targets(batch: Batch, values: tf.Tensor) -> tf.Tensor:
    """What the critic should have said, float32 [N].

    Args:
        batch: `reward` and `discount`, float32 [N].
        values: what the target critic says of the target actor's action in the next observation, [N].
    """
    return batch["reward"] + batch["discount"] * values


def noisy(policy: playing.Policy, noise: float) -> playing.Policy:
    """A policy with normal noise on its actions, of a standard deviation in shares of half of their range; they stay within that."""

    def act(environments: Environments, random: np.random.Generator) -> np.ndarray:
        low, high = environments.actions.low, environments.actions.high
        actions = policy(environments, random)
        return np.clip(actions + random.normal(0, noise, actions.shape) * (high - low) / 2, low, high).astype(np.float32)

    return act


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    agents.run(fn_args, build_model, make_agent)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Plays fresh episodes with the served model (called by the evaluator): see agents.evaluate."""
    return agents.evaluate(model, out_dir, config)
