"""From raw data to TFRecords of tf.Examples in splits that are disjoint by content: what the project's ExampleGens share.

Beam gets few and large elements, shards of some thousand examples, each of which one call reads, hashes and writes. So its
cost per element doesn't matter.
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import apache_beam as beam
import numpy as np
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tfx import types
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.errors import DataRejected
from components.records import shard_name
from components.splits import DIGEST_BYTES, SPLITS, TEST, TRAIN, VALIDATION

log = logging.getLogger(__name__)

DROPPED = "dropped_duplicates"
METRICS = "content_splits"
SHARD_EXAMPLES = 1 << 15


class Block(Protocol):
    """Examples that were read in one go."""

    def __len__(self) -> int: ...

    def part(self, offset: int, step: int) -> "Block":
        """Every `step`-th example from `offset` on."""

    def digests(self) -> list[bytes]:
        """A hash of DIGEST_BYTES bytes of each example's content without its label: equal inputs have equal ones."""

    def serialize(self, rows: np.ndarray) -> Iterator[bytes]:
        """tf.Examples of the given rows, serialized."""


class Source(Protocol):
    """Examples that are read in one go; hashable, small and picklable."""

    @property
    def split(self) -> str:
        """TRAIN or TEST."""

    def __hash__(self) -> int: ...


# Reads a source; a function of a module, since Beam pickles it. It may keep what it read.
Read = Callable[[Any], Block]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Parameters of an ExampleGen that its executor reads.

    Attributes:
        validation_percent: share of the examples, without those of a test set of the data's own, that are for validation.
        test_percent: share of the examples that are the test set, where the data has none of its own.
        code_fingerprint: enters the cache key.
        data_fingerprint: enters the cache key: TFX's own fingerprint of the data doesn't see that files were renamed.
        reader: what the reader of this kind of data takes, in JSON's types.

    Raises:
        ValueError: the percentages leave nothing to train on, or nothing for validation or test.
    """

    validation_percent: float
    test_percent: float
    code_fingerprint: str
    data_fingerprint: str
    reader: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not (self.validation_percent > 0 and self.test_percent > 0 and self.validation_percent + self.test_percent < 100):
            raise ValueError(
                "expected validation_percent and test_percent above 0 that sum to less than 100, "
                f"received {self.validation_percent} and {self.test_percent}. Leave something to train on."
            )

    @classmethod
    def of(cls, exec_properties: Mapping[str, Any]) -> "Settings":
        """From the parameters that TFX hands an executor."""
        config, value = example_gen_pb2.CustomConfig(), wrappers_pb2.StringValue()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config)
        config.custom_config.Unpack(value)
        return cls(**json.loads(value.value))


def example_gen_arguments(input_base: str, pattern: str, settings: Settings) -> dict[str, Any]:
    """Arguments of TFX's FileBasedExampleGen, whose driver finds the files, their span and their fingerprint."""
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(wrappers_pb2.StringValue(value=json.dumps(dataclasses.asdict(settings), sort_keys=True)))
    # TFX wants hash buckets with the names of the splits; the executor splits by the settings, in custom_config.
    buckets = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
    return {
        "input_base": input_base,
        "input_config": example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="raw", pattern=pattern)]),
        "output_config": example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=buckets)),
        "custom_config": config,
    }


def raw_files(exec_properties: Mapping[str, Any]) -> tuple[Path, str]:
    """The folder of the raw data and the glob of its files in it, from the parameters that TFX hands an executor."""
    inputs = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], inputs)
    return Path(exec_properties[standard_component_specs.INPUT_BASE_KEY]), inputs.splits[0].pattern


def write_examples(
    make_pipeline: Callable[[], beam.Pipeline],
    sources: Sequence[Source],
    read: Read,
    settings: Settings,
    output_dict: Mapping[str, list[types.Artifact]],
    noun: str,
) -> None:
    """What an ExampleGen's executor does once it has found its sources: writes the splits of the Examples artifact.

    Args:
        make_pipeline: makes the Beam pipeline.
        sources: the raw data.
        read: reads one of them.
        settings: how to split.
        output_dict: as TFX hands it to an executor.
        noun: what the examples are, for messages ("images").

    Raises:
        DataRejected: the raw data isn't what it should be, or too little to make three splits of.
    """
    examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    uris = {split: artifact_utils.get_split_uri([examples], split) for split in SPLITS}
    counts = write_splits(make_pipeline, sources, read, settings, uris)
    dropped = counts.pop(DROPPED, 0)
    empty = [split for split in SPLITS if not counts.get(split)]
    if empty:
        raise DataRejected(
            f"expected enough {noun} for train, validation and test, received {sum(counts.values())}, "
            f"which leaves {' and '.join(empty)} empty"
            + (f" ({dropped} {noun} of train are in the test set too, and were dropped)" if dropped else "")
            + f". Add {noun}."
        )
    log.info("Wrote %s examples; dropped %d of train that are in test too.", counts, dropped)
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples.set_int_custom_property(DROPPED, dropped)


