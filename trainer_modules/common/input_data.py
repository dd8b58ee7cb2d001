"""From the Examples of a split to tensors in memory, and from those to shuffled batches.

Parsing and transforming each example once, and shuffling only row numbers, feeds a small model about twice as fast as a
tf.data pipeline over TFRecord files does, and faster than `fit` on arrays (docs/benchmarks.md). A split must fit in memory.
"""

import dataclasses
import gzip
import math
import re
import zlib
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tensorflow_transform as tft

# Of examples that are parsed and transformed at once: at most so many, and so many bytes of transformed features.
PARSE_ROWS, PARSE_BYTES = 4096, 64 << 20
CHECK_ROWS = 256  # records that are looked at at once, to see that they are whole
COUNT = re.compile(r"-of-\d{5}-(\d+)$")  # in the name of a shard: how many records it has, as components/records.py writes it
RECORD_BYTES = 16  # of a record of a TFRecord file around its content: length and checksums
# Of an evaluation's batch: at most so many rows, and so many bytes of inputs (whose activations take tens of times as much).
EVALUATION_ROWS, EVALUATION_BYTES = 2048, 8 << 20


@dataclasses.dataclass(frozen=True)
class Rows:
    """A split in memory.

    Attributes:
        features: transformed features by name, each [rows, ...].
        labels: [rows].
        count: number of rows.
    """

    features: dict[str, tf.Tensor]
    labels: tf.Tensor
    count: int


