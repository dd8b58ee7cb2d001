"""The pipeline of the sentence LSTM: raw text to a pushed model.

darsena run sentiment_bilstm --data sample   3,000 generated sentences
darsena run sentiment_bilstm --data full     UCI Sentiment Labelled Sentences
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import BINARY, Gate, ModelConfig, RunConfig
from pipelines.common.datasets import word_vectors
from pipelines.common.datasets.sentences import SENTENCES

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="sentiment_bilstm",
    learns="tells whether a sentence says something good or bad, with a bidirectional LSTM",
    data=SENTENCES,
    reference="TF-IDF + logistic regression on the same split, within 2 points",
    label="label",
    hparams={
        "embedding_units": 64,
        "embeddings": "",
        "embeddings_sha256": "",
        "lstm_units": 64,
        "hidden_units": 64,
        "word_dropout": 0.3,
        "embedding_dropout": 0.3,
        "dropout": 0.5,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "batch_size": 64,
        "epochs": 10,
    },
    # TF-IDF + logistic regression reaches 0.8067 on the same split (benchmarks/references.py); 2 points less are let pass.
    gates=(Gate("BinaryAccuracy", sample=0.75, full=0.7867, tolerance=0.02),),
    metrics=("AUC", "Precision", "Recall", "F1Score", "BinaryCrossentropy"),
    slices=("label", "origin"),
    task=BINARY,
    class_names=("negative", "positive"),
    prepare=word_vectors.prepare,
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
