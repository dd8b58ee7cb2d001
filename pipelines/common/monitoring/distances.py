"""How far two sets of rows are apart, column by column, and whether that is more than the schema allows and chance explains."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow_data_validation as tfdv
from scipy.stats import chi2, norm
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from pipelines.common.monitoring.columns import Column

SKEW, DRIFT = "skew", "drift"
DIVERGENCE, LARGEST = "Jensen-Shannon divergence", "largest difference of a share"
BINS = 10
MOST_CATEGORIES = 200
MISSING, OTHERS = "(missing)", "(others)"
# How often data that has not changed at all is let seem changed, over all columns together.
FALSE_ALARMS = 1e-3


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far a column's values are apart on two sides.

    Attributes:
        column: its name.
        measure: DIVERGENCE (base 2, 0 to 1) or LARGEST (0 to 1).
        distance: that was found.
        exceeded: whether it is above threshold and noise together.
        threshold: that the schema allows.
        noise: more that samples of so few rows may be apart by chance.
        before, now: mean of the numbers, or the most frequent value with its share, on either side.
    """

    column: str
    measure: str
    distance: float
    exceeded: bool
    threshold: float
    noise: float
    before: str
    now: str


def distances(before: Sequence[Column], now: Sequence[Column], schema: schema_pb2.Schema, kind: str) -> list[Distance]:
    """Compares two sides by TFDV.

    Numbers are put into bins first, ten of equally many rows of the earlier side: TFDV's own histograms have bins of equal width between
    each side's extremes, so that one large number in either moves them, and two samples of the same numbers seem far apart.

    Args:
        before: columns of what a model learned from, or of earlier data.
        now: the same columns of requests, or of newer data.
        schema: has the thresholds, in the features' skew_comparator or drift_comparator.
        kind: SKEW or DRIFT, which names the comparator.

    Returns:
        A distance for each column and threshold that there is for it.
    """
    allowed = {feature.name: _thresholds(_comparator(feature, kind)) for feature in schema.feature}
    by_name = {column.name: column for column in now}
    pairs = [(each, by_name[each.name]) for each in before if each.name in by_name and allowed[each.feature]]
    if not pairs:
        return []
    binned = {earlier.name: _binned(earlier, later) for earlier, later in pairs}
    bounds = [
        (earlier, later, measure, threshold, _noise(measure, *binned[earlier.name], FALSE_ALARMS / len(pairs)))
        for earlier, later in pairs
        for measure, threshold in allowed[earlier.feature].items()
    ]
    asked = schema_pb2.Schema(feature=[schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in binned])
    features = {feature.name: feature for feature in asked.feature}
    for earlier, _, measure, threshold, noise in bounds:
        comparator = _comparator(features[earlier.name], kind)
        (comparator.jensen_shannon_divergence if measure == DIVERGENCE else comparator.infinity_norm).threshold = threshold + noise
    measured = _measured(binned, asked, kind)
    return [
        Distance(earlier.name, measure, *measured[earlier.name, measure], threshold, noise, _summary(earlier), _summary(later))
        for earlier, later, measure, threshold, noise in bounds
    ]


def _measured(
    binned: Mapping[str, tuple[np.ndarray, np.ndarray]], schema: schema_pb2.Schema, kind: str
) -> dict[tuple[str, str], tuple[float, bool]]:
    """TFDV's distances by column and measure, each with whether it is above the schema's threshold."""
    before, now = (
        tfdv.generate_statistics_from_dataframe(pd.DataFrame({name: pair[side] for name, pair in binned.items()})) for side in (0, 1)
    )
    if kind == SKEW:
        found = tfdv.validate_statistics(before, schema, serving_statistics=now)
    else:
        found = tfdv.validate_statistics(now, schema, previous_statistics=before)
    measured = {}
    for info in found.drift_skew_info:
        for each in info.skew_measurements if kind == SKEW else info.drift_measurements:
            measure = DIVERGENCE if each.type == anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE else LARGEST
            measured[info.path.step[0], measure] = (each.value, each.value > each.threshold)
    return measured


def _comparator(feature: schema_pb2.Feature, kind: str) -> Any:
    return feature.skew_comparator if kind == SKEW else feature.drift_comparator