@dataclasses.dataclass(frozen=True)
class Shard:
    """Examples of a source that are written together: every `step`-th from `offset` on.

    Attributes:
        source: of the examples.
        offset: of the first one.
        step: between them.
        number: of this shard among those that write to the same splits; it names the files.
        total: how many of them there are.
    """

    source: Source
    offset: int
    step: int
    number: int
    total: int


def write_splits(
    make_pipeline: Callable[[], beam.Pipeline], sources: Sequence[Source], read: Read, settings: Settings, uris: Mapping[str, str]
) -> dict[str, int]:
    """Runs the Beam pipeline.

    Args:
        make_pipeline, sources, read, settings: as `write_examples`.
        uris: folders by split.

    Returns:
        Numbers of examples by split, and of dropped duplicates.
    """
    shards = {split: make_shards([source for source in sources if source.split == split], read) for split in (TRAIN, TEST)}
    validation, test = settings.validation_percent / 100, 0 if shards[TEST] else settings.test_percent / 100
    shares = {VALIDATION: validation, **({TEST: test} if test else {}), TRAIN: 1 - validation - test}
    for uri in uris.values():
        tf.io.gfile.makedirs(uri)
    with make_pipeline() as pipeline:
        writers = {split: WriteShard(read, uris, kept) for split, kept in ((TEST, {TEST: 1.0}), (TRAIN, shares))}
        held_out = pipeline | "TestShards" >> beam.Create(shards[TEST]) | "WriteTest" >> beam.ParDo(writers[TEST], [])
        train = pipeline | "TrainShards" >> beam.Create(shards[TRAIN])
        _ = train | "WriteTrain" >> beam.ParDo(writers[TRAIN], beam.pvalue.AsList(held_out))
    found = pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_namespace(METRICS))["counters"]
    return {counter.key.metric.name: counter.result for counter in found}


class WriteShard(beam.DoFn):
    """Reads a shard and writes each of its examples into one of the splits, as chosen by the example's content.

    Args:
        read: reads a source.
        uris: folders by split.
        shares: of the splits; they sum to 1.
    """

    def __init__(self, read: Read, uris: Mapping[str, str], shares: Mapping[str, float]):
        self.read = read
        self.uris = dict(uris)
        self.shares = dict(shares)

    def process(self, shard: Shard, held_out: list[bytes]) -> Iterator[bytes]:
        """Writes one file per split.

        Args:
            shard: what to write.
            held_out: digests of examples that are in the test set already, joined; such examples are dropped.

        Yields:
            The digests of the shard's examples, joined.
        """
        block = self.read(shard.source).part(shard.offset, shard.step)
        hashes = block.digests()
        taken = {joined[start : start + DIGEST_BYTES] for joined in held_out for start in range(0, len(joined), DIGEST_BYTES)}
        dropped = np.array([digest in taken for digest in hashes], bool)
        positions = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, DIGEST_BYTES // 8)[:, 0]
        # Files are in the order of the digests: well mixed, even where the raw data is sorted by class.
        order = np.argsort(positions, kind="stable")
        bounds = np.cumsum(list(self.shares.values()))[:-1] * 2.0**64
        chosen = np.searchsorted(bounds, positions, side="right")
        for number, split in enumerate(self.shares):
            rows = order[(chosen == number)[order] & ~dropped[order]]
            with tf.io.TFRecordWriter(f"{self.uris[split]}/{shard_name(shard.number, shard.total, len(rows))}") as writer:
                for record in block.serialize(rows):
                    writer.write(record)
            beam.metrics.Metrics.counter(METRICS, split).inc(len(rows))
        beam.metrics.Metrics.counter(METRICS, DROPPED).inc(int(dropped.sum()))
        yield b"".join(hashes)


def make_shards(sources: Iterable[Source], read: Read) -> list[Shard]:
    """Shards of at most SHARD_EXAMPLES examples that together hold all examples of the sources."""
    steps = [(source, -(-len(read(source)) // SHARD_EXAMPLES)) for source in sources]
    total = sum(step for _, step in steps)
    parts = ((source, offset, step) for source, step in steps for offset in range(step))
    return [Shard(source, offset, step, number, total) for number, (source, offset, step) in enumerate(parts)]
