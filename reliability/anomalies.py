"""Statistics of data as it may go wrong: every way of which TFDV says something with the kinds of bounds that curated schemas have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

STRANGE = "no such value"


def anomalies_of(
    statistics: statistics_pb2.DatasetFeatureStatistics, schema: schema_pb2.Schema
) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    """Damaged statistics by the anomaly that TFDV finds in them, one for each kind that it can find in this data with this schema.

    Args:
        statistics: of good data, without anomalies.
        schema: the curated one.
    """
    found: dict[str, statistics_pb2.DatasetFeatureStatistics] = {}
    for damaged in damages(statistics, schema):
        anomalies = tfdv.validate_statistics(statistics_pb2.DatasetFeatureStatisticsList(datasets=[damaged]), schema)
        for kind in kinds(anomalies):
            found.setdefault(kind, damaged)
    return found


def kinds(anomalies: anomalies_pb2.Anomalies) -> set[str]:
    """Names of the anomalies that were found."""
    infos = [*anomalies.anomaly_info.values(), anomalies.dataset_anomaly_info]
    names = {anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for info in infos for reason in info.reason}
    return names | ({"DATA_MISSING"} if anomalies.data_missing else set())


def damages(
    statistics: statistics_pb2.DatasetFeatureStatistics, schema: schema_pb2.Schema
) -> Iterator[statistics_pb2.DatasetFeatureStatistics]:
    """Copies of the statistics, each with one thing wrong."""
    domains = {feature.name: feature for feature in schema.feature}
    empty = statistics_pb2.DatasetFeatureStatistics()
    empty.CopyFrom(statistics)
    empty.num_examples = 0
    yield empty
    added = statistics_pb2.DatasetFeatureStatistics()
    added.CopyFrom(statistics)
    added.features.add(type=statistics_pb2.FeatureNameStatistics.INT).path.step.append("unforeseen")
    added.features[-1].num_stats.common_stats.num_non_missing = statistics.num_examples
    yield added
    for index, feature in enumerate(statistics.features):
        removed = statistics_pb2.DatasetFeatureStatistics()
        removed.CopyFrom(statistics)
        del removed.features[index]
        yield removed
        for damage in DAMAGES:
            damaged = statistics_pb2.DatasetFeatureStatistics()
            damaged.CopyFrom(statistics)
            damage(damaged.features[index], domains[feature.path.step[0]])
            yield damaged


def common(feature: statistics_pb2.FeatureNameStatistics) -> statistics_pb2.CommonStatistics:
    """The statistics that features of all types have."""
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def often_missing(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Nineteen of twenty examples lack it."""
    there = common(feature)
    there.num_missing += 19 * there.num_non_missing


def never_there(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """No example has it."""
    there = common(feature)
    there.num_missing, there.num_non_missing = there.num_missing + there.num_non_missing, 0


def too_many_values(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Some examples have one value more than any had."""
    common(feature).max_num_values += 1


def too_few_values(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Some examples have an empty list."""
    common(feature).min_num_values = 0


def nested(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Values are lists of lists."""
    there = common(feature)
    for _ in range(2):
        there.presence_and_valency_stats.add(num_non_missing=there.num_non_missing, min_num_values=1, max_num_values=1)


def too_small(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Some number is under the bound."""
    if bounds := _bounds(domain):
        feature.num_stats.min = bounds[0] - 1


def too_large(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Some number is over the bound."""
    if bounds := _bounds(domain):
        feature.num_stats.max = bounds[1] + 1


def strange_value(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Half of the texts are one that is not known."""
    there = common(feature).num_non_missing
    if feature.WhichOneof("stats") == "string_stats":
        feature.string_stats.rank_histogram.buckets.add(label=STRANGE, sample_count=there / 2)
        feature.string_stats.top_values.add(value=STRANGE, frequency=there / 2)


def no_unicode(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
    """Texts are not in UTF-8."""
    if feature.WhichOneof("stats") == "string_stats":
        feature.string_stats.invalid_utf8_count = int(common(feature).num_non_missing)


def of_type(kind: int) -> Callable[[statistics_pb2.FeatureNameStatistics, schema_pb2.Feature], None]:
    """A damage: the feature is of another type."""

    def damage(feature: statistics_pb2.FeatureNameStatistics, domain: schema_pb2.Feature) -> None:
        known = statistics_pb2.CommonStatistics()
        known.CopyFrom(common(feature))
        feature.type = kind
        target = (
            "string_stats"
            if kind == statistics_pb2.FeatureNameStatistics.STRING
            else "bytes_stats"
            if kind == statistics_pb2.FeatureNameStatistics.BYTES
            else "num_stats"
        )
        getattr(feature, target).common_stats.CopyFrom(known)
        if kind == statistics_pb2.FeatureNameStatistics.STRING:
            feature.string_stats.rank_histogram.buckets.add(label=STRANGE, sample_count=known.num_non_missing)

    return damage


def _bounds(domain: schema_pb2.Feature) -> tuple[float, float] | None:
    kind = domain.WhichOneof("domain_info")
    return (getattr(domain, kind).min, getattr(domain, kind).max) if kind in ("int_domain", "float_domain") else None


DAMAGES = (
    often_missing,
    never_there,
    too_many_values,
    too_few_values,
    nested,
    too_small,
    too_large,
    strange_value,
    no_unicode,
    *(
        of_type(kind)
        for kind in (
            statistics_pb2.FeatureNameStatistics.INT,
            statistics_pb2.FeatureNameStatistics.FLOAT,
            statistics_pb2.FeatureNameStatistics.STRING,
            statistics_pb2.FeatureNameStatistics.BYTES,
        )
    ),
)
