"""Skew that `darsena monitor` must find in logs of shifted requests, and must not find in logs of requests like the training data."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_serving.apis import predict_pb2

from pipelines.common.datasets import digits, housing, reviews, sms
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import load_model
from pipelines.common.monitoring.columns import Rows, columns, common_words
from pipelines.common.monitoring.distances import DRIFT, SKEW, distances
from pipelines.common.monitoring.monitor import LEAST_ROWS, read_schema, requests
from reliability.section import Row, Section
from serving.metrics import Metrics
from serving.request_log import Logging, RequestLog

TITLE = "Skew and drift of what clients send"
TEXT = """
For three models (rows of a table, texts, pictures) requests were drawn with a seed out of data like that which they learned from, or
shifted on purpose, logged as the server logs them (requests of 1 to 20 rows), read again and compared. So were spans of data, without
a log. Harm is a shift that is not found, or one that is found where there is none. Of fewer than 100 rows of requests nothing is said;
that is no harm.

The naive version is what TFDV's documentation shows: statistics of both sides as they are, the same thresholds, nothing for chance, and
no least number of rows. (It has the same measures of texts and pictures, of which TFDV itself would see none.)
"""
LEARNED = 1000
MOST = 1000  # rows of a log
TOO_FEW = 30, LEAST_ROWS - 1
SPAN = 400, MOST  # rows
VERSION = 1

Change = Callable[[Rows, np.random.Generator], Rows]


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, rows like those that it learned from, and what shifts them.

    Attributes:
        model: its name.
        rows: enough for what it learned from and for a log beside it.
        shifts: by what is said of them.
    """

    model: str
    rows: Rows
    shifts: dict[str, Change]


@dataclasses.dataclass(frozen=True)
class Version:
    """Stands for a served version, of which only the types of its inputs are asked: no model is needed to compare data."""

    model: str
    specs: dict[str, tf.TensorSpec]
    version: int = VERSION

    def input_specs(self, signature: str) -> dict[str, tf.TensorSpec]:
        """Those of `raw`."""
        return self.specs


def measure(full: bool, folder: Path) -> Section:
    """Every model and shift, 5 logs of each, or 50; and as many that are not shifted."""
    count = 50 if full else 5
    rows = []
    for case in (table(), texts(folder), pictures(folder)):
        model, schema = case.model, read_schema(load_model(case.model).schema_path)
        for shift, change in case.shifts.items():
            found, naive = Counter[str](), 0
            for seed in range(count):
                learned, asked = drawn(case, seed, (LEAST_ROWS, MOST), change)
                moved = found_in(learned, logged(case.model, asked, folder / f"{model}-{shift}-{seed}", seed), schema)
                found[", ".join(moved or ["nothing"])] += 1
                naive += bool(naive_finds(learned, asked, schema))
            most = found.most_common(1)[0][0]
            rows.append(Row(f"{model}: {shift}", count, found["nothing"], f"found in {naive} of {count}", f"most often in {most}"))
        rows += [*unshifted(case, schema, count, folder), *spans(case, schema, count)]
    return Section(TITLE, TEXT, rows)


def unshifted(case: Case, schema: schema_pb2.Schema, count: int, folder: Path) -> list[Row]:
    """Logs of requests like the training data: enough rows, and too few."""
    alarms, naive, refused, naive_small = 0, 0, 0, 0
    for seed in range(count):
        learned, asked = drawn(case, seed, (LEAST_ROWS, MOST), unchanged)
        alarms += bool(found_in(learned, logged(case.model, asked, folder / f"{case.model}-same-{seed}", seed), schema))
        naive += bool(naive_finds(learned, asked, schema))
        learned, asked = drawn(case, seed, TOO_FEW, unchanged)
        refused += found_in(learned, logged(case.model, asked, folder / f"{case.model}-few-{seed}", seed), schema) is None
        naive_small += bool(naive_finds(learned, asked, schema))
    few = f"not shifted, {TOO_FEW[0]} to {TOO_FEW[1]} rows"
    return [
        Row(f"{case.model}: not shifted, {LEAST_ROWS} to {MOST:,} rows", count, alarms, f"{naive} of {count} seemed shifted"),
        Row(f"{case.model}: {few}", count, count - refused, f"{naive_small} of {count} seemed shifted", f"{refused} refused"),
    ]


def spans(case: Case, schema: schema_pb2.Schema, count: int) -> list[Row]:
    """Data of another run, shifted in every way in turn, and not shifted."""
    changes = list(case.shifts.values())
    pairs = [drawn(case, seed, SPAN, changes[seed % len(changes)]) for seed in range(count)]
    missed = sum(not found_in(*pair, schema, DRIFT) for pair in pairs)
    alarms = sum(bool(found_in(*drawn(case, seed, SPAN, unchanged), schema, DRIFT)) for seed in range(count))
    return [Row(f"{case.model}: spans, shifted", count, missed), Row(f"{case.model}: spans, not shifted", count, alarms)]


