"""The pipeline of the digits' principal components and clusters: raw images to a pushed model.

darsena run mnist_pca_kmeans --data sample   5,000 real digits
darsena run mnist_pca_kmeans --data full     MNIST with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="mnist_pca_kmeans",
    learns="finds the principal components of handwritten digits, and clusters of them by k-means",
    data=DIGITS,
    reference="explained variance and inertia of scikit-learn's PCA and KMeans on the same split",
    label="label",
    task=OWN,
    hparams={"components": 50, "clusters": 10, "starts": 10},
    # scikit-learn's inertia on the full data's test split is 30.15.
    gates=(
        Gate("ExplainedVariance", sample=0.815, full=0.825, tolerance=0.001),
        Gate("Inertia", sample=31.0, full=30.76, higher_is_better=False, tolerance=0.5),
    ),
    transform_hparams=("components",),
    # A digit as far from two centroids changes its cluster by the least rounding, which 16 and 8 bits have.
    export_formats=("float32",),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
