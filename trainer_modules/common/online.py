"""Learning from an agent's own experience: collect, remember, update, play; the same for any algorithm with a replay buffer.

Training goes in rounds. In each, several environments are stepped together, what came of it is remembered as transitions over n steps,
and the agent is updated on transitions drawn at random. At its end the agent plays whole episodes with no exploration; the weights
that play best are the result, since an agent that has learned a task may lose it again. A candidate for the best plays further
episodes first, on fresh seeds, so that luck does not choose.

All that a round does depends on the state at its beginning, the seed and its number: environments begin anew, and chance too. So a
training that goes on from a checkpoint takes the very course of one that was never interrupted.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import checkpoints, playing, progress
from trainer_modules.common.environments import Environments, observation_spec
from trainer_modules.common.input_data import Rows
from trainer_modules.common.replay import Replay, Returns, Transition, Transitions

log = logging.getLogger(__name__)

OBSERVATION, ACTION, REWARD, NEXT, TERMINATED, EPISODE = "observation", "action", "reward", "next_observation", "terminated", "episode"
# Seeds of chance: one stream for each use.
COLLECTING, CHOOSING, CONFIRMING, EVALUATING, FILMING = range(1, 6)
LIVES = "lives"


@dataclasses.dataclass(frozen=True)
class Agent:
    """What an algorithm brings.

    Attributes:
        model: what plays, and is served.
        variables: all that updates change: weights, those of target networks, the optimizers' own.
        policy: how it plays.
        explore: from the number of steps so far to how it collects.
        update: learns from transitions, [batch, …] by name; gives the loss.
        replicas: over how many devices an update is distributed.
    """

    model: keras.Model
    variables: Sequence[Any]
    policy: playing.Policy
    explore: Callable[[int], playing.Policy]
    update: Callable[[Transitions], tf.Tensor]
    replicas: int


def train(agent: Agent, hparams: Mapping[str, Any], recorded: Rows, *, seed: int, checkpoint: Path | None = None) -> dict[str, Any]:
    """Trains an agent; its model has the best weights in the end.

    Args:
        agent: to train.
        hparams: `environment` and `observation` (environments.py); `environments`, how many are stepped together; `steps`, how many
            transitions are collected in all; `round_steps`, in each round; `updates_per_step`; `batch_size`; `replay`, how many are
            remembered; `n_step` and `discount`; `reward_clip` (rewards are brought into ± that; 0 for as they are); `reward_scale`;
            `lives`: whether a lost life ends what a transition knows of; `episodes`, played after each round, and
            `confirming_episodes`, played beyond those by a candidate for the best; `stop_at`, a mean return that is enough.
        recorded: transitions that are remembered from the start, episode by episode in order: features `observation`, `action`,
            `next_observation`, `terminated` and `episode`, and as labels the rewards.
        seed: of all chance.
        checkpoint: folder to keep the state of training in, and to go on from.

    Returns:
        The history, of rounds.

    Raises:
        FloatingPointError: a loss is not finite.
        RuntimeError: an environment failed.
    """
    environments = Environments(hparams["environment"], hparams["observation"], hparams["environments"])
    replay = remembered(recorded, environments, hparams)
    state, kept_at = State(agent.model.get_weights()), time.monotonic()
    kept = checkpoints.load(checkpoint)
    if kept:
        state.restore(*kept, agent, replay)
    try:
        while state.steps < hparams["steps"] and not state.enough(hparams):
            started = time.perf_counter()
            losses, returns = run_round(agent, environments, replay, hparams, state, seed)
            found = measure(agent, hparams, state, seed)
            state.end_round(losses, returns, found, time.perf_counter() - started)
            if time.monotonic() - kept_at >= checkpoints.SECONDS:
                checkpoints.save(checkpoint, *state.kept(agent, replay))
                kept_at = time.monotonic()
    finally:
        environments.close()
    agent.model.set_weights(state.best)
    learned = state.updates * hparams["batch_size"]
    history = progress.history(state.metrics, epochs=state.rounds, seconds=state.seconds, examples=learned, replicas=agent.replicas)
    return history | {"steps": state.steps, "updates": state.updates, "best_mean_return": state.best_return}


@dataclasses.dataclass
class State:
    """Where training is, but for the agent's variables and the replay buffer.

    Attributes:
        best: weights of the model that played best.
        best_return: its mean return.
        rounds, steps, updates, seconds: done so far.
        metrics: a value per round by name; None where there is none.
    """

    best: list[np.ndarray]
    best_return: float = -math.inf
    rounds: int = 0
    steps: int = 0
    updates: int = 0
    seconds: float = 0.0
    metrics: dict[str, list[float | None]] = dataclasses.field(
        default_factory=lambda: {"loss": [], "training_return": [], "mean_return": []}
    )

    def enough(self, hparams: Mapping[str, Any]) -> bool:
        """Whether the best agent plays as well as was asked for."""
        return self.best_return >= hparams["stop_at"]

    def end_round(self, losses: Sequence[float], returns: Sequence[float], found: float, seconds: float) -> None:
        """Notes what came of a round."""
        self.rounds += 1
        self.seconds += seconds
        # A round that no episode ended in has no return.
        collected = float(np.mean(returns)) if len(returns) else None
        loss = float(np.mean(losses))
        for name, value in (("loss", loss), ("training_return", collected), ("mean_return", found)):
            self.metrics[name].append(value)
        log.info("round %d, %d steps: loss %.4g, return %.4g (best %.4g)", self.rounds, self.steps, loss, found, self.best_return)

    def kept(self, agent: Agent, replay: Replay) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All that a training goes on from, as arrays and as values of JSON."""
        arrays = {f"best/{number}": values for number, values in enumerate(self.best)}
        arrays |= {f"replay/{name}": values for name, values in replay.arrays().items()}
        arrays |= checkpoints.values(agent.variables, "variable")
        names = ("best_return", "rounds", "steps", "updates", "seconds", "metrics")
        return arrays, {name: getattr(self, name) for name in names} | {"added": replay.added}

    def restore(self, arrays: Mapping[str, np.ndarray], place: Mapping[str, Any], agent: Agent, replay: Replay) -> None:
        """Takes back what `kept` gave."""
        self.best = [arrays[f"best/{number}"] for number in range(len(self.best))]
        replay.restore(
            {name.removeprefix("replay/"): values for name, values in arrays.items() if name.startswith("replay/")}, place["added"]
        )
        checkpoints.assign(agent.variables, "variable", arrays)
        for name, value in place.items():
            if name != "added":
                setattr(self, name, value)


