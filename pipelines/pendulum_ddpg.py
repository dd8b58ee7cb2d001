"""The pipeline of the pendulum's agent: recorded episodes to a pushed policy.

darsena run pendulum_ddpg                a minute and a half on two cores
darsena run pendulum_ddpg --data PATH    from episodes of your own
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, RunConfig
from pipelines.common.datasets.episodes import environment_data

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

ENVIRONMENT, OBSERVATION = "Pendulum-v1", "3 float32"

MODEL = ModelConfig(
    name="pendulum_ddpg",
    learns="swings a pendulum up and keeps it there, with torques of an actor that a critic teaches (DDPG)",
    data=environment_data("pendulum", ENVIRONMENT, OBSERVATION, episodes=40),
    reference="mean return of -200 over 100 fresh episodes",
    label="reward",
    task=OWN,
    hparams={
        "environment": ENVIRONMENT,
        "observation": OBSERVATION,
        "action_size": 1,
        "action_bound": 2.0,
        "hidden_units": 128,
        "environments": 4,
        "steps": 24_000,
        "round_steps": 2_000,
        "updates_per_step": 0.5,
        "batch_size": 128,
        "replay": 50_000,
        "n_step": 1,
        "discount": 0.98,
        "reward_clip": 0.0,
        "reward_scale": 0.1,
        "lives": False,
        "noise": 0.1,
        "random_steps": 0,
        "actor_learning_rate": 1e-3,
        "critic_learning_rate": 1e-3,
        "target_rate": 0.005,
        "episodes": 20,
        "confirming_episodes": 80,
        "stop_at": 0.0,
        "evaluation_episodes": 100,
        "evaluation_epsilon": 0.0,
    },
    gates=(Gate("MeanReturn", sample=-250, full=-250, tolerance=50),),
    transform_hparams=("observation",),
    # The best torque jumps from one bound to the other where the pendulum is upright, and 8 bits are too few to tell on which side it is.
    export_formats=("float32", "float16"),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
