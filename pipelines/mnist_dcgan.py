"""The pipeline of the digits' generator: raw images to a pushed model.

darsena run mnist_dcgan --data sample   5,000 real digits
darsena run mnist_dcgan --data full     MNIST with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_dcgan",
    learns="makes handwritten digits out of noise, with a generator that learns from a discriminator (DCGAN)",
    data=DIGITS,
    reference="Fréchet distance in the features of a digit classifier, next to that of two halves of the real test split",
    label="label",
    task=OWN,
    hparams={
        "latent": 32,
        "filters": 32,
        "average": 0.99,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "batch_size": 32,
        "epochs": 15,
    },
    gates=(
        Gate("FrechetDistance", sample=5.0, full=1.2, higher_is_better=False, tolerance=0.5),
        Gate("SureShare", sample=0.5, full=0.6, tolerance=0.05),
        Gate("ClassCoverage", sample=0.85, full=0.9, tolerance=0.05),
    ),
    # Noise has no range that 8 bits could be scaled to, and each pixel adds up all of it.
    export_formats=("float32", "float16"),
    export_bounds={"float16_diff": 0.02},
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