def remembered(recorded: Rows, environments: Environments, hparams: Mapping[str, Any]) -> Replay:
    """A replay buffer with the transitions of recorded episodes."""
    _, dtype = observation_spec(hparams["observation"])
    columns = {name: recorded.features[name].numpy() for name in (OBSERVATION, ACTION, NEXT, TERMINATED, EPISODE)}
    rewards = shaped(recorded.labels.numpy(), hparams)
    action_type = environments.actions.dtype
    place = Returns(hparams["n_step"], hparams["discount"], 1)
    example = Transition(
        environments.observations[0], np.zeros(environments.actions.shape, action_type), 0.0, environments.observations[0], 0.0
    )
    replay = Replay(hparams["replay"], example)
    for row in range(recorded.count):
        last = row + 1 == recorded.count or columns[EPISODE][row] != columns[EPISODE][row + 1]
        terminated = bool(columns[TERMINATED][row])
        for transition in place.add(
            columns[OBSERVATION][row : row + 1].astype(dtype),
            columns[ACTION][row : row + 1].astype(action_type),
            rewards[row : row + 1],
            columns[NEXT][row : row + 1].astype(dtype),
            np.array([terminated]),
            np.array([last and not terminated]),
        ):
            replay.add(transition)
    return replay


def shaped(rewards: np.ndarray, hparams: Mapping[str, Any]) -> np.ndarray:
    """Rewards as they are learned from."""
    clip = hparams["reward_clip"]
    return (np.clip(rewards, -clip, clip) if clip else rewards) * np.float32(hparams["reward_scale"])


def run_round(
    agent: Agent, environments: Environments, replay: Replay, hparams: Mapping[str, Any], state: State, seed: int
) -> tuple[list[float], list[float]]:
    """Collects and updates for a round.

    Returns:
        Losses of the updates, and returns of the episodes that ended.
    """
    random = np.random.default_rng([seed, state.rounds, COLLECTING])
    environments.reset(fresh(seed, state.rounds, COLLECTING))
    place = Returns(hparams["n_step"], hparams["discount"], environments.count)
    losses, returns = [], []
    end = min(state.steps + hparams["round_steps"], hparams["steps"])
    while state.steps < end:
        seen = environments.observations
        actions = agent.explore(state.steps)(environments, random)
        step = environments.step(actions)
        state.steps += environments.count
        returns += step.returns[~np.isnan(step.returns)].tolist()
        terminated = step.terminated | (step.life_lost & hparams[LIVES])
        # What a round leaves unfinished is cut off.
        truncated = step.truncated | (state.steps >= end)
        for transition in place.add(seen, actions, shaped(step.rewards, hparams), step.reached, terminated, truncated & ~terminated):
            replay.add(transition)
        while state.updates < state.steps * hparams["updates_per_step"]:
            losses.append(agent.update(replay.sample(hparams["batch_size"], random)))
            state.updates += 1
    values = [float(loss) for loss in losses]
    wrong = next((number for number, value in enumerate(values, 1) if not math.isfinite(value)), None)
    if wrong is not None:
        raise FloatingPointError(
            f"expected finite losses, received {values[wrong - 1]} in update {wrong} of round {state.rounds + 1}. Nothing is kept of it: "
            "lower the learning rate, or look for rewards that are no numbers."
        )
    return values, returns


def measure(agent: Agent, hparams: Mapping[str, Any], state: State, seed: int) -> float:
    """The mean return of the agent after a round; its weights are kept if they are the best."""
    where = hparams["environment"], hparams["observation"], agent.policy
    returns = playing.play(*where, hparams["episodes"], fresh(seed, state.rounds, CHOOSING))
    found = float(returns.mean())
    if found > state.best_return and hparams["confirming_episodes"]:
        more = playing.play(*where, hparams["confirming_episodes"], fresh(seed, state.rounds, CONFIRMING))
        found = float(np.concatenate([returns, more]).mean())
    if found > state.best_return:
        state.best, state.best_return = agent.model.get_weights(), found
    return found


def fresh(seed: int, number: int, use: int) -> int:
    """A seed of a round that no other round, use or seed has, but by chance."""
    return int(np.random.SeedSequence([seed, number, use]).generate_state(1)[0] >> 2)
