"""An agent as a model: trained and exported, and measured by what it gains in episodes that it never saw, against chance."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import endpoints, findings, observations, online, playing, training
from trainer_modules.common.environments import Environments, observation_spec
from trainer_modules.common.input_data import Rows
from trainer_modules.common.online import ACTION, EVALUATING, FILMING, OBSERVATION, fresh

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

# Makes an agent, in the scope of the strategy of that name.
MakeAgent = Callable[[training.BuildModel, training.Hparams, str], online.Agent]
ACT = "act"
ANIMATED, FILMED = 150, 750  # frames


def learn(
    make_agent: MakeAgent,
    build_model: training.BuildModel,
    hparams: training.Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "single",
    initialise: training.Initialise | None = None,
    folders: training.Folders = training.NOWHERE,
) -> tuple[keras.Model, training.History]:
    """Trains the agent that `make_agent` makes in its environment: for the rest a `training.Fit`, whose history is of rounds."""
    keras.utils.set_random_seed(seed)
    agent = make_agent(build_model, hparams, strategy)
    return agent.model, online.train(agent, hparams, train, seed=seed, checkpoint=folders.checkpoint)


def run(fn_args: FnArgs, build_model: training.BuildModel, make_agent: MakeAgent) -> None:
    """What the run_fn of an agent does: trains and exports, with all that the model answers as the signature `act`."""
    training.run(
        fn_args,
        build_model,
        online.REWARD,
        learn=functools.partial(learn, make_agent),
        dtypes=observations.dtypes(fn_args.custom_config["hparams"]["observation"]),
        endpoints=endpoints.parts({ACT: ()}),
    )


def evaluate(model: Path, out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """What an evaluate_fn of an agent does: plays, and leaves pictures of it for the report.

    Args:
        model: a SavedModel that answers `observation` with `action`.
        out_dir: for the section of the report.
        config: its `hparams` have `environment` and `observation` (see environments.py), `evaluation_episodes`, how many are played, and
            `evaluation_epsilon`, the share of actions left to chance; its `seed` is that of the run.

    Returns:
        `mean_return`, `random_return` of the agent that acts at random in as many episodes, and, where no return is below 0,
        `return_over_random`, by how many times the first is the second.
    """
    hparams, seed = config["hparams"], config["seed"]
    where = hparams["environment"], hparams["observation"]
    policy = playing.sometimes_at_random(served_policy(model, hparams["observation"]), hparams["evaluation_epsilon"])
    returns, chance = (
        playing.play(*where, each, hparams["evaluation_episodes"], fresh(seed, 0, EVALUATING)) for each in (policy, playing.at_random)
    )
    figures: findings.Figures = {"mean_return": findings.mean(returns), "random_return": findings.mean(chance)}
    if min(returns.min(), chance.min()) >= 0 and chance.mean() > 0:
        figures["return_over_random"] = float(returns.mean() / chance.mean())
    show(
        findings.Section(out_dir, "Episodes", "Played with the served model, on seeds that training did not have."),
        where,
        policy,
        seed,
        returns,
        chance,
    )
    return figures


def served_policy(model: Path, observation: str) -> playing.Policy:
    """The policy of a SavedModel.

    Args:
        model: the SavedModel.
        observation: shape and type of what it is to see, see environments.py.

    Raises:
        ValueError: it sees something else, as the agent of another environment does.
    """
    loaded, (shape, dtype) = tf.saved_model.load(str(model)), observation_spec(observation)
    answer = loaded.signatures[ACT]
    (seen,) = answer.structured_input_signature[1].values()
    if (tuple(seen.shape[1:]), seen.dtype.as_numpy_dtype) != (shape, dtype):
        found = f"{'x'.join(map(str, seen.shape[1:]))} {seen.dtype.name}"
        raise ValueError(
            f"expected an agent that sees {observation!r} in {model}, received one that sees {found!r}. Name its preset, or run it first."
        )

    def act(environments: Environments, _: np.random.Generator) -> np.ndarray:
        return np.asarray(answer(**{OBSERVATION: tf.constant(environments.observations)})[ACTION].numpy())

    return act


def show(
    section: findings.Section, where: tuple[str, str], policy: playing.Policy, seed: int, returns: np.ndarray, chance: np.ndarray
) -> None:
    """Fills a section: an episode at random and one of the agent, moving, and how returns are distributed."""
    frames, total = playing.film(*where, playing.at_random, fresh(seed, 0, FILMING), ANIMATED)
    section.animation("random", f"An episode at random: {total:g} in its first {len(frames)} steps", frames)
    frames, total = playing.film(*where, policy, fresh(seed, 0, FILMING), FILMED)
    section.animation("agent", f"An episode of the agent: its first {min(len(frames), ANIMATED)} steps", frames[:ANIMATED])
    section.video("video", f"The same episode: {total:g} in its first {len(frames)} steps", frames)
    section.figure("returns", "Returns of the agent's episodes and of those at random", histogram(returns, chance))
    section.write()


def histogram(returns: np.ndarray, chance: np.ndarray) -> Any:
    """Returns, [episodes] each, as a figure of matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    bins = np.histogram_bin_edges(np.concatenate([returns, chance]), bins=30).tolist()
    axes.hist(chance, bins, color="#9ca3af", label="at random", alpha=0.8)
    axes.hist(returns, bins, color="#2563eb", label="agent", alpha=0.8)
    axes.set_xlabel("return of an episode")
    axes.set_ylabel("episodes")
    axes.legend()
    return figure
