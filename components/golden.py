"""The golden examples of a model: raw examples and the in-memory model's answers to them, made before it was saved.

Whatever a model is turned into (a SavedModel in C++, TFLite) has to give these answers.
"""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.records import check_count, records

# How far the answers of a model in float32 may be from the golden ones: absolute, or relative to outputs larger than 1.
FLOAT32_DIFF = 1e-5


@dataclasses.dataclass(frozen=True)
class Golden:
    """Raw examples and what the model answers to them.

    Attributes:
        examples: serialized tf.Examples.
        outputs: the model's outputs by name, a row per example.
    """

    examples: list[bytes]
    outputs: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How close answers are to the golden ones.

    Attributes:
        max_abs_diff: the largest absolute difference of all numbers; NaN when there is a problem.
        relative_diff: the same relative to the largest golden number of each output, if that is above 1. It makes one bound fit
            probabilities and house prices.
        spread_diff: the same relative to the range of the golden numbers of each output.
        mean_diff: the mean instead of the largest, relative to that range, of the output where it is most.
        agreement: the share of examples with the same class (largest column), least of all outputs that have columns; else None.
        problem: one line when the answers can't be compared or are not finite, else empty.
    """

    max_abs_diff: float
    relative_diff: float
    spread_diff: float
    mean_diff: float
    agreement: float | None
    problem: str = ""


def read_records(folder_or_file: Path, limit: int = -1) -> list[bytes]:
    """Records of a TFRecord file or of a folder of them (names ending in .gz are decompressed), in the order of the files' names.

    Args:
        folder_or_file: what to read.
        limit: at most how many records; -1 for all.

    Raises:
        FileNotFoundError: there is no such file, or no file in the folder.
        OSError: a record is damaged.
    """
    files = sorted(path for path in folder_or_file.iterdir() if path.is_file()) if folder_or_file.is_dir() else [folder_or_file]
    if not files or not files[0].exists():
        raise FileNotFoundError(f"expected TFRecord files in {folder_or_file}, found none: re-run the component that writes them.")
    found: list[bytes] = []
    for path in files:
        try:
            if path.suffix == ".gz" and not path.stat().st_size:  # which gzip takes for nothing, packed
                raise EOFError("an empty file")
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                read = list(itertools.islice(records(file), None if limit < 0 else limit - len(found)))
            if limit < 0:
                check_count(path.name, len(read))
            found += read
        except (OSError, EOFError, zlib.error) as error:
            raise OSError(f"expected whole records in {path}, received: {error}. Run again with --no-cache.") from error
    return found


def read_golden(model_run: Path) -> Golden:
    """Reads `golden/` of a ModelRun artifact.

    Args:
        model_run: the artifact's folder.

    Raises:
        ValueError: there are no examples, or not as many answers as examples.
    """
    folder = model_run / "golden"
    examples = read_records(folder / "examples.tfrecord")
    with np.load(folder / "outputs.npz", allow_pickle=False) as stored:
        outputs = {name: stored[name] for name in stored.files}
    if not examples or not outputs or any(len(rows) != len(examples) for rows in outputs.values()):
        counts = {name: len(rows) for name, rows in outputs.items()}
        raise ValueError(f"expected golden answers to {len(examples)} (at least one) examples in {folder}, found {counts}: train again.")
    return Golden(examples, outputs)


def compare(golden: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray]) -> Comparison:
    """How close `answers` are to `golden`; both are numbers by output name, a row per example."""
    problem = _problem(golden, answers)
    if problem:
        return Comparison(np.nan, np.nan, np.nan, np.nan, None, problem)
    largest, relative, of_spread, mean, agreements = 0.0, 0.0, 0.0, 0.0, []
    for name, expected in golden.items():
        expected, answer = np.asarray(expected, np.float64), np.asarray(answers[name], np.float64)
        differences, spread = np.abs(expected - answer), float(np.ptp(expected)) or 1.0
        difference = float(differences.max())
        largest = max(largest, difference)
        relative = max(relative, difference / max(1.0, float(np.abs(expected).max())))
        of_spread = max(of_spread, difference / spread)
        mean = max(mean, float(differences.mean()) / spread)
        if expected.ndim == 2 and expected.shape[1] > 1:
            agreements.append(float(np.mean(expected.argmax(1) == answer.argmax(1))))
    return Comparison(largest, relative, of_spread, mean, min(agreements, default=None))


def _problem(golden: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray]) -> str:
    if set(answers) != set(golden):
        return f"expected the outputs {sorted(golden)}, received {sorted(answers)}"
    for name, expected in golden.items():
        if answers[name].shape != expected.shape:
            return f"expected {name!r} of shape {expected.shape}, received {answers[name].shape}"
        for what, array in (("the trained model's", expected), ("its", answers[name])):
            if not np.isfinite(array).all():
                return f"{what} {name!r} has numbers that are not finite (NaN or infinity)"
    return ""
