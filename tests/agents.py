"""What tests of agents share: examples of an environment's transitions, tiny settings, and environments that go wrong."""

from pathlib import Path
from typing import Any

import gymnasium
import keras
import numpy as np
import tensorflow as tf
from gymnasium.envs.classic_control import CartPoleEnv

from components.episode_example_gen.executor import EpisodeSource, read_episodes
from pipelines.common.config import ModelConfig
from pipelines.common.datasets.episodes import write_span
from tests.contract import Case
from trainer_modules.common import agents, online, playing, training
from trainer_modules.common.input_data import Rows

TINY = {
    "environments": 2,
    "steps": 120,
    "round_steps": 40,
    "updates_per_step": 0.25,
    "batch_size": 8,
    "replay": 100,
    "hidden_units": 8,
    "episodes": 2,
    "confirming_episodes": 2,
    "evaluation_episodes": 4,
}


def recorded(model: ModelConfig, episodes: int = 2) -> dict[str, np.ndarray]:
    """Some episodes at random in a model's environment."""
    return playing.record(model.hparams["environment"], model.hparams["observation"], playing.at_random, episodes, seed=5)


def rows(steps: dict[str, np.ndarray]) -> Rows:
    """Recorded steps as the Trainer has them."""
    names = ("observation", "next_observation", "action", "terminated", "episode")
    return Rows({name: tf.constant(steps[name]) for name in names}, tf.constant(steps["reward"], tf.float32), len(steps["reward"]))


def case(module: Any, model: ModelConfig, folder: Path, most: int = 40) -> Case:
    """A case of the contract of an agent's examples as EpisodeExampleGen makes them."""
    steps = {name: values[:most] for name, values in recorded(model).items()}
    block = read_episodes(EpisodeSource(write_span(folder / "raw", steps)))
    known = {name: steps[name].astype(np.float32) for name in ("observation", "next_observation")}
    known |= {"action": steps["action"], "reward": steps["reward"], "terminated": steps["terminated"]}
    return Case(
        module=module,
        schema=model.schema_path.read_text(),
        examples=list(block.serialize(np.arange(len(block)))),
        transformed=known,
        hparams={**model.hparams, "hidden_units": 8},
        label="reward",
        complete=False,
        transform_hparams=model.transform_hparams,
    )


def learn(
    module: Any, hparams: dict, folder: Path | None = None, episodes: int = 2, environment: str = ""
) -> tuple[keras.Model, dict[str, Any]]:
    """What a trainer module's agent learns, beginning with some episodes at random, perhaps of another environment that is seen alike."""
    steps = playing.record(environment or hparams["environment"], hparams["observation"], playing.at_random, episodes, 0)
    found, folders = rows(steps), training.Folders(checkpoint=folder)
    return agents.learn(module.make_agent, module.build_model, hparams, found, found, seed=4, folders=folders)


def check_replicas(module: Any, hparams: dict, batch: dict[str, np.ndarray]) -> online.Agent:
    """Two replicas learn from a batch what one device learns; returns their agent."""
    found = []
    for strategy in ("single", "mirrored"):
        keras.utils.set_random_seed(3)
        agent = module.make_agent(module.build_model, hparams, strategy)
        losses = [float(agent.update(batch)) for _ in range(5)]
        found.append((losses, [np.asarray(variable) for variable in agent.variables], agent.replicas))
    assert [replicas for *_, replicas in found] == [1, 2]
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    for one, two in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    return agent


class Corridor(gymnasium.Env):
    """A place from 0 to 5: action 1 is a step on, 0 a step back; the end is reached with a reward of 1, and costs a life before.

    Args:
        fails: the step, counted in the process's life of this environment, in which it raises; 0 for never.
        reward: what the end is worth.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fails: int = 0, reward: float = 1.0):
        self.fails, self.reward, self.taken = fails, reward, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return self.seen(), {}

    def step(self, action):
        self.taken += 1
        if self.taken == self.fails:
            raise OSError("the track is blocked")
        self.place = max(0, self.place + (1 if action else -1))
        return self.seen(), self.reward if self.place == 5 else 0.0, self.place == 5, False, {}

    def seen(self):
        return np.array([self.place, 1], np.float32)


class SnappingPole(CartPoleEnv):
    """A pole on a cart that raises in its 50th step."""

    taken = 0

    def step(self, action):
        self.taken += 1
        if self.taken == 50:
            raise OSError("the pole has snapped")
        return super().step(action)


gymnasium.register("darsena/Snapped-v0", entry_point=SnappingPole, max_episode_steps=500, disable_env_checker=True)
for _name, _options in (("Corridor", {}), ("Blocked", {"fails": 7}), ("Mined", {"reward": float("nan")})):
    gymnasium.register(f"darsena/{_name}-v0", entry_point=Corridor, kwargs=_options, max_episode_steps=20, disable_env_checker=True)
CORRIDOR = {"observation": "2 float32", "actions": 2, "lives": False, "reward_clip": 0.0, "evaluation_epsilon": 0.0, "stop_at": 2.0}
