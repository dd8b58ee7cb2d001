"""A sample of rows, drawn alike from more than fit in memory; and Examples as the rows that a client would send."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.records import records
from pipelines.common.batches.reading import plain
from serving.errors import invalid
from serving.servable import Servable

BATCH = 1024
MOST_BYTES = 2**30  # of a tensor in a log: one value may stand for a tensor of any shape


class Sampler:
    """Keeps so many of the items that come, each with the same chance (J. Vitter, "Random sampling with a reservoir", 1985, algorithm R).

    Attributes:
        seen: how many came.
    """

    def __init__(self, most: int, seed: int) -> None:
        """
        Args:
            most: how many to keep.
            seed: of the chance.
        """
        self.seen = 0
        self._most = most
        self._chance = random.Random(seed)
        self._kept: list[Any] = []

    def add(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Takes rows, a value each by name."""
        for values in zip(*rows.values(), strict=True):
            self.item(dict(zip(rows, values, strict=True)))

    def item(self, item: Any) -> None:
        """Takes one item."""
        self.seen += 1
        if len(self._kept) < self._most:
            self._kept.append(item)
        elif (place := self._chance.randrange(self.seen)) < self._most:
            self._kept[place] = item

    def items(self) -> list[Any]:
        """What was kept."""
        return self._kept

    def columns(self) -> dict[str, list[Any]]:
        """The rows that were kept, as values by name."""
        return {name: [row[name] for row in self._kept] for name in (self._kept[0] if self._kept else ())}


def example_rows(files: Iterable[Path], servable: Servable, most: int, seed: int) -> dict[str, list[Any]]:
    """A sample of the Examples of TFRecord files, decoded by a served version: what a client would send of them.

    Args:
        files: the TFRecords, also packed (.gz).
        servable: has the signature `decode`.
        most: at most how many.
        seed: of the draw.

    Returns:
        A value per row by feature.

    Raises:
        OSError: a file cannot be read, or is damaged.
        RequestError: the version can't decode them.
    """
    sampler = Sampler(most, seed)
    for path in files:
        with plain(path) as file:
            for record in records(file):
                sampler.item(record)
    found: dict[str, list[Any]] = {}
    examples = sampler.items()
    for start in range(0, len(examples), BATCH):
        for name, values in decoded(servable, examples[start : start + BATCH]).items():
            found.setdefault(name, []).extend(values)
    return found


def decoded(servable: Servable, examples: Sequence[bytes]) -> dict[str, Sequence[Any]]:
    """Serialized tf.Examples as raw features, by the version's own graph.

    Raises:
        RequestError: they lack a feature, or the version has no signature for that.
    """
    return split(servable.predict("decode", {"examples": np.array(examples, object)}))


def split(arrays: Mapping[str, np.ndarray]) -> dict[str, Sequence[Any]]:
    """Arrays, batch first, as a value per row.

    Raises:
        RequestError: they have different numbers of rows.
    """
    sizes = {array.shape[0] if array.ndim else None for array in arrays.values()}
    if len(sizes) != 1 or None in sizes:
        raise invalid(f"expected inputs of as many rows, received {sorted(map(str, sizes))}")
    return {name: list(array) for name, array in arrays.items()}
