"""The pipeline of the agent with a network of values: recorded episodes to a pushed policy.

darsena run breakout_dqn                     Breakout from its screen: a demonstration of two minutes
darsena run breakout_dqn --preset cartpole   CartPole, solved
darsena run breakout_dqn --preset ram        Breakout from its memory
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.episodes import environment_data

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

BREAKOUT, SCREEN, MEMORY = "ALE/Breakout-v5", "84x84x4 uint8", "128 uint8"
CARTPOLE, STATE = "CartPole-v1", "4 float32"

CARTPOLE_HPARAMS = {
    "environment": CARTPOLE,
    "observation": STATE,
    "actions": 2,
    "hidden_units": 128,
    "environments": 8,
    "steps": 300_000,
    "round_steps": 4_000,
    "batch_size": 128,
    "replay": 50_000,
    "reward_clip": 0.0,
    "lives": False,
    "learning_rate": 5e-4,
    "target_rate": 0.005,
    "epsilon": 0.05,
    "epsilon_steps": 10_000,
    "episodes": 20,
    "confirming_episodes": 100,
    "stop_at": 500.0,
    "evaluation_episodes": 100,
    "evaluation_epsilon": 0.0,
}
MEMORY_HPARAMS = {
    "observation": MEMORY,
    "hidden_units": 256,
    "environments": 16,
    "steps": 160_000,
    "round_steps": 20_000,
    "batch_size": 128,
    "replay": 200_000,
    "learning_rate": 5e-4,
    "target_rate": 0.005,
    "epsilon": 0.02,
    "epsilon_steps": 80_000,
    "episodes": 5,
    "confirming_episodes": 15,
    "evaluation_epsilon": 0.01,
}

MODEL = ModelConfig(
    name="breakout_dqn",
    learns="plays Breakout from its screen with a network of the values of actions (DQN; presets `ram`, `cartpole`)",
    data=environment_data("breakout", BREAKOUT, SCREEN, episodes=24),
    reference="a rising return within a stated budget of frames, against 1.7 of an agent that acts at random",
    label="reward",
    task=OWN,
    hparams={
        "environment": BREAKOUT,
        "observation": SCREEN,
        "actions": 4,
        "hidden_units": 512,
        "environments": 8,
        "steps": 6_000,
        "round_steps": 3_000,
        "updates_per_step": 0.25,
        "batch_size": 32,
        "replay": 12_000,
        "n_step": 3,
        "discount": 0.99,
        "reward_clip": 1.0,
        "reward_scale": 1.0,
        "lives": True,
        "learning_rate": 2.5e-4,
        "target_rate": 0.005,
        "epsilon": 0.05,
        "epsilon_steps": 3_000,
        "episodes": 10,
        "confirming_episodes": 20,
        "stop_at": 400.0,
        "evaluation_episodes": 30,
        "evaluation_epsilon": 0.05,
    },
    gates=(Gate("MeanReturn", sample=0.5, full=0.5, tolerance=1.0),),
    presets={
        "cartpole": Preset(
            "CartPole-v1, to a mean return of 475 over 100 fresh episodes",
            CARTPOLE_HPARAMS,
            "mean return of 475 over 100 fresh episodes",
            (Gate("MeanReturn", sample=475, full=475, tolerance=25),),
            environment_data("cartpole", CARTPOLE, STATE, episodes=200),
            "cartpole",
        ),
        "ram": Preset(
            "Breakout from its 128 bytes of memory, to 8 times the return at random in ten minutes",
            MEMORY_HPARAMS,
            "8 times the mean return of an agent that acts at random",
            (Gate("ReturnOverRandom", sample=8, full=8, tolerance=5),),
            environment_data("breakout-ram", BREAKOUT, MEMORY, episodes=40),
            "ram",
        ),
    },
    transform_hparams=("observation",),
    # Where two actions are worth the same, the least rounding of 16 or 8 bits makes it the other one.
    export_formats=("float32",),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
