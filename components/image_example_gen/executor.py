"""Work of ImageExampleGen: images to TFRecords of tf.Examples, in splits that are disjoint by content.

Beam gets few and large elements, shards of some thousand images, each of which one call reads, hashes and writes. So its
cost per element doesn't matter.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.errors import DataRejected
from components.image_example_gen.arrays import TEST, TRAIN, Source
from components.image_example_gen.readers import find_sources, load

VALIDATION = "validation"
SPLITS = (TRAIN, VALIDATION, TEST)
DROPPED = "dropped_duplicates"
METRICS = "image_example_gen"
SHARD_IMAGES = 1 << 15
DIGEST_BYTES = 16


@dataclasses.dataclass(frozen=True)
class Settings:
    """Parameters of ImageExampleGen that its executor reads; see there."""

    validation_percent: float
    test_percent: float
    class_names: tuple[str, ...]
    code_fingerprint: str
    data_fingerprint: str

    def pack(self) -> example_gen_pb2.CustomConfig:
        """As the parameter of TFX's ExampleGens that is free for all."""
        config = example_gen_pb2.CustomConfig()
        config.custom_config.Pack(wrappers_pb2.StringValue(value=json.dumps(dataclasses.asdict(self), sort_keys=True)))
        return config

    @classmethod
    def unpack(cls, text: str) -> "Settings":
        """From the JSON of what `pack` returns."""
        config, value = example_gen_pb2.CustomConfig(), wrappers_pb2.StringValue()
        proto_utils.json_to_proto(text, config)
        config.custom_config.Unpack(value)
        fields = json.loads(value.value)
        return cls(**fields | {"class_names": tuple(fields["class_names"])})


@dataclasses.dataclass(frozen=True)
class Shard:
    """Images of a source that are written together: every `step`-th from `offset` on.

    Attributes:
        source: of the images.
        offset: of the first image.
        step: between images.
        number: of this shard among those that write to the same splits; it names the files.
        total: how many of them there are.
    """

    source: Source
    offset: int
    step: int
    number: int
    total: int


