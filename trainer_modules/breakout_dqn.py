"""An agent that plays Breakout, with a network of the values of actions.

Deep Q-learning (V. Mnih et al., "Human-level control through deep reinforcement learning", 2015) with double Q-learning (H. van Hasselt
et al., 2016), returns over n steps, Huber's loss, and Breakout's screen and network as published: 84 by 84 grey pixels, each action
repeated for four frames, the last four of them seen, a lost life an end in training, rewards clipped to 1. The model starts with
recorded episodes of the agent that acts at random, and collects its own (trainer_modules/common/online.py).

    darsena run breakout_dqn                      its screen; a demonstration of about two minutes
    darsena run breakout_dqn --preset ram         its 128 bytes of memory, about ten minutes on two cores
    darsena run breakout_dqn --preset cartpole    CartPole-v1, about a minute and a half

Here: CartPole 500.0 over 100 fresh episodes; from the memory, 160,000 steps, 26 times the return at random over 30 fresh episodes (nine
minutes on two cores that had other work too). The demonstration is 6,000 steps and 1,500 updates, after which nothing but the machinery
is shown: its gate, a mean return of 0.5, says that whole episodes are played, and no more. Published agents took 50 million steps (200
million frames), one update every four, and a million remembered transitions. An update takes some 50 ms on two cores, which makes a
week of them. On a GPU, with 12 GB of memory for the transitions:

    darsena run breakout_dqn --set steps=10000000 --set round_steps=100000 --set replay=200000 --set epsilon_steps=1000000

That was not run here. Simplified: targets follow slowly, with each update (Lillicrap et al., 2016), where Mnih et al. copy them every
10,000; Adam, where they took RMSProp; no prioritised replay, no duelling or distributional network; the emulator repeats no actions by
chance. The first action of a screen's episode is FIRE, and in evaluation one action in 20 (of the memory's agent, in 100) is left to
chance, as published, which also serves the ball after a lost life.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import agents, findings, observations, online, playing, precision, training
from trainer_modules.common.environments import observation_spec
from trainer_modules.common.strategies import make_strategy
from trainer_modules.common.updates import Batch, distributed, follow

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

OBSERVATION = online.OBSERVATION
# Filters, size and stride of the convolutions (Mnih et al., 2015).
CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `observation` and `next_observation`, string [N] of raw bytes or float32 [N, numbers]; `action`, `terminated` and `step`,
            int64 [N]; `reward`, float32 [N]; `episode`, string [N].
        custom_config: its `hparams` have `observation`, shape and type.

    Returns:
        `observation` and `next_observation`, float32 [N, …]; `action`, `reward`, `terminated` and `episode` as they are.
    """
    return observations.transitions(inputs, custom_config["hparams"]["observation"])


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The network of values of actions.

    Args:
        hparams: `observation`, its shape and type; `actions`, how many there are; `hidden_units` of dense layers: one after the
            convolutions of a screen, two for anything else.

    Returns:
        A model from {`observation`: float32 [N, …]} to `q_values`, the discounted sums of rewards to come by action, float32
        [N, actions], and `action`, the best one, int64 [N].
    """
    shape, dtype = observation_spec(hparams["observation"])
    seen = keras.Input(shape, name=OBSERVATION)
    x = keras.layers.Rescaling(1 / 255)(seen) if dtype == np.uint8 else seen
    if len(shape) == 3:
        for filters, size, stride in CONVOLUTIONS:
            x = keras.layers.Conv2D(filters, size, stride, activation="relu")(x)
        x = keras.layers.Flatten()(x)
    else:
        x = keras.layers.Dense(hparams["hidden_units"], activation="relu")(x)
    x = keras.layers.Dense(hparams["hidden_units"], activation="relu")(x)
    values = keras.layers.Dense(hparams["actions"], dtype="float32", name="q_values")(x)
    return keras.Model({OBSERVATION: seen}, {"q_values": values, "action": Best(dtype="float32", name="action")(values)})


class Best(keras.layers.Layer):
    """Values of actions, [N, actions], to the number of the best, int64 [N]; TFLite lacks what keras.ops.argmax is made of."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return tf.argmax(values, axis=-1, output_type=tf.int64)

    def compute_output_spec(self, values: keras.KerasTensor) -> keras.KerasTensor:
        """See keras.layers.Layer."""
        return keras.KerasTensor(values.shape[:-1], "int64")


def targets(batch: Batch, values: tf.Tensor, target_values: tf.Tensor) -> tf.Tensor:
    """What the values of actions should have been, float32 [N], by double Q-learning (van Hasselt et al., 2016).

    Args:
        batch: `reward` and `discount`, float32 [N].
        values: of the network in the next observation, [N, actions]: they choose the action.
        target_values: of the target network, [N, actions]: they say what it is worth.
    """
    chosen = tf.gather(target_values, tf.argmax(values, axis=1), axis=1, batch_dims=1)
    return batch["reward"] + batch["discount"] * chosen


def huber(errors: tf.Tensor) -> tf.Tensor:
    """Half the square of errors within 1, and beyond that their distance less a half: no gradient is above 1."""
    size = tf.abs(errors)
    return tf.where(size <= 1, 0.5 * errors**2, size - 0.5)


def make_agent(build_model: training.BuildModel, hparams: training.Hparams, strategy: str) -> online.Agent:
    """The agent, its target network and its optimizer, in the scope of a strategy."""
    distribution = make_strategy(strategy)
    with distribution.scope():
        model, target = build_model(hparams), build_model(hparams)
        follow(target, model)
        optimizer = precision.optimizer(keras.optimizers.Adam(hparams["learning_rate"], epsilon=1e-5))
        optimizer.build(model.trainable_variables)

    def step(batch: Batch, size: int) -> tf.Tensor:
        following = {OBSERVATION: tf.cast(batch["next_observation"], tf.float32)}
        wanted = targets(batch, model(following)["q_values"], target(following)["q_values"])
        with tf.GradientTape() as tape:
            values = model({OBSERVATION: tf.cast(batch["observation"], tf.float32)}, training=True)["q_values"]
            found = tf.gather(values, batch["action"], axis=1, batch_dims=1)
            loss = tf.reduce_sum(huber(found - tf.stop_gradient(wanted))) / size
            minimised = optimizer.scale_loss(loss)
        gradients = tape.gradient(minimised, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    greedy = observations.policy(lambda seen: model({OBSERVATION: seen})["action"])

    def explore(steps: int) -> playing.Policy:
        return playing.sometimes_at_random(greedy, epsilon(steps, hparams))

    return online.Agent(
        model=model,
        variables=[*model.variables, *target.variables, *optimizer.variables],
        policy=playing.sometimes_at_random(greedy, hparams["evaluation_epsilon"]),
        explore=explore,
        update=distributed(distribution, step, [(target, model)], hparams["target_rate"]),
        replicas=distribution.num_replicas_in_sync,
    )


def epsilon(steps: int, hparams: training.Hparams) -> float:
    """The share of actions left to chance: from 1 in a straight line to `epsilon` in `epsilon_steps`."""
    done = min(1.0, steps / max(1, hparams["epsilon_steps"]))
    return float(1 + done * (hparams["epsilon"] - 1))


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    agents.run(fn_args, build_model, make_agent)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Plays fresh episodes with the served model (called by the evaluator): see agents.evaluate."""
    return agents.evaluate(model, out_dir, config)
