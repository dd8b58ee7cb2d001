"""The pipeline of the colour picture classifier: raw images to a pushed model.

darsena run cifar10_cnn --data sample   2,000 generated pictures, under two minutes
darsena run cifar10_cnn --data full     CIFAR-10 with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import Gate, ModelConfig, RunConfig
from pipelines.common.datasets.cifar10 import CIFAR10, CLASSES

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="cifar10_cnn",
    learns="names what a small colour picture shows with a deep convolutional network (batch norm, dropout, augmentation)",
    data=CIFAR10,
    reference="test accuracy 0.90 on the original pixels of CIFAR-10",
    label="label",
    hparams={
        "block": "plain",
        "stages": 3,
        "blocks": 1,
        "width": 32,
        "dropout": 0.1,
        "augmentation": 0.125,
        "learning_rate": 0.1,
        "weight_decay": 5e-3,
        "label_smoothing": 0.1,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 20,
    },
    gates=(Gate("SparseCategoricalAccuracy", sample=0.8, full=0.85, tolerance=0.005),),
    slices=("label",),
    class_names=CLASSES,
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
