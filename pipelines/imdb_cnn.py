"""The pipeline of the review CNN: raw text to a pushed model.

darsena run imdb_cnn --data sample   2,000 generated reviews
darsena run imdb_cnn --data full     Large Movie Review Dataset with its official test set
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import BINARY, Gate, ModelConfig, RunConfig
from pipelines.common.datasets import word_vectors
from pipelines.common.datasets.reviews import REVIEWS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="imdb_cnn",
    learns="tells whether a film review is for or against, with a convolution over its last 200 words",
    data=REVIEWS,
    reference="test accuracy 88.4% on the Large Movie Review Dataset",
    label="label",
    hparams={
        "embedding_units": 256,
        "embeddings": "",
        "embeddings_sha256": "",
        "filters": 256,
        "kernel_size": 3,
        "hidden_units": 128,
        "dropout": 0.3,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 4,
    },
    gates=(Gate("BinaryAccuracy", sample=0.7, full=0.87, tolerance=0.005),),
    metrics=("AUC", "Precision", "Recall", "F1Score", "BinaryCrossentropy"),
    slices=("label",),
    task=BINARY,
    class_names=("negative", "positive"),
    prepare=word_vectors.prepare,
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
