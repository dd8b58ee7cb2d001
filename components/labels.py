"""The true answers of labelled examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def read_numbers(records: list[bytes], label: str) -> np.ndarray:
    """The label of each serialized tf.Example as a number, float64 [N].

    Raises:
        ValueError: an example has no such feature.
    """
    import tensorflow as tf

    values = []
    for record in records:
        feature = tf.train.Example.FromString(record).features.feature[label]
        found = [*feature.float_list.value, *feature.int64_list.value]
        if len(found) != 1:
            raise ValueError(f"expected examples with the feature {label!r} as one number, found {found or 'none'}.")
        values += found
    return np.array(values, np.float64)


def read_labels(records: list[bytes], label: str, class_names: Sequence[str]) -> np.ndarray:
    """The label of each serialized tf.Example as a class number, int64 [N].

    Raises:
        ValueError: an example has no such feature, or a name that is none of `class_names`.
    """
    import tensorflow as tf

    kind = tf.train.Example.FromString(records[0]).features.feature[label].WhichOneof("kind") if records else None
    if kind not in ("int64_list", "bytes_list"):
        raise ValueError(f"expected examples with the feature {label!r} as an integer or a class name, found {kind or 'none'}.")
    dtype = tf.int64 if kind == "int64_list" else tf.string
    values: np.ndarray = tf.io.parse_example(tf.constant(records), {label: tf.io.FixedLenFeature([], dtype)})[label].numpy()
    if kind == "int64_list":
        return values
    numbers = {text.encode(): number for number, text in enumerate(class_names)}
    unknown = sorted(set(values.tolist()) - set(numbers))
    if unknown:
        raise ValueError(f"expected {label!r} to be one of {list(class_names)}, received {unknown[0].decode(errors='replace')!r}.")
    return np.array([numbers[text] for text in values.tolist()], np.int64)
