"""How fast agents collect and learn, beside Gymnasium's environments stepped with random actions one at a time."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.machine import table
from pipelines.common.layout import load_model
from trainer_modules.common import online, playing
from trainer_modules.common.environments import Environments, make_one, observation_spec
from trainer_modules.common.input_data import Rows

ROWS = ("breakout_dqn", "breakout_dqn:ram", "breakout_dqn:cartpole", "pendulum_ddpg")
SECONDS = 1.0


def per_second(act: Callable[[], int], rounds: int) -> float:
    """How much of what `act` counts there is in a second: the median of some repeats, after one call that does not count."""
    act()
    found = []
    for _ in range(rounds):
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            done += act()
        found.append(done / (time.perf_counter() - started))
    return statistics.median(found)


def plain(environment: str, observation: str) -> Callable[[], int]:
    """One environment of Gymnasium, stepped with random actions; of Atari, its memory."""
    _, dtype = observation_spec(observation)
    found = make_one(environment, dtype)
    found.reset(seed=0)

    def act() -> int:
        for _ in range(100):
            _, _, terminated, truncated, _ = found.step(found.action_space.sample())
            if terminated or truncated:
                found.reset()
        return 100

    return act


def together(environments: Environments, policy: playing.Policy) -> Callable[[], int]:
    """Several environments, stepped by a policy."""
    random = np.random.default_rng(0)
    environments.reset(0)

    def act() -> int:
        for _ in range(10):
            environments.step(policy(environments, random))
        return 10 * environments.count

    return act


def measure(name: str, rounds: int) -> list[str]:
    """The cells of a row."""
    model_name, _, preset = name.partition(":")
    hparams = dict(load_model(model_name).with_preset(preset).hparams)
    module: Any = importlib.import_module(f"trainer_modules.{model_name}")
    keras.utils.set_random_seed(0)
    agent: online.Agent = module.make_agent(module.build_model, hparams, "default")
    where = hparams["environment"], hparams["observation"]
    environments = Environments(*where, hparams["environments"])
    steps = playing.record(*where, playing.at_random, 4, 0)
    names = (online.OBSERVATION, online.NEXT, online.ACTION, online.TERMINATED, online.EPISODE)
    rows = Rows({name: tf.constant(steps[name]) for name in names}, tf.constant(steps["reward"]), len(steps["reward"]))
    replay, random = online.remembered(rows, environments, {**hparams, "replay": rows.count}), np.random.default_rng(0)

    def update() -> int:
        float(agent.update(replay.sample(hparams["batch_size"], random)))
        return 1

    found = [plain(*where), together(environments, playing.at_random), together(environments, agent.policy), update]
    return [f"`{name}`", *(f"{per_second(act, rounds):,.0f}" for act in found), str(hparams["environments"]), str(hparams["batch_size"])]


def page(rounds: int) -> str:
    """The section of the page."""
    columns = ["model", "Gymnasium alone, steps/s", "together, steps/s", "by the network, steps/s", "updates/s", "environments", "batch"]
    text = (
        "## Agents\n\nSteps of one environment of Gymnasium and nothing else; of as many as training steps together, with random actions; "
        "the same with actions chosen by the network, in one call for all of them; and updates of the network, on batches of the replay "
        f"buffer. Each for {SECONDS:g} s at a time."
    )
    return f"{text}\n\n{table(columns, [measure(name, rounds) for name in ROWS])}"
