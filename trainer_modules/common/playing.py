"""Episodes: played for their returns, filmed, or recorded step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainer_modules.common.environments import Environments

# From what is seen to actions; the generator is there for agents that leave something to chance.
Policy = Callable[[Environments, np.random.Generator], np.ndarray]
MOST_AT_ONCE = 50


def at_random(environments: Environments, random: np.random.Generator) -> np.ndarray:
    """The policy of an agent that knows nothing."""
    return environments.random(random)


def sometimes_at_random(policy: Policy, share: float) -> Policy:
    """A policy, but for a share of actions that are left to chance."""

    def act(environments: Environments, random: np.random.Generator) -> np.ndarray:
        actions = policy(environments, random)
        if not share:
            return actions
        chance = random.random(environments.count) < share
        return np.where(chance.reshape(-1, *[1] * (actions.ndim - 1)), environments.random(random), actions).astype(actions.dtype)

    return act


def play(environment: str, observation: str, policy: Policy, episodes: int, seed: int) -> np.ndarray:
    """Plays whole episodes.

    Each of several environments plays as many as any other: to take the first ones that end would favour short ones.

    Args:
        environment, observation: see environments.py.
        policy: who plays.
        episodes: how many.
        seed: of the environments and of the policy.

    Returns:
        Their returns as Gymnasium counts them, float64 [episodes].
    """
    environments = Environments(environment, observation, min(episodes, MOST_AT_ONCE))
    quota = -(-episodes // environments.count)
    found: list[list[float]] = [[] for _ in range(environments.count)]
    try:
        environments.reset(seed)
        random = np.random.default_rng(seed)
        while any(len(returns) < quota for returns in found):
            step = environments.step(policy(environments, random))
            for row in np.flatnonzero(step.ended):
                found[row].append(float(step.returns[row]))
    finally:
        environments.close()
    return np.array([returns[number] for number in range(quota) for returns in found][:episodes])


def film(environment: str, observation: str, policy: Policy, seed: int, frames: int) -> tuple[list[np.ndarray], float]:
    """One episode as pictures.

    Args:
        environment, observation, policy, seed: as `play`.
        frames: at most so many, from its beginning.

    Returns:
        Pictures, uint8 [height, width, 3] each, one a step; and the sum of rewards up to the last.
    """
    environments = Environments(environment, observation, 1)
    pictures: list[np.ndarray] = []
    total = 0.0
    try:
        environments.reset(seed)
        random = np.random.default_rng(seed)
        while len(pictures) < frames:
            pictures.append(environments.picture())
            step = environments.step(policy(environments, random))
            total += float(step.rewards[0])
            if step.ended[0]:
                break
    finally:
        environments.close()
    return pictures, total


def record(environment: str, observation: str, policy: Policy, episodes: int, seed: int) -> dict[str, np.ndarray]:
    """Whole episodes step by step, one after the other.

    Args:
        environment, observation, policy, episodes, seed: as `play`.

    Returns:
        By name, [steps, …]: `observation` and `next_observation`, of the environment's type; `action`, int64 [steps] or float32
        [steps, numbers]; `reward`, float32; `terminated`, bool: whether the episode ended by itself with this step, rather than being
        cut off; `episode`, int64, the number of the episode.
    """
    names = ("observation", "action", "reward", "next_observation", "terminated")
    steps: list[tuple] = []
    numbers: list[int] = []
    environments = Environments(environment, observation, 1)
    try:
        environments.reset(seed)
        random = np.random.default_rng(seed)
        number = 0
        while number < episodes:
            seen, actions = environments.observations, policy(environments, random)
            step = environments.step(actions)
            steps.append((seen[0], actions[0], step.rewards[0], step.reached[0], step.terminated[0]))
            numbers.append(number)
            number += int(step.ended[0])
    finally:
        environments.close()
    columns = {name: np.stack(values) for name, values in zip(names, zip(*steps, strict=True), strict=True)}
    return columns | {"episode": np.array(numbers)}
