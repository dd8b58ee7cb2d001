"""The pipeline of the digits multilayer perceptron: raw images to a pushed model.

darsena run mnist_mlp --data sample   5,000 real digits, under a minute
darsena run mnist_mlp --data full     MNIST with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import Gate, ModelConfig, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_mlp",
    learns="reads a handwritten digit with a multilayer perceptron (128-128 ReLU, dropout)",
    data=DIGITS,
    reference="test accuracy 97.80% on MNIST; the best published for this size 98.40%",
    label="label",
    hparams={
        "hidden_layers": 2,
        "hidden_units": 128,
        "dropout": 0.3,
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "batch_size": 512,
        "epochs": 20,
    },
    gates=(Gate("SparseCategoricalAccuracy", sample=0.88, full=0.978, tolerance=0.005),),
    slices=("label",),
    class_names=tuple(str(digit) for digit in range(10)),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
