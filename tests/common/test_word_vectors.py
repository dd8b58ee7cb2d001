"""Word vectors are found and checked before a run, and their content is part of what it is known by."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.common.config import Data
from pipelines.common.datasets.word_vectors import prepare
from pipelines.common.errors import UsageError

DATA = Data("path", Path("/texts"), "*.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocabulary.txt").write_text("good\nbad\n")
    np.save(tmp_path / "vectors.npy", np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32))
    return tmp_path


def hparams(folder: object, units: int = 3, sha256: str = "") -> dict:
    return {"embeddings": str(folder), "embeddings_sha256": sha256, "embedding_units": units, "epochs": 2}


def test_without_them_nothing_changes() -> None:
    assert prepare(hparams(""), DATA) == (hparams(""), DATA)


def test_other_vectors_in_the_same_folder_make_another_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    first, _ = prepare(hparams("."), DATA)
    assert first["embeddings"] == str(folder)
    assert prepare(first, DATA)[0] == first
    np.save(folder / "vectors.npy", np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]], np.float32))
    second, _ = prepare(hparams("."), DATA)
    (folder / "vocabulary.txt").write_text("good\nevil\n")
    third, _ = prepare(hparams("."), DATA)
    assert len({run["embeddings_sha256"] for run in (first, second, third)}) == 3
    with pytest.raises(UsageError, match=f"expected the word vectors in {folder} to have the sha256 {first['embeddings_sha256']}"):
        prepare(first, DATA)


def test_wrong_ones_are_told_before_the_run(folder: Path) -> None:
    with pytest.raises(
        UsageError, match=r"expected word vectors of embedding_units = 64 dimensions, received 3 .* --set embedding_units=3"
    ):
        prepare(hparams(folder, units=64), DATA)
    (folder / "vectors.npy").unlink()
    with pytest.raises(UsageError, match=r"expected word vectors in .*No such file"):
        prepare(hparams(folder), DATA)
