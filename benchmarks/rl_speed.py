"""How fast agents collect and learn, beside Gymnasium's environments stepped with random actions one at a time.

    python -m benchmarks.rl_speed [MODEL[:PRESET] …]

For each: steps of one environment and nothing else; of as many as training steps together, with random actions; the same chosen by the
network; and updates of the network, on batches of the replay buffer. Median of 5, each of about a second.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.common.layout import load_model
from trainer_modules.common import online, playing
from trainer_modules.common.environments import Environments, make_one, observation_spec
from trainer_modules.common.input_data import Rows

ROWS = ("breakout_dqn", "breakout_dqn:ram", "breakout_dqn:cartpole", "pendulum_ddpg")
REPEATS, SECONDS = 5, 1.0


def per_second(act: Callable[[], int]) -> float:
    """How much of what `act` counts there is in a second: the median of some repeats, after one call that does not count."""
    act()
    found = []
    for _ in range(REPEATS):
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


def measure(name: str) -> list[str]:
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
    return [f"`{name}`", *(f"{per_second(act):,.0f}" for act in found), str(hparams["environments"]), str(hparams["batch_size"])]


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="MODEL[:PRESET]", default=ROWS)
    columns = ("model", "Gymnasium alone, steps/s", "together, steps/s", "by the network, steps/s", "updates/s", "environments", "batch")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in parser.parse_args().names:
        print(f"| {' | '.join(measure(name))} |", flush=True)


if __name__ == "__main__":
    main()
