"""Word vectors that a text model's embedding starts from, found and checked before a run begins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.common.config import Data
from pipelines.common.errors import UsageError


def prepare(hparams: Mapping[str, Any], data: Data) -> tuple[dict[str, Any], Data]:
    """Completes the hyperparameter `embeddings`, a folder of word vectors (see trainer_modules/common/text.py) or "".

    Args:
        hparams: `embeddings`, `embeddings_sha256` ("" or what the content has to be), `embedding_units`.
        data: of the run, which stays as it is.

    Returns:
        The hyperparameters with the whole path, and the SHA-256 of words and vectors, so that a change of them trains again.

    Raises:
        UsageError: there are no word vectors, or others than expected.
    """
    if not hparams["embeddings"]:
        return dict(hparams), data
    from trainer_modules.common.text import read_vectors

    folder = Path(hparams["embeddings"]).expanduser().resolve()
    try:
        words, vectors = read_vectors(folder)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if vectors.shape[1] != hparams["embedding_units"]:
        raise UsageError(
            f"expected word vectors of embedding_units = {hparams['embedding_units']} dimensions, received {vectors.shape[1]} in {folder}. "
            f"Add --set embedding_units={vectors.shape[1]}."
        )
    sha256 = hashlib.sha256("\n".join(words).encode() + vectors.tobytes()).hexdigest()
    if hparams["embeddings_sha256"] not in ("", sha256):
        raise UsageError(f"expected the word vectors in {folder} to have the sha256 {hparams['embeddings_sha256']}, received {sha256}.")
    return {**hparams, "embeddings": str(folder), "embeddings_sha256": sha256}, data
