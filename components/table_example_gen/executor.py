"""Work of TableExampleGen: finds files of rows, and turns their rows into tf.Examples."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_beam_executor

from components.content_splits import Settings, raw_files, write_examples
from components.errors import DataRejected
from components.files import list_files
from components.splits import TEST, TRAIN
from components.table_example_gen.layout import Layout, Value
from components.table_example_gen.readers import read_rows, split_of, stem_and_suffix


@dataclasses.dataclass(frozen=True)
class TableSource:
    """The rows of a file: a content_splits.Source."""

    split: str
    path: Path
    layout: Layout


@dataclasses.dataclass(frozen=True)
class TableBlock:
    """Rows that were read: a content_splits.Block.

    Attributes:
        layout: of the rows.
        rows: values in the order of the layout's types.
    """

    layout: Layout
    rows: Sequence[tuple[Value, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, offset: int, step: int) -> "TableBlock":
        """See `Block.part`."""
        return TableBlock(self.layout, self.rows[offset::step])

    def digests(self) -> list[bytes]:
        """See `Block.digests`."""
        return [self.layout.digest(values) for values in self.rows]

    def serialize(self, rows: np.ndarray) -> Iterator[bytes]:
        """See `Block.serialize`."""
        for row in rows:
            example = tf.train.Example()
            for (name, kind), value in zip(self.layout.types, self.rows[row], strict=True):
                if value is None:
                    continue
                feature = example.features.feature[name]
                if isinstance(value, str):
                    feature.bytes_list.value.append(value.encode("utf-8", "surrogatepass"))
                elif kind == "INT":
                    feature.int64_list.value.append(value)
                else:
                    feature.float_list.value.append(value)
            yield example.SerializeToString(deterministic=True)


@functools.lru_cache(maxsize=8)
def read_table(source: TableSource) -> TableBlock:
    """Reads a file.

    Raises:
        DataRejected: it is not what it should be.
    """
    origin = {source.layout.origin: stem_and_suffix(source.path)[0]} if source.layout.origin else {}
    found = (source.layout.values({**cells, **origin}, where) for where, cells in read_rows(source.path, source.layout))
    return TableBlock(source.layout, [row for values in found for row in source.layout.cut(values)])


def find_tables(folder: Path, pattern: str, layout: Layout) -> list[TableSource]:
    """The files of rows.

    Args:
        folder: where they lie.
        pattern: glob, relative to the folder, of all of them.
        layout: their columns.

    Raises:
        DataRejected: there are none to train on.
    """
    sources = [TableSource(split_of(path), path, layout) for path in list_files(folder, pattern)]
    if not any(source.split == TRAIN for source in sources):
        names = ", ".join(source.path.name for source in sources if source.split == TEST)
        raise DataRejected(f"expected rows to train on in {folder}, received a test set only ({names}). Add those to train on.")
    return sources


class Executor(base_beam_executor.BaseBeamExecutor):
    """See TableExampleGen."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Reads the rows of `input_base`, and writes the splits of the Examples artifact.

        Raises:
            DataRejected: the raw data isn't what it should be, or too little to make three splits of.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = Settings.of(exec_properties)
        read_table.cache_clear()
        try:
            sources = find_tables(*raw_files(exec_properties), Layout.of(settings.reader))
            write_examples(self._make_beam_pipeline, sources, read_table, settings, output_dict, "rows")
        finally:
            read_table.cache_clear()
