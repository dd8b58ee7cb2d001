"""The pipeline of the spam filter: raw text to a pushed model.

darsena run sms_spam --data sample   2,000 generated messages
darsena run sms_spam --data full     SMS Spam Collection, 5,574 messages
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import BINARY, Gate, ModelConfig, RunConfig
from pipelines.common.datasets import word_vectors
from pipelines.common.datasets.sms import MESSAGES

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="sms_spam",
    learns="tells wanted text messages from spam, with pooled word embeddings",
    data=MESSAGES,
    reference="F1 of TF-IDF + linear SVM on the same split, less 0.01; precision 97%",
    label="label",
    hparams={
        "embedding_units": 64,
        "embeddings": "",
        "embeddings_sha256": "",
        "hidden_units": 64,
        "dropout": 0.3,
        "false_alarm_weight": 2.0,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "batch_size": 64,
        "epochs": 12,
    },
    gates=(
        # TF-IDF + linear SVM reaches 0.9184 on the same split (benchmarks/references.py); 0.01 less is let pass.
        Gate("F1Score", sample=0.85, full=0.9084, tolerance=0.02),
        Gate("Precision", sample=0.9, full=0.97, tolerance=0.02),
    ),
    metrics=("BinaryAccuracy", "AUC", "Recall", "BinaryCrossentropy"),
    slices=("label",),
    task=BINARY,
    class_names=("ham", "spam"),
    prepare=word_vectors.prepare,
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
