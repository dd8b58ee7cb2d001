"""The pipeline of word vectors: running text to a pushed model.

darsena run word2vec --data sample                300 news reports
darsena run word2vec --data full --preset large   the first 1.2 million words of text8
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.corpus import CORPUS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

LARGE = {"batch_size": 4096, "epochs": 5}


def gates(similarity: float) -> tuple[Gate, ...]:
    """Bounds, with that of the correlation on the full text.

    There gensim's vectors reach 0.41 to 0.43 on the same split, those of its CBOW 0.31 to 0.34 (benchmarks/references.py); 0.02 less is
    let pass. The sample is too small for judgements of single words: only that neighbours are alike.
    """
    return (
        Gate("Similarity", sample=-1.0, full=similarity, tolerance=0.05),
        Gate("NeighbourAuc", sample=0.55, full=0.57, tolerance=0.03),
    )


MODEL = ModelConfig(
    name="word2vec",
    learns="learns vectors of words from the words around them",
    data=CORPUS,
    reference="rank correlation with WordSim-353 of gensim's Word2Vec on the same text, less 0.02",
    label="",
    task=OWN,
    hparams={
        "skip_gram": True,
        "units": 100,
        "vocabulary_size": 20_000,
        "least_count": 5,
        "window": 5,
        "negatives": 5,
        "shared_negatives": 32,
        "sample": 1e-3,
        "learning_rate": 0.15,
        "batch_size": 512,
        "epochs": 30,
    },
    gates=gates(0.407),
    presets={
        "large": Preset(description="for a million words or more: larger blocks, fewer passes", hparams=LARGE),
        "cbow": Preset(
            description="the words around tell the word, otherwise as large", hparams={**LARGE, "skip_gram": False}, gates=gates(0.324)
        ),
    },
    transform_hparams=("vocabulary_size", "least_count"),
    # In 8 bits all vectors would share one step, which is too coarse for rare words.
    export_formats=("float32", "float16"),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
