"""The pipeline of the digits regression: raw images to a pushed model.

darsena run mnist_softmax --data sample                 5,000 real digits, under a minute
darsena run mnist_softmax --data full                   MNIST with its official test set
darsena run mnist_softmax --data full --preset ftrl     ten steps of FTRL
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_softmax",
    learns="reads a handwritten digit with one softmax layer, a multinomial logistic regression (SGD; --preset ftrl)",
    data=DIGITS,
    reference="test accuracy 92.15% on MNIST",
    label="label",
    hparams={
        "optimizer": "sgd",
        "learning_rate": 1e-2,
        "l2": 0.0,
        "schedule": "constant",
        "batch_size": 128,
        "steps_per_epoch": 0,
        "epochs": 200,
    },
    gates=(Gate("SparseCategoricalAccuracy", sample=0.85, full=0.92, tolerance=0.005),),
    slices=("label",),
    class_names=tuple(str(digit) for digit in range(10)),
    presets={
        "ftrl": Preset(
            description="ten steps of the FTRL-proximal optimizer with batches of 100",
            hparams={"optimizer": "ftrl", "learning_rate": 0.05, "batch_size": 100, "steps_per_epoch": 10, "epochs": 1},
            reference="test accuracy 81.1% on MNIST after 10 steps of 100",
            gates=(Gate("SparseCategoricalAccuracy", sample=0.7, full=0.77, tolerance=0.02),),
        )
    },
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
