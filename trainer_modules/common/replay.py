"""What an agent remembers: transitions over n steps, in a ring of arrays."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

Transitions = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Transition:
    """From an observation over one or more steps to another.

    Attributes:
        observation: [...].
        action: the first one.
        reward: the discounted sum over the steps.
        next_observation: [...].
        discount: of the value of what follows: the discount of one step to the power of the steps, or 0 if nothing does.
    """

    observation: np.ndarray
    action: np.ndarray
    reward: float
    next_observation: np.ndarray
    discount: float


class Returns:
    """Makes transitions over n steps of the steps of several environments, one after the other (Sutton, 1988).

    Where an episode ends there are fewer than n. If it terminated, nothing follows; if it was cut off, what would have is estimated.

    Args:
        steps: n.
        discount: of one step.
        count: of environments.
    """

    def __init__(self, steps: int, discount: float, count: int):
        self._steps, self._discount = steps, discount
        self._pending: list[collections.deque] = [collections.deque() for _ in range(count)]

    def add(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        reached: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
    ) -> Iterator[Transition]:
        """The transitions that one step of all environments, [N, …], completes."""
        for row, pending in enumerate(self._pending):
            pending.append((observations[row], actions[row], float(rewards[row])))
            follows = 0.0 if terminated[row] else 1.0
            ended = terminated[row] or truncated[row]
            while pending and (ended or len(pending) == self._steps):
                observation, action, _ = pending[0]
                reward = sum(self._discount**step * each[2] for step, each in enumerate(pending))
                yield Transition(observation, action, reward, reached[row], follows * self._discount ** len(pending))
                pending.popleft()


class Replay:
    """The last transitions, as many as there is room for.

    Args:
        capacity: how many.
        example: of the shapes and types.
    """

    def __init__(self, capacity: int, example: Transition):
        values = dataclasses.asdict(example)
        self._arrays = {
            name: np.zeros((capacity, *np.shape(value)), np.float32 if isinstance(value, float) else np.asarray(value).dtype)
            for name, value in values.items()
        }
        self.capacity, self.added = capacity, 0

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, transition: Transition) -> None:
        """Remembers one, in the place of the oldest if there is no more room."""
        place = self.added % self.capacity
        for name, array in self._arrays.items():
            array[place] = getattr(transition, name)
        self.added += 1

    def sample(self, size: int, random: np.random.Generator) -> Transitions:
        """Some of them, each as likely as any other, [size, …] by name."""
        rows = random.integers(0, len(self), size)
        return {name: array[rows] for name, array in self._arrays.items()}

    def arrays(self) -> Transitions:
        """All of them, to be kept."""
        return {name: array[: len(self)] for name, array in self._arrays.items()}

    def restore(self, arrays: Mapping[str, np.ndarray], added: int) -> None:
        """Takes back what `arrays` gave, of so many that were added."""
        for name, array in self._arrays.items():
            array[: len(arrays[name])] = arrays[name]
        self.added = added
