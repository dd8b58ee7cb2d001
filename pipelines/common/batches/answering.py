"""Rows to a served version's answers, a part at a time; what is wrong with a row is told, and does not stop the others."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf

from components.errors import DataRejected
from components.names import feature_name
from pipelines.common.batches.reading import EXAMPLES, Bad, Part, Row, Source, rows_of
from pipelines.common.inputs import Input, batch
from pipelines.common.predictions import class_scores
from serving import operations

BATCH = 1024
RAW, OF_EXAMPLES = "raw", "serving_default"
KEY, CLASS, CLASS_PROBABILITY = "key", "class", "class_probability"


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        source: the rows.
        version: folder of the SavedModel.
        folder: for the parts' answers.
        key: column that names a row; empty for its number.
        class_names: of the model, in the order of its outputs.
        task: of the model.
    """

    source: Source
    version: Path
    folder: Path
    key: str = ""
    class_names: tuple[str, ...] = ()
    task: str = ""

    def answers_of(self, part: Part) -> Path:
        """The file with a part's answers."""
        return self.folder / f"part-{part.number:06d}.parquet"

    def bad_of(self, part: Part) -> Path:
        """The file with a part's rows that could not be answered."""
        return self.folder / f"part-{part.number:06d}.bad.jsonl"


class AnswerPart(beam.DoFn):
    """Answers a part, unless that was done before; gives the part."""

    def __init__(self, job: Job):
        self._job = job

    def setup(self) -> None:
        """Loads the model once for each worker."""
        self._root = operations.load(self._job.version)
        self._answer = self._root.signatures[OF_EXAMPLES if self._job.source.kind == EXAMPLES else RAW]
        specs = self._answer.structured_input_signature[1]
        self._inputs = [
            Input(name, "object" if spec.dtype == tf.string else spec.dtype.name, tuple(spec.shape[1:])) for name, spec in specs.items()
        ]

    def process(self, part: Part) -> Iterator[Part]:
        """Writes the part's answers and its bad rows, each file in one step."""
        job = self._job
        if not job.answers_of(part).is_file():
            tables, bad = [], list[dict[str, Any]]()
            for first, rows in batches(rows_of(job.source, part), part.first):
                keys, good, wrong = split(rows, first, job.key)
                bad += wrong
                if good:
                    answered, refused = self._answered(keys, good)
                    tables += answered
                    bad += refused
            bad.sort(key=lambda each: each["row"])
            write(job.bad_of(part), "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in bad).encode())
            staged = job.answers_of(part).with_suffix(f".{os.getpid()}")
            pa.parquet.write_table(pa.concat_tables(tables) if tables else pa.table({}), staged)
            staged.replace(job.answers_of(part))
        yield part

    def _answered(self, keys: Sequence[tuple[int, Any]], rows: Sequence[Row]) -> tuple[list[pa.Table], list[dict[str, Any]]]:
        """Answers in order, and the rows that the model, or its inputs, do not take: halves are tried until they are found."""
        try:
            outputs = self._answer(**self._arrays(rows))
        except (DataRejected, tf.errors.OpError) as error:
            if len(rows) == 1:
                message = error.message if isinstance(error, tf.errors.OpError) else str(error)
                number, key = keys[0]
                return [], [{"row": number, "key": key, "reason": " ".join(message.split())[:500]}]
            middle = len(rows) // 2
            halves = [self._answered(keys[:middle], rows[:middle]), self._answered(keys[middle:], rows[middle:])]
            return halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]
        return [self._table([key for _, key in keys], {name: value.numpy() for name, value in outputs.items()})], []

    def _arrays(self, rows: Sequence[Row]) -> dict[str, tf.Tensor]:
        """The model's inputs.

        Raises:
            DataRejected: a row lacks one, or has another type or shape.
        """
        if self._job.source.kind == EXAMPLES:
            return {"examples": tf.constant(list(rows))}
        named = [by_input(cast("dict[str, Any]", row), {wanted.name for wanted in self._inputs}) for row in rows]
        found = {}
        for wanted in self._inputs:
            if not all(wanted.name in row for row in named):
                raise DataRejected(f"expected a value for the input {wanted}, received none")
            values = [row[wanted.name] for row in named]
            array = batch(values, wanted, self._job.source.path)
            found[wanted.name] = tf.constant(array.tolist() if array.dtype == object else array)
        return found

    def _table(self, keys: Sequence[Any], outputs: Mapping[str, np.ndarray]) -> pa.Table:
        """Answers as columns: the key, the likeliest class and its probability if there are classes, and the outputs."""
        columns: dict[str, Any] = {KEY: pa.array(keys)}
        scores = class_scores(outputs, len(self._job.class_names), self._job.task)
        if scores is not None:
            best = scores.argmax(axis=1)
            columns[CLASS] = pa.array([self._job.class_names[place] for place in best])
            columns[CLASS_PROBABILITY] = pa.array(scores[np.arange(len(best)), best])
        for name, values in outputs.items():
            if values.ndim == 2 and values.shape[1] == 1:
                values = values[:, 0]
            if values.dtype == object:
                decoded = np.frompyfunc(lambda text: text.decode("utf-8", "replace"), 1, 1)(values)
                columns[name] = pa.array(decoded.tolist())
            else:
                columns[name] = pa.array(values) if values.ndim == 1 else pa.array(values.tolist(), nested(values))
        return pa.table(columns)


def batches(rows: Iterator[Row], first: int) -> Iterator[tuple[int, list[Row]]]:
    """Rows in batches, each with the number of its first."""
    found: list[Row] = []
    for row in rows:
        found.append(row)
        if len(found) == BATCH:
            yield first, found
            first, found = first + BATCH, []
    if found:
        yield first, found


def split(rows: Sequence[Row], first: int, key: str) -> tuple[list[tuple[int, Any]], list[Row], list[dict[str, Any]]]:
    """Numbers and keys of rows that can be read, these rows, and those that cannot."""
    keys, good, bad = list[tuple[int, Any]](), list[Row](), list[dict[str, Any]]()
    for number, row in enumerate(rows, first):
        if isinstance(row, Bad):
            bad.append({"row": number, "key": None if key else number, "reason": row.reason})
        elif key and (not isinstance(row, dict) or row.get(key) in (None, "")):
            bad.append({"row": number, "key": None, "reason": f"expected a key in {key}, received none"})
        else:
            keys.append((number, str(row[key]) if key and isinstance(row, dict) else number))
            good.append(row)
    return keys, good, bad


def by_input(row: dict[str, Any], inputs: Collection[str]) -> dict[str, Any]:
    """A row's values by the inputs that they are for: of their names, or of the plain forms of these, the first one's."""
    plain = {plain_name(name): value for name, value in reversed(row.items()) if name not in inputs}
    return plain | {name: value for name, value in row.items() if name in inputs}


plain_name = functools.cache(feature_name)  # every row has the same names


def nested(values: np.ndarray) -> pa.DataType:
    """The type of lists of as many dimensions as an array has beside the first."""
    found = pa.from_numpy_dtype(values.dtype)
    for _ in range(values.ndim - 1):
        found = pa.list_(found)
    return found


def write(path: Path, content: bytes) -> None:
    """Writes a file in one step."""
    staged = path.with_suffix(f".{os.getpid()}")
    staged.write_bytes(content)
    staged.replace(path)
