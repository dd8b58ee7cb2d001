"""The pipeline of the digits' Boltzmann machine: raw images to a pushed model.

darsena run mnist_rbm --data sample   5,000 real digits
darsena run mnist_rbm --data full     MNIST with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_rbm",
    learns="learns what handwritten digits look like, as a restricted Boltzmann machine",
    data=DIGITS,
    reference="reconstruction error and free-energy gap of scikit-learn's BernoulliRBM on the same split",
    label="label",
    task=OWN,
    hparams={"hidden_units": 256, "k": 1, "learning_rate": 2e-3, "schedule": "cosine", "batch_size": 64, "epochs": 30},
    gates=(
        Gate("ReconstructionError", sample=0.02, full=0.006, higher_is_better=False, tolerance=0.002),
        Gate("FreeEnergyGap", sample=5.0, full=2.0, higher_is_better=False, tolerance=2.0),
    ),
    # 8 bits are too few for free energies, which are sums over all units.
    export_formats=("float32", "float16"),
    export_bounds={"float16_diff": 0.01},
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
