"""Environments of Gymnasium, several at once: what is seen of them, how they are stepped, and a picture of one.

How they are seen is one text, a shape and a type, which a trainer module's preprocessing and network read too:

    "84x84x4 uint8"   Atari's screen, prepared as by Mnih et al. (2015): grey, 84 by 84, the last four frames, each the maximum of the
                      last two of four that the action is repeated for; up to 30 idle frames, then FIRE, begin an episode
    "128 uint8"       Atari's memory, with the same repetition and beginning
    "4 float32"       the environment's own numbers

An environment ends an episode by itself (terminated: nothing follows) or is cut off (truncated: something would have followed).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from trainer_modules.common import drawings

ATARI = "ALE/"
FRAME_SKIP, IDLE_FRAMES = 4, 30


def observation_spec(observation: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an observation, from a text such as "84x84x4 uint8".

    Raises:
        ValueError: it is no such text.
    """
    sizes, _, dtype = observation.partition(" ")
    if dtype not in ("uint8", "float32") or not all(size.isdigit() for size in sizes.split("x")):
        raise ValueError(f'expected observation to be a shape and a type, as "84x84x4 uint8" or "4 float32", received {observation!r}.')
    return tuple(int(size) for size in sizes.split("x")), np.dtype(dtype)


@dataclasses.dataclass(frozen=True)
class Actions:
    """What an environment takes: the number of an action (int64 of no dimensions), or numbers (float32), both within bounds.

    Attributes:
        shape: of one action.
        dtype: of it.
        low, high: the least and the most, for each number.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    low: Any
    high: Any


@dataclasses.dataclass(frozen=True)
class Step:
    """What came of one step of N environments.

    Attributes:
        reached: what was seen after it, [N, …]; of an episode that ended, its last observation.
        rewards: float32 [N].
        terminated: bool [N], whether the episode ended by itself.
        truncated: bool [N], whether it was cut off.
        life_lost: bool [N], whether a life was, of games that have lives.
        returns: float64 [N], sums of rewards of whole episodes that ended; NaN where none did.
    """

    reached: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    life_lost: np.ndarray
    returns: np.ndarray

    @property
    def ended(self) -> np.ndarray:
        """bool [N], whether an episode did."""
        return self.terminated | self.truncated


class Environments:
    """Several environments of one kind, stepped together; one that ended an episode has begun the next one already.

    Args:
        environment: Gymnasium's name of it.
        observation: see above.
        count: how many.

    Attributes:
        observations: what is seen now, [count, …].
        actions: what they take.

    Raises:
        ValueError: there is no such environment, or it isn't seen so.
    """

    def __init__(self, environment: str, observation: str, count: int):
        self.name, self.observation = environment, observation
        self._shape, self._dtype = observation_spec(observation)
        try:
            self._environments = make(environment, self._shape, self._dtype, count)
        except gymnasium.error.Error as error:
            raise ValueError(f"expected the name of an environment of Gymnasium, received {environment!r}: {error}") from error
        space = self._environments.single_observation_space
        shape = tuple(space.shape or ())
        seen = (*shape[1:], shape[0]) if self._screen else shape
        if (seen, space.dtype) != (self._shape, self._dtype):
            self.close()
            expected = f"{'x'.join(map(str, seen))} {space.dtype}"
            raise ValueError(f"expected the observation of {environment} to be {expected!r}, received {observation!r}.")
        actions = self._environments.single_action_space
        if isinstance(actions, gymnasium.spaces.Discrete):
            self.actions = Actions((), np.dtype(np.int64), 0, int(actions.n) - 1)
        elif isinstance(actions, gymnasium.spaces.Box) and np.isfinite([actions.low, actions.high]).all():
            self.actions = Actions(actions.shape, np.dtype(np.float32), actions.low, actions.high)
        else:
            self.close()
            raise ValueError(f"expected {environment} to take a number of an action or bounded numbers, it takes {actions}. Wrap it.")
        self.observations = np.zeros((count, *self._shape), self._dtype)
        self._lives = np.zeros(count, int)
        self._steps = 0

    @property
    def _screen(self) -> bool:
        return len(self._shape) == 3

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.observations)

    def reset(self, seed: int) -> None:
        """Begins an episode in each; all that happens from here on depends on the seed and the actions alone."""
        seen, infos = self._environments.reset(seed=seed)
        self.observations, self._lives = self._seen(seen), self._lives_of(infos)

    def step(self, actions: np.ndarray) -> Step:
        """One action in each, int64 [N] or float32 [N, …].

        Raises:
            RuntimeError: an environment failed.
        """
        self._steps += 1
        try:
            seen, rewards, terminated, truncated, infos = self._environments.step(actions)
        except Exception as error:  # whatever an environment raises
            raise RuntimeError(
                f"expected {self.name} to take step {self._steps} (actions {np.asarray(actions).tolist()}), received "
                f"{type(error).__name__}: {error}. The environment is at fault, not the model: repair it, or take another --seed."
            ) from error
        self.observations = self._seen(seen)
        reached, ended = self.observations, terminated | truncated
        if ended.any():
            reached = reached.copy()
            reached[ended] = self._seen(np.stack([infos["final_obs"][row] for row in np.flatnonzero(ended)]))
        lives = self._lives_of(infos)
        lost, self._lives = (lives < self._lives) & ~ended, lives
        returns = np.where(ended, infos["episode"]["r"], np.nan) if ended.any() else np.full(self.count, np.nan)
        return Step(reached, np.asarray(rewards, np.float32), terminated, truncated, lost, returns)

    def random(self, random: np.random.Generator) -> np.ndarray:
        """Actions of an agent that knows nothing: each as likely as any other."""
        shape = (self.count, *self.actions.shape)
        if self.actions.dtype.kind == "i":
            return random.integers(self.actions.low, self.actions.high, shape, endpoint=True)
        return random.uniform(self.actions.low, self.actions.high, shape).astype(np.float32)

    def picture(self) -> np.ndarray:
        """The first one as a picture, uint8 [height, width, 3]; of a screen, what the agent sees of it."""
        if self._screen:
            return drawings.enlarged(self.observations[0, ..., -1])
        if self._dtype == np.uint8:
            return np.asarray((self._environments.render() or ())[0], np.uint8)
        return drawings.drawn(self.name, self.observations[0])

    def close(self) -> None:
        """Lets go of them."""
        self._environments.close()

    def _seen(self, seen: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(seen, 1, -1)) if self._screen else np.array(seen, self._dtype)

    def _lives_of(self, infos: dict[str, Any]) -> np.ndarray:
        return np.array(infos.get("lives", np.zeros(self.count)), int)


def make(environment: str, shape: tuple[int, ...], dtype: np.dtype, count: int) -> VectorEnv:
    """Environments that begin their next episode in the step that ends one, with Gymnasium's own statistics of episodes."""
    if environment.startswith(ATARI) and len(shape) == 3:
        import ale_py
        from ale_py.vector_env import AtariVectorEnv

        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        game = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in environment.removeprefix(ATARI).partition("-")[0])
        # Threads of its own are on all cores; two are enough for the few that are stepped here.
        found: VectorEnv = AtariVectorEnv(
            game.lstrip("_"),
            count,
            num_threads=min(2, count),
            autoreset_mode=AutoresetMode.SAME_STEP,
            img_height=shape[0],
            img_width=shape[1],
            stack_num=shape[2],
            frameskip=FRAME_SKIP,
            noop_max=IDLE_FRAMES,
            reward_clipping=False,
        )
    else:
        makers = [functools.partial(make_one, environment, dtype)] * count
        found = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    return RecordEpisodeStatistics(found)


def make_one(environment: str, dtype: np.dtype) -> gymnasium.Env:
    """One environment of numbers; of Atari, its memory."""
    if not environment.startswith(ATARI):
        return gymnasium.make(environment)
    import ale_py

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    options: dict[str, Any] = {"obs_type": "ram", "frameskip": FRAME_SKIP, "repeat_action_probability": 0.0, "render_mode": "rgb_array"}
    return Beginning(gymnasium.make(environment, disable_env_checker=True, **options))


class Beginning(gymnasium.Wrapper):
    """Begins an episode of Atari with some idle steps, as many as chance will have it, and FIRE, which many games wait for."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env.reset."""
        seen, info = self.env.reset(seed=seed, options=options)
        fire = [1] if self.unwrapped.get_action_meanings()[1] == "FIRE" else []  # type: ignore[attr-defined]
        for action in [0] * int(self.np_random.integers(0, IDLE_FRAMES // FRAME_SKIP + 1)) + fire:
            seen, _, _, _, info = self.env.step(action)
        return seen, info
