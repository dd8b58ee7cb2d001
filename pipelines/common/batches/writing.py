"""Answers of parts to one file, in the order of the rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from pipelines.common.batches.reading import CSV, EXAMPLES, LINES, PARQUET, kind_of
from pipelines.common.downloads import OPENERS


def merge(parts: Sequence[Path], output: Path) -> int:
    """Writes the answers of parts into one file, in one step; returns how many there are.

    Args:
        parts: Parquet files, in order; one without answers has no columns.
        output: CSV, JSON lines, TFRecord or Parquet, by its name; lists are JSON in CSV.
    """
    staged = output.with_name(f".{output.name}.partial")
    kind = kind_of(output)
    writers: dict[str, Callable[[Iterator[pa.Table], Path, Path], int]] = {
        CSV: write_csv,
        LINES: write_lines,
        EXAMPLES: write_examples,
        PARQUET: write_parquet,
    }
    count = writers[kind]((table for part in parts if (table := pa.parquet.read_table(part)).num_columns), staged, output)
    staged.replace(output)
    return count


def write_csv(tables: Iterator[pa.Table], staged: Path, output: Path) -> int:
    """A header and a row for each answer."""
    count = 0
    with opened(staged, output, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in output.name.lower() else ",")
        for table in tables:
            if not count:
                writer.writerow(table.column_names)
            for row in rows(table):
                writer.writerow([json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value for value in row.values()])
            count += table.num_rows
    return count


def write_lines(tables: Iterator[pa.Table], staged: Path, output: Path) -> int:
    """A JSON object on each line."""
    count = 0
    with opened(staged, output, "wt", encoding="utf-8") as file:
        for table in tables:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(table))
            count += table.num_rows
    return count


def write_examples(tables: Iterator[pa.Table], staged: Path, output: Path) -> int:
    """A tf.Example for each answer; lists of lists are flat in it."""
    import tensorflow as tf

    count = 0
    with tf.io.TFRecordWriter(str(staged), "GZIP" if output.suffix.lower() == ".gz" else None) as writer:
        for table in tables:
            for row in rows(table):
                writer.write(example(row))
            count += table.num_rows
    return count


def write_parquet(tables: Iterator[pa.Table], staged: Path, output: Path) -> int:
    """A row group for each part."""
    count = 0
    writer: Any = None
    for table in tables:
        writer = writer or pa.parquet.ParquetWriter(staged, table.schema)
        writer.write_table(table)
        count += table.num_rows
    if writer:
        writer.close()
    else:
        pa.parquet.write_table(pa.table({}), staged)
    return count


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as Python values; a float32 as the double with its shortest decimals."""
    narrow = {field.name for field in table.schema if innermost(field.type) == pa.float32()}
    for row in table.to_pylist():
        yield {name: shortest(value) if name in narrow else value for name, value in row.items()}


def shortest(value: Any) -> Any:
    """0.1 rather than 0.10000000149 for a float32, in lists too."""
    import numpy as np

    if isinstance(value, list):
        return [shortest(each) for each in value]
    return value if value is None else float(str(np.float32(value)))


def innermost(kind: pa.DataType) -> pa.DataType:
    """The type in lists of lists."""
    while pa.types.is_list(kind):
        kind = kind.value_type
    return kind


def example(row: dict[str, Any]) -> bytes:
    """A serialized tf.Example."""
    import tensorflow as tf

    found = tf.train.Example()
    for name, value in row.items():
        values = flat(value)
        feature = found.features.feature[name]
        if any(isinstance(each, str) for each in values):
            feature.bytes_list.value.extend(each.encode() for each in values)
        elif any(isinstance(each, float) for each in values):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(map(int, values))
    serialized: bytes = found.SerializeToString(deterministic=True)
    return serialized


def flat(value: Any) -> list[Any]:
    """A value, or those of lists of lists, in a list."""
    return [each for inner in value for each in flat(inner)] if isinstance(value, list) else [value]


def opened(staged: Path, output: Path, mode: str, **options: Any) -> IO[str]:
    """A file to write text into, compressed as the output's name says."""
    found: IO[str] = OPENERS.get(output.suffix.lower(), open)(staged, mode, **options)
    return found
