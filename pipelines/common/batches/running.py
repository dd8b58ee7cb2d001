"""A batch from its file of rows to its file of answers; what was answered before an interruption is kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.checksums import check_sums
from components.errors import DataRejected
from pipelines.common.batches.answering import AnswerPart, Job, write
from pipelines.common.batches.reading import Part, open_source, parts_of
from pipelines.common.batches.writing import merge
from pipelines.common.config import ModelConfig
from pipelines.common.fingerprint import fingerprint
from serving import operations

PLAN = "plan.json"


@dataclasses.dataclass(frozen=True)
class Answered:
    """What came of a batch.

    Attributes:
        output: the file of answers.
        answers: how many.
        bad: the file of rows without an answer, each with the reason; None if there are none.
        bad_rows: how many.
        parts: of the file of rows.
        kept: how many of these were answered before.
    """

    output: Path
    answers: int
    bad: Path | None
    bad_rows: int
    parts: int
    kept: int


def answer_file(model: ModelConfig, version: Path, rows: Path, output: Path, *, key: str, size: int, beam_args: Sequence[str]) -> Answered:
    """Answers a file of rows.

    Args:
        model: its classes turn probabilities into predictions.
        version: folder of the SavedModel.
        rows: CSV, JSON lines, TFRecord (of tf.Examples) or Parquet.
        output: of these kinds too.
        key: column that names a row in the output; empty for its number.
        size: rows of a part: what is lost at most by an interruption, and held in memory.
        beam_args: of the pipeline.

    Raises:
        ForeignModel: the version could do more than calculate.
        UsageError: a file is of another kind.
        DataRejected: the rows are not what SHA256SUMS beside them says, can't be told apart, or none of them can be answered.
    """
    delimiter = model.data.table.delimiter if model.data.table else ","
    check_sums(rows.parent, [rows])
    source = open_source(rows, delimiter)
    operations.checked(version)  # here, as Beam would try again what fails on its workers
    folder = output.absolute().with_name(f".{output.name}.parts")
    state = rows.stat()
    saved = (version / "saved_model.pb").stat()
    found = fingerprint(
        [str(rows.absolute()), state.st_size, state.st_mtime_ns, str(version.absolute()), saved.st_size, saved.st_mtime_ns, key, size]
    )
    parts = planned(folder, found) or plan(folder, found, parts_of(source, size))
    job = Job(source, version.absolute(), folder, key, tuple(model.class_names), model.task)
    todo = [part for part in parts if not job.answers_of(part).is_file()]
    if todo:
        with beam.Pipeline(options=PipelineOptions(list(beam_args))) as pipeline:
            _ = pipeline | beam.Create(todo) | beam.Reshuffle() | beam.ParDo(AnswerPart(job))
    bad = output.with_name(f"{output.name}.bad.jsonl")
    bad_rows = "".join(job.bad_of(part).read_text(encoding="utf-8") for part in parts)
    answers = sum(part.rows for part in parts) - bad_rows.count("\n")
    if not answers:
        shutil.rmtree(folder)
        first = json.loads(bad_rows.split("\n", 1)[0])
        raise DataRejected(f"expected rows in {rows} that {model.name} can answer, received none. Of row {first['row']}: {first['reason']}")
    merge([job.answers_of(part) for part in parts], output)
    if bad_rows:
        write(bad, bad_rows.encode())
    shutil.rmtree(folder)
    return Answered(output, answers, bad if bad_rows else None, bad_rows.count("\n"), len(parts), len(parts) - len(todo))


def planned(folder: Path, found: str) -> list[Part]:
    """The parts of the same batch that was begun before; none if there is none, and what another one left is removed."""
    try:
        before: dict[str, Any] = json.loads((folder / PLAN).read_text())
        if before["batch"] == found:
            return [Part(**part) for part in before["parts"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # of an interruption while it was written, or there is none
    shutil.rmtree(folder, ignore_errors=True)
    return []


def plan(folder: Path, found: str, parts: list[Part]) -> list[Part]:
    """Notes the parts, so that they need not be looked for again."""
    folder.mkdir(parents=True)
    write(folder / PLAN, json.dumps({"batch": found, "parts": [dataclasses.asdict(part) for part in parts]}).encode())
    return parts
