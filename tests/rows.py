"""tf.Examples of rows that a schema allows, made of nothing but it and the columns that a trainer module declares."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer_modules.common.tabular import Column, Date

WORDS = ("quay", "crane", "fog", "not", "late", "a", "calm", "sea", "and", "7", "ships!")
PARTS = {"y": "%Y", "m": "%m", "d": "%d"}


def examples(schema_text: str, columns: Sequence[Column], count: int, seed: int = 0) -> list[bytes]:
    """Serialized tf.Examples: numbers and categories from their domains, dates as their columns have them, else texts of some words.

    Args:
        schema_text: text proto of the schema.
        columns: of the trainer module.
        count: how many.
        seed: of their values.

    Returns:
        Examples in which every feature that may be missing is missing now and then; whole numbers (classes) come in turn.
    """
    rng = np.random.default_rng(seed)
    dates = {column.name: column.order for column in columns if isinstance(column, Date)}
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    rows: list[tf.train.Example] = [tf.train.Example() for _ in range(count)]
    for feature in schema.feature:
        missing = feature.presence.min_fraction < 1
        for number, row in enumerate(rows):
            # The first row is always whole, so that no feature is missing everywhere.
            if number and missing and rng.random() < 0.3:
                continue
            kind = row.features.feature[feature.name]
            if feature.type == schema_pb2.INT:
                span = feature.int_domain.max - feature.int_domain.min + 1
                kind.int64_list.value.append(feature.int_domain.min + number % span)
            elif feature.type == schema_pb2.FLOAT:
                domain = feature.float_domain
                kind.float_list.value.append(rng.uniform(domain.min, domain.max) if domain.max > domain.min else rng.normal())
            else:
                kind.bytes_list.value.append(text(feature, dates.get(feature.name, ""), rng).encode())
    return [row.SerializeToString() for row in rows]


def text(feature: schema_pb2.Feature, order: str, rng: np.random.Generator) -> str:
    """A date in that order of its parts, or a value of the feature's domain, or some words."""
    if order:
        day = np.datetime64("1990-01-01") + int(rng.integers(0, 15000))
        return day.item().strftime("-".join(PARTS[part] for part in order))
    if feature.string_domain.value:
        return str(rng.choice(list(feature.string_domain.value)))
    return " ".join(rng.choice(WORDS, rng.integers(1, 20)))