def read_examples(patterns: Sequence[str], limit: int | None = None) -> tf.data.Dataset:
    """Serialized tf.Examples of the TFRecord files that match.

    Args:
        patterns: globs of files, gzip-compressed where their name ends in .gz.
        limit: at most how many examples, from the start.

    Returns:
        A dataset of scalar strings, in the order of the sorted file names.

    Raises:
        FileNotFoundError: no file matches.
        OSError: a record is damaged. All are read once to find out here, as a dataset would not tell the file later.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    if not files:
        raise FileNotFoundError(
            f"expected TFRecord files at {', '.join(patterns)}, found none: the split is empty or its artifact is gone."
        )
    compression = "GZIP" if files[0].endswith(".gz") else None
    for file in files:
        check_records(file, compression, limit)
    dataset = tf.data.TFRecordDataset(files, compression_type=compression)
    return dataset if limit is None else dataset.take(limit)


def check_records(file: str, compression: str | None, limit: int | None) -> None:
    """Reads the records of a TFRecord file once. TensorFlow takes one that is cut in the head of a record, or packed, for a shorter one.

    Args:
        file: name of it.
        compression: "GZIP", or None.
        limit: how many records are wanted; None for all.

    Raises:
        OSError: one is damaged, or the file is cut short.
    """
    advice = "Run again with --no-cache."
    records = tf.data.TFRecordDataset(file, compression_type=compression).take(-1 if limit is None else limit)
    count = received = 0
    try:
        for batch in records.batch(CHECK_ROWS):
            count += len(batch)
            received += int(tf.reduce_sum(tf.strings.length(batch))) + RECORD_BYTES * len(batch)
        expected = received if limit is not None else plain_size(file)
    except (tf.errors.DataLossError, EOFError, zlib.error) as error:
        said = str(error).rpartition("}} ")[2].partition(" [Op:")[0]  # without TensorFlow's own names
        raise OSError(f"expected whole records in {file}, received: {said}. {advice}") from error
    if received != expected:
        raise OSError(f"expected {expected} bytes of records in {file}, received {received}: the last one is cut short. {advice}")
    named = COUNT.search(file)
    if limit is None and named and count != int(named[1]):
        raise OSError(f"expected {named[1]} records in {file}, as its name says, received {count}. {advice}")


def plain_size(file: str) -> int:
    """Bytes of a file, unpacked if its name ends in .gz."""
    size = int(tf.io.gfile.stat(file).length)
    if not file.endswith(".gz"):
        return size
    if not size:  # which gzip takes for nothing, packed
        raise EOFError("an empty file")
    with tf.io.gfile.GFile(file, "rb") as packed, gzip.open(packed) as plain:
        return sum(len(piece) for piece in iter(lambda: plain.read(1 << 20), b""))


def load_rows(patterns: Sequence[str], transform: tft.TFTransformOutput, label: str, dtypes: Mapping[str, str] | None = None) -> Rows:
    """Parses and transforms a whole split into memory.

    Args:
        patterns: globs of its TFRecord files.
        transform: the Transform component's output.
        label: name of the transformed label; empty for data without one, whose labels are 0.
        dtypes: types to keep transformed features in, by name, where these take less memory, as "uint8" for whole pixels: Transform
            knows float32, int64 and string only.

    Returns:
        The rows, in file order.
    """
    spec = transform.raw_feature_spec()
    layer = transform.transform_features_layer()

    def load(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        features = dict(layer(tf.io.parse_example(batch, spec)))
        return features | {name: tf.cast(features[name], dtype) for name, dtype in (dtypes or {}).items()}

    batches = list(read_examples(patterns).batch(parse_batch(transform)).map(load))
    columns = {name: tf.concat([batch[name] for batch in batches], axis=0) for name in batches[0]}
    count = len(next(iter(columns.values())))
    labels = tf.reshape(columns.pop(label), [-1]) if label else tf.zeros(count)
    return Rows(columns, labels, int(labels.shape[0]))


def parse_batch(transform: tft.TFTransformOutput) -> int:
    """How many examples are parsed and transformed at once."""
    shapes = [feature.shape for feature in transform.transformed_feature_spec().values() if isinstance(feature, tf.io.FixedLenFeature)]
    row_bytes = 4 * sum(math.prod(shape) for shape in shapes)
    return max(1, min(PARSE_ROWS, PARSE_BYTES // max(1, row_bytes)))


def shuffled_batches(rows: Rows, batch_size: int, seed: int, epochs: int, most_steps: int = 0, first: int = 0) -> tf.data.Dataset:
    """Batches of all epochs, each epoch in an order of its own that only the seed and its number decide.

    The rows of an epoch that do not fill a batch are dropped (others each time), so that every batch has one size: compiled
    steps are traced once, and replicas of a distribution strategy get equal shares.

    Args:
        rows: what to draw from.
        batch_size: rows of a batch, over all replicas; a smaller split is one batch.
        seed: of the orders.
        epochs: how many.
        most_steps: at most how many batches an epoch has; 0 for no bound.
        first: number of the epoch to begin with.

    Returns:
        A dataset of `(epochs - first) * steps_per_epoch(rows, batch_size, most_steps)` batches of (features, labels).
    """
    size, steps = min(batch_size, rows.count), steps_per_epoch(rows, batch_size, most_steps)

    def indices(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(rows.count), tf.stack([tf.constant(seed, tf.int64), epoch]))
        return tf.data.Dataset.from_tensor_slices(tf.reshape(order[: steps * size], [steps, size]))

    batches = tf.data.Dataset.range(first, epochs).flat_map(indices).map(lambda index: gather(rows, index))
    return batches.apply(tf.data.experimental.assert_cardinality((epochs - first) * steps)).prefetch(4)


def steps_per_epoch(rows: Rows, batch_size: int, most_steps: int = 0) -> int:
    """How many whole batches an epoch has; at most `most_steps`, unless that is 0."""
    steps = rows.count // min(batch_size, rows.count)
    return min(steps, most_steps) if most_steps else steps


def evaluation_batches(rows: Rows, replicas: int = 1) -> tf.data.Dataset:
    """All rows once, in order, in batches that fit in memory.

    Args:
        rows: what to evaluate.
        replicas: how many share each batch. Keras 3 asks for equal shares, so that at most `replicas - 1` rows at the end are left out.

    Returns:
        A dataset of (features, labels).
    """
    row_bytes = sum(math.prod(column.shape[1:]) * column.dtype.size for column in rows.features.values())
    size = min(EVALUATION_ROWS, EVALUATION_BYTES // max(1, row_bytes)) // replicas * replicas
    count = rows.count // replicas * replicas or rows.count
    return tf.data.Dataset.range(count).batch(max(replicas, size)).map(lambda index: gather(rows, index)).prefetch(2)


def gather(rows: Rows, index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The given rows as a batch of (features, labels)."""
    return {name: tf.gather(column, index) for name, column in rows.features.items()}, tf.gather(rows.labels, index)


def steps_per_execution(steps: int, most: int = 32) -> int:
    """The largest divisor of `steps` up to `most`: how many steps one call of the compiled function may take.

    Keras rounds the steps of an epoch up to a multiple of it, hence a divisor.
    """
    return max(divisor for divisor in range(1, most + 1) if steps % divisor == 0)