def _thresholds(comparator: schema_pb2.FeatureComparator) -> dict[str, float]:
    """Thresholds by measure, those that the schema has."""
    found = {}
    if comparator.HasField("jensen_shannon_divergence"):
        found[DIVERGENCE] = comparator.jensen_shannon_divergence.threshold
    if comparator.HasField("infinity_norm"):
        found[LARGEST] = comparator.infinity_norm.threshold
    return found


def _binned(before: Column, now: Column) -> tuple[np.ndarray, np.ndarray]:
    """Both sides as categories, object arrays of texts; missing values are one of them."""
    if before.is_number:
        known = before.values[~np.isnan(before.values)]
        # What lies outside of all that there was has bins of its own.
        ends = [known.min(), np.nextafter(known.max(), np.inf)] if known.size else []
        edges = np.unique([*(np.quantile(known, np.arange(1, BINS) / BINS) if known.size else ()), *ends])
        return _in_bins(before.values, edges), _in_bins(now.values, edges)
    frequent = {value for value, _ in Counter([*before.values, *now.values]).most_common(MOST_CATEGORIES)}
    before_named, now_named = (
        np.array([MISSING if value is None else value if value in frequent else OTHERS for value in side.values], object)
        for side in (before, now)
    )
    return before_named, now_named


def _in_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), MISSING, np.searchsorted(edges, values, side="right").astype(str)).astype(object)


def _noise(measure: str, before: np.ndarray, now: np.ndarray, level: float) -> float:
    """The distance that two samples of one distribution exceed with a probability of `level`.

    The divergence of n and m rows in k categories times 8 ln 2 / (1/n + 1/m) has nearly the chi-squared distribution of k - 1 degrees of
    freedom (M. Menéndez et al., "The Jensen-Shannon divergence", Journal of the Franklin Institute 334, 1997). A share p differs by nearly
    a normal number of variance p (1 - p) (1/n + 1/m); the largest of k differences exceeds a bound at most k times as often as one.
    """
    counts = np.array(list(Counter([*before, *now]).values()))
    inverse = 1 / len(before) + 1 / len(now)
    if measure == DIVERGENCE:
        return float(chi2.ppf(1 - level, max(len(counts) - 1, 1)) * inverse / (8 * np.log(2)))
    shares = counts / counts.sum()
    return float(norm.ppf(1 - level / (2 * len(counts))) * np.sqrt((shares * (1 - shares)).max() * inverse))


def _summary(column: Column) -> str:
    """The mean, or the most frequent value with its share; and how many are missing."""
    if not len(column.values):
        return "none"
    missing = np.isnan(column.values) if column.is_number else np.array([value is None for value in column.values])
    known = column.values[~missing]
    if not len(known):
        said = "all missing"
    elif column.is_number:
        said = f"mean {known.mean():.4g}"
    else:
        value, count = Counter(known).most_common(1)[0]
        said = f"{str(value)[:40]} {count / len(column.values):.0%}"
    return f"{said}, {missing.mean():.1%} missing" if 0 < missing.mean() < 1 else said


def anomalies(columns: Sequence[Column], schema: schema_pb2.Schema) -> list[str]:
    """What the schema itself objects to in the columns, a line for each of them: values out of its domains, too many that are missing.

    Args:
        columns: of requests.
        schema: of the raw features, and of what is measured of them, such as image/brightness.
    """
    features = {feature.name: feature for feature in schema.feature}
    held = [column for column in columns if column.name in features]
    if not held:
        return []
    asked = schema_pb2.Schema(string_domain=schema.string_domain)
    values: dict[str, Any] = {}
    for column in held:
        feature = asked.feature.add()
        feature.CopyFrom(features[column.name])
        for comparator in ("skew_comparator", "drift_comparator"):  # are for two sides
            feature.ClearField(comparator)
        kind = int if feature.type == schema_pb2.INT else lambda value: value
        known = [None if value is None or value != value else kind(value) for value in column.values]  # NaN differs from itself
        values[column.name] = pd.Series(known, dtype=object)
    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame(values), tfdv.StatsOptions(schema=asked))
    found = tfdv.validate_statistics(statistics, asked)
    return [f"{name}: {info.description.rstrip('. ')}" for name, info in sorted(found.anomaly_info.items())]
