"""The pipeline of the digits convolutional network: raw images to a pushed model.

darsena run mnist_lenet --data sample   5,000 real digits, under two minutes
darsena run mnist_lenet --data full     MNIST with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import Gate, ModelConfig, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_lenet",
    learns="reads a handwritten digit with convolutions and pooling in the style of LeNet-5",
    data=DIGITS,
    reference="test accuracy 99.2% on MNIST",
    label="label",
    hparams={
        "block": "conv",
        "stages": 2,
        "width": 16,
        "kernel": 5,
        "hidden_units": 128,
        "dropout": 0.3,
        "augmentation": 0.0,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 10,
    },
    gates=(Gate("SparseCategoricalAccuracy", sample=0.95, full=0.99, tolerance=0.003),),
    slices=("label",),
    class_names=tuple(str(digit) for digit in range(10)),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