class Executor(base_beam_executor.BaseBeamExecutor):
    """See ImageExampleGen."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Reads the images of `input_base`, and writes the splits of the Examples artifact.

        Raises:
            DataRejected: the raw data isn't what it should be, or too little to make three splits of.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict[standard_component_specs.EXAMPLES_KEY])
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        uris = {split: artifact_utils.get_split_uri([examples], split) for split in SPLITS}
        settings = Settings.unpack(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        inputs = example_gen_pb2.Input()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], inputs)
        folder = Path(exec_properties[standard_component_specs.INPUT_BASE_KEY])
        load.cache_clear()
        try:
            counts = self.write(find_sources(folder, inputs.splits[0].pattern, settings.class_names), settings, uris)
        finally:
            load.cache_clear()
        dropped = counts.pop(DROPPED, 0)
        empty = [split for split in SPLITS if not counts.get(split)]
        if empty:
            raise DataRejected(
                f"expected enough images in {folder} for train, validation and test, received {sum(counts.values())}, "
                f"which leaves {' and '.join(empty)} empty"
                + (f" ({dropped} images of train are in the test set too, and were dropped)" if dropped else "")
                + ". Add images."
            )
        logging.info("Wrote %s examples; dropped %d of train that are in test too.", counts, dropped)
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples.set_int_custom_property(DROPPED, dropped)

    def write(self, sources: Iterable[Source], settings: Settings, uris: Mapping[str, str]) -> dict[str, int]:
        """Runs the Beam pipeline.

        Args:
            sources: the raw images.
            settings: how to split them.
            uris: folders by split.

        Returns:
            Numbers of examples by split, and of dropped duplicates.
        """
        shards = {split: make_shards([source for source in sources if source.split == split]) for split in (TRAIN, TEST)}
        validation, test = settings.validation_percent / 100, 0 if shards[TEST] else settings.test_percent / 100
        shares = {VALIDATION: validation, **({TEST: test} if test else {}), TRAIN: 1 - validation - test}
        for uri in uris.values():
            tf.io.gfile.makedirs(uri)
        with self._make_beam_pipeline() as pipeline:
            held_out = pipeline | "TestShards" >> beam.Create(shards[TEST]) | "WriteTest" >> beam.ParDo(WriteShard(uris, {TEST: 1.0}), [])
            train = pipeline | "TrainShards" >> beam.Create(shards[TRAIN])
            _ = train | "WriteTrain" >> beam.ParDo(WriteShard(uris, shares), beam.pvalue.AsList(held_out))
        found = pipeline.result.metrics().query(beam.metrics.MetricsFilter().with_namespace(METRICS))["counters"]
        return {counter.key.metric.name: counter.result for counter in found}


class WriteShard(beam.DoFn):
    """Reads a shard and writes each of its images into one of the splits, as chosen by the image's content.

    Args:
        uris: folders by split.
        shares: of the splits; they sum to 1.
    """

    def __init__(self, uris: Mapping[str, str], shares: Mapping[str, float]):
        self.uris = dict(uris)
        self.shares = dict(shares)

    def process(self, shard: Shard, held_out: list[bytes]) -> Iterator[bytes]:
        """Writes one file per split.

        Args:
            shard: what to write.
            held_out: digests of images that are in the test set already, joined; such images are dropped.

        Yields:
            The digests of the shard's images, joined.
        """
        arrays = load(shard.source)
        images, labels = arrays.images[shard.offset :: shard.step], arrays.labels[shard.offset :: shard.step]
        hashes = digests(images)
        taken = {block[start : start + DIGEST_BYTES] for block in held_out for start in range(0, len(block), DIGEST_BYTES)}
        dropped = np.array([digest in taken for digest in hashes], bool)
        positions = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, DIGEST_BYTES // 8)[:, 0]
        # Files are in the order of the digests: well mixed, even where the raw data is sorted by class.
        order = np.argsort(positions, kind="stable")
        bounds = np.cumsum(list(self.shares.values()))[:-1] * 2.0**64
        chosen = np.searchsorted(bounds, positions, side="right")
        for number, split in enumerate(self.shares):
            rows = order[(chosen == number)[order] & ~dropped[order]]
            with tf.io.TFRecordWriter(f"{self.uris[split]}/data_tfrecord-{shard.number:05d}-of-{shard.total:05d}") as writer:
                for record in serialize(images[rows], labels[rows]):
                    writer.write(record)
            beam.metrics.Metrics.counter(METRICS, split).inc(len(rows))
        beam.metrics.Metrics.counter(METRICS, DROPPED).inc(int(dropped.sum()))
        yield b"".join(hashes)


def make_shards(sources: Iterable[Source]) -> list[Shard]:
    """Shards of at most SHARD_IMAGES images that together hold all images of the sources."""
    steps = [(source, -(-len(load(source).labels) // SHARD_IMAGES)) for source in sources]
    total = sum(step for _, step in steps)
    parts = ((source, offset, step) for source, step in steps for offset in range(step))
    return [Shard(source, offset, step, number, total) for number, (source, offset, step) in enumerate(parts)]


def digests(images: np.ndarray) -> list[bytes]:
    """A hash of each image's pixels and shape: equal images have equal ones, in whatever file and format they are.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C].

    Returns:
        N digests of DIGEST_BYTES bytes.
    """
    salt = hashlib.blake2b(repr(images.shape[1:]).encode(), digest_size=16).digest()
    return [hashlib.blake2b(image, digest_size=DIGEST_BYTES, salt=salt).digest() for image in np.ascontiguousarray(images)]


def serialize(images: np.ndarray, labels: np.ndarray) -> Iterator[bytes]:
    """tf.Examples of images, with the features that ImageExampleGen documents.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C].
        labels: int64 [N].
    """
    height, width, channels = (*images.shape[1:], 1)[:3]
    brightness = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64) / 255 if len(images) else np.empty(0)
    # One message is filled again and again: twice as fast as one for each example.
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/height"].int64_list.value.append(height)
    feature["image/width"].int64_list.value.append(width)
    feature["image/channels"].int64_list.value.append(channels)
    pixels, label, mean = feature["image"].bytes_list.value, feature["label"].int64_list.value, feature["image/brightness"].float_list.value
    pixels.append(b"")
    label.append(0)
    mean.append(0.0)
    for image, label[0], mean[0] in zip(images, labels.tolist(), brightness.tolist(), strict=True):
        pixels[0] = image.tobytes()
        yield example.SerializeToString(deterministic=True)
