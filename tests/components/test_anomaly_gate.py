"""What the gate says of anomalies that TFDV itself found."""

import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.anomaly_gate.executor import describe

SCHEMA = """
feature { name: "label" type: INT int_domain { min: 0 max: 9 } }
feature { name: "height" type: INT int_domain { min: 28 max: 28 } }
feature { name: "brightness" type: FLOAT float_domain { min: 0.25 max: 0.5 } }
"""


def found(**largest):
    """Anomalies of statistics in which each feature has that largest value, and the smallest that the schema takes."""
    dataset = statistics_pb2.DatasetFeatureStatisticsList().datasets.add(num_examples=10)
    smallest = {"label": 0, "height": 28, "brightness": 0.25}
    for name, value in largest.items():
        feature = dataset.features.add(name=name, type="FLOAT" if name == "brightness" else "INT")
        feature.num_stats.min, feature.num_stats.max = smallest[name], value
        feature.num_stats.common_stats.num_non_missing = 10
    statistics = statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])
    return tfdv.validate_statistics(statistics, text_format.Parse(SCHEMA, schema_pb2.Schema()))


def test_data_that_fits_has_none():
    assert describe({"train": found(label=9, height=28, brightness=0.5)}) == []


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [("label", 10, "expected 0 to 9"), ("height", 32, "expected 28"), ("brightness", 0.75, "expected 0.25 to 0.5")],
)
def test_each_is_told_once_with_what_was_expected_and_where(feature, value, expected):
    good = {"label": 9, "height": 28, "brightness": 0.5}
    bad = found(**(good | {feature: value}))
    (line,) = describe({"train": bad, "validation": found(**good), "test": bad})
    assert line.startswith(f"{feature}: Unexpectedly")
    assert str(value) in line
    assert line.endswith(f", {expected} (train, test)")