def drawn(case: Case, seed: int, sizes: tuple[int, int], change: Change) -> tuple[Rows, Rows]:
    """Rows that the model learned from, and others, changed, that clients send."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(next(iter(case.rows.values()))))
    size = int(random.integers(sizes[0], sizes[1] + 1))
    learned, rest = order[:LEARNED], order[LEARNED:]
    return taken(case.rows, learned), taken(change(taken(case.rows, rest), random), np.arange(size))


def taken(rows: Rows, numbers: np.ndarray) -> Rows:
    """Some of the rows."""
    return {name: [values[number] for number in numbers if number < len(values)] for name, values in rows.items()}


def logged(model: str, rows: Rows, folder: Path, seed: int) -> Rows | None:
    """The rows as they are read from a log that was written of them; None where they are refused as too few."""
    arrays = {name: np.array(values, object if isinstance(values[0], bytes) else None) for name, values in rows.items()}
    log, random, start = RequestLog(Logging(folder, 1.0), Metrics()), np.random.default_rng(seed), 0
    while start < len(next(iter(arrays.values()))):
        end = start + int(random.integers(1, 21))
        inputs = {name: tf.make_tensor_proto(array[start:end]) for name, array in arrays.items()}
        log.note(model, VERSION, functools.partial(predict_pb2.PredictRequest, model_spec={"signature_name": "raw"}, inputs=inputs))
        start = end
    log.close()
    specs = {name: tf.TensorSpec([None, *array.shape[1:]], tf.as_dtype(array.dtype), name) for name, array in arrays.items()}
    try:
        return requests([folder], cast("Any", Version(model, specs))).rows
    except DarsenaError:
        return None


def found_in(learned: Rows, asked: Rows | None, schema: schema_pb2.Schema, kind: str = SKEW) -> list[str] | None:
    """The columns that `darsena monitor` calls moved; None where it says nothing."""
    if asked is None:
        return None
    common = common_words(learned, schema)
    before, now = (columns(rows, schema, common) for rows in (learned, asked))
    return [each.column for each in distances(before, now, schema, kind) if each.exceeded]


def naive_finds(learned: Rows, asked: Rows, schema: schema_pb2.Schema) -> list[str]:
    """The columns that TFDV alone calls skewed."""
    common = common_words(learned, schema)
    before, now = (columns(rows, schema, common) for rows in (learned, asked))
    features = {feature.name: feature for feature in schema.feature}
    plain = schema_pb2.Schema()
    for column in before:
        kind = schema_pb2.FLOAT if column.is_number else schema_pb2.BYTES
        plain.feature.add(name=column.name, type=kind, skew_comparator=features[column.feature].skew_comparator)
    statistics = [
        tfdv.generate_statistics_from_dataframe(pd.DataFrame({column.name: column.values for column in side})) for side in (before, now)
    ]
    return sorted(tfdv.validate_statistics(statistics[0], plain, serving_statistics=statistics[1]).anomaly_info)


def unchanged(rows: Rows, random: np.random.Generator) -> Rows:
    """The same."""
    return rows


def table() -> Case:
    """Districts: of the interior only; and of another price level."""
    found = housing.generated_rows(8000, 1)
    rows: Rows = {
        name: [row[place].encode() if name == "ocean_proximity" else np.float32(row[place] or "nan") for row in found]
        for place, name in enumerate(housing.COLUMNS)
        if name != "median_house_value"
    }

    def inland(rows: Rows, random: np.random.Generator) -> Rows:
        return taken(rows, np.flatnonzero([value == b"INLAND" for value in rows["ocean_proximity"]]))

    def richer(rows: Rows, random: np.random.Generator) -> Rows:
        return {**rows, "median_income": [np.float32(1.6) * value for value in rows["median_income"]]}

    return Case("house_prices", rows, {"districts of the interior only": inland, "incomes 1.6 times as high": richer})


def texts(folder: Path) -> Case:
    """Messages: film reviews in their place; and words of a language that the model does not know."""
    sms.write_sample(folder)
    reviews.write_sample(folder)
    messages = [line.split("\t", 1)[1].encode() for line in (folder / "messages.txt").read_text().splitlines()]
    films = [json.loads(line)["text"].encode() for line in (folder / "reviews.jsonl").read_text().splitlines()]
    letters = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"nopqrstuvwxyzabcdefghijklm")

    def of_films(rows: Rows, random: np.random.Generator) -> Rows:
        return {"text": [films[number] for number in random.permutation(len(films))]}

    def foreign(rows: Rows, random: np.random.Generator) -> Rows:
        return {"text": [text.lower().translate(letters) for text in rows["text"]]}

    return Case("sms_spam", {"text": messages}, {"film reviews": of_films, "words of another language": foreign})


def pictures(folder: Path) -> Case:
    """Digits: black on white; and dimmed."""
    digits.write_sample(folder)
    with np.load(folder / "digits.npz") as stored:
        images = list(stored["x"])

    def inverted(rows: Rows, random: np.random.Generator) -> Rows:
        return {"image": [255 - image for image in rows["image"]]}

    def dimmed(rows: Rows, random: np.random.Generator) -> Rows:
        return {"image": [image // 2 for image in rows["image"]]}

    return Case("mnist_mlp", {"image": images}, {"black on white": inverted, "half as bright": dimmed})
