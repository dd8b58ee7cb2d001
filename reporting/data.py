"""Reads TFDV's statistics and anomalies into plain values, straight from their protos."""

import dataclasses
from pathlib import Path
from typing import Any

from reporting.record import Unreadable, read_bytes

_NOT_TEXT = "__BYTES_VALUE__"
"""What TFDV counts under the texts for every value that is not UTF-8."""


@dataclasses.dataclass(frozen=True)
class FeatureInSplit:
    """Statistics of one feature in one split.

    Attributes:
        split: its name.
        present, missing: numbers of examples with and without the feature.
        values: (name of the statistic, value), in the order of the table.
        buckets: (low, high, count) of a histogram of numbers.
        top: (value, count) of the ten most frequent texts.
    """

    split: str
    present: int
    missing: int
    values: dict[str, float]
    buckets: list[tuple[float, float, float]]
    top: list[tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Feature:
    """A feature: its name, its kind ("int", "float", "string", "bytes" or "struct") and its statistics by split."""

    name: str
    kind: str
    splits: list[FeatureInSplit]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Numbers of examples by split, and the features."""

    examples: dict[str, int]
    features: list[Feature]


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """What TFDV objects to in a feature ("data set" for the whole) of a split."""

    split: str
    feature: str
    short: str
    description: str


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of the splits by name: training, validation (or eval) and test first.

    Raises:
        Unreadable: there are none.
    """
    usual = ["train", "validation", "eval", "test"]
    found = {path.name.removeprefix("Split-"): path for path in folder.glob("Split-*")}
    if not found:
        raise Unreadable(f"Expected folders named Split-… in {folder}, found none.")
    return {name: found[name] for name in sorted(found, key=lambda name: (usual.index(name) if name in usual else len(usual), name))}


def read_statistics(folder: Path) -> Statistics:
    """Reads a `statistics` artifact: `Split-<name>/FeatureStats.pb`, a DatasetFeatureStatisticsList each.

    Raises:
        Unreadable: a file is missing or damaged.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2 as protos

    examples: dict[str, int] = {}
    features: dict[str, Feature] = {}
    for split, path in split_folders(folder).items():
        datasets = _parse(path / "FeatureStats.pb", protos.DatasetFeatureStatisticsList()).datasets
        examples[split] = sum(dataset.num_examples for dataset in datasets)
        # With slicing there are further data sets; the first is the whole split.
        for proto in datasets[0].features if datasets else ():
            name = proto.name or ".".join(proto.path.step)
            kind = protos.FeatureNameStatistics.Type.Name(proto.type).lower()
            features.setdefault(name, Feature(name, kind, [])).splits.append(_feature(split, proto))
    return Statistics(examples, sorted(features.values(), key=lambda feature: feature.name))


def read_anomalies(folder: Path) -> list[Anomaly]:
    """Reads an `anomalies` artifact: `Split-<name>/SchemaDiff.pb`, an Anomalies proto each.

    Raises:
        Unreadable: a file is missing or damaged.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2 as protos

    found = []
    for split, path in split_folders(folder).items():
        proto = _parse(path / "SchemaDiff.pb", protos.Anomalies())
        for name, info in sorted(proto.anomaly_info.items()):
            found.append(Anomaly(split, name, info.short_description, info.description))
        if proto.HasField("dataset_anomaly_info"):
            info = proto.dataset_anomaly_info
            found.append(Anomaly(split, "data set", info.short_description, info.description))
        if proto.data_missing:
            found.append(Anomaly(split, "data set", "No examples", "The split holds no examples."))
    return found


def _by_number(counts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Texts that are all numbers (classes) in their order, so that splits compare; others stay, the most frequent first."""
    return sorted(counts, key=lambda count: int(count[0])) if all(text.isdecimal() for text, _ in counts) else counts


def _parse(path: Path, proto: Any) -> Any:
    from google.protobuf.message import DecodeError

    try:
        proto.ParseFromString(read_bytes(path))
    except DecodeError as error:
        raise Unreadable(f"Could not read {path} as a {proto.DESCRIPTOR.name}: {error}") from error
    return proto


def _feature(split: str, proto: Any) -> FeatureInSplit:
    kind = proto.WhichOneof("stats")
    stats: Any = getattr(proto, kind) if kind else None
    values: dict[str, float] = {}
    buckets: list[tuple[float, float, float]] = []
    top: list[tuple[str, float]] = []
    if kind == "num_stats":
        values = {
            "mean": stats.mean,
            "std": stats.std_dev,
            "min": stats.min,
            "median": stats.median,
            "max": stats.max,
            "zeros": stats.num_zeros,
        }
        standard = next((histogram for histogram in stats.histograms if histogram.type == histogram.STANDARD), None)
        buckets = [(bucket.low_value, bucket.high_value, bucket.sample_count) for bucket in standard.buckets] if standard else []
    elif kind == "string_stats":
        values = {"unique": stats.unique, "avg length": stats.avg_length}
        top = _by_number([(value.value, value.frequency) for value in stats.top_values if value.value != _NOT_TEXT][:10])
    elif kind == "bytes_stats":
        # TFDV does not count the distinct values of features that the schema says are bytes.
        values = {"unique": stats.unique} if stats.unique else {}
        values |= {"avg bytes": stats.avg_num_bytes, "min bytes": stats.min_num_bytes, "max bytes": stats.max_num_bytes}
    present, missing = (stats.common_stats.num_non_missing, stats.common_stats.num_missing) if kind else (0, 0)
    return FeatureInSplit(split, present, missing, values, buckets, top)
