"""Statistics that are damaged on purpose: TFDV finds in them what it can find with a schema."""

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from reliability.anomalies import anomalies_of

SCHEMA = """
feature { name: "rooms" type: INT presence { min_fraction: 1.0 min_count: 1 } shape {} int_domain { min: 1 max: 9 } }
feature { name: "town" type: BYTES presence { min_fraction: 0.5 min_count: 1 } value_count { min: 1 max: 1 }
          string_domain { value: "a" value: "b" } }
"""


def test_every_bound_of_a_schema_is_broken(tmp_path):
    (tmp_path / "rows.csv").write_text("rooms,town\n" + "1,a\n9,b\n3,a\n" * 10)
    statistics = tfdv.generate_statistics_from_csv(str(tmp_path / "rows.csv")).datasets[0]
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    before = statistics.SerializeToString(deterministic=True)
    assert set(anomalies_of(statistics, schema)) == {
        "DATA_MISSING",
        "DOMAIN_INVALID_FOR_TYPE",
        "ENUM_TYPE_INVALID_UTF8",
        "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
        "FEATURE_TYPE_HIGH_NUMBER_VALUES",
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        "FEATURE_TYPE_LOW_NUMBER_VALUES",
        "FEATURE_TYPE_NOT_PRESENT",
        "INT_TYPE_BIG_INT",
        "INT_TYPE_NOT_INT_STRING",
        "INT_TYPE_SMALL_INT",
        "INVALID_FEATURE_SHAPE",
        "SCHEMA_MISSING_COLUMN",
        "SCHEMA_NEW_COLUMN",
        "UNEXPECTED_DATA_TYPE",
        "VALUE_NESTEDNESS_MISMATCH",
    }
    assert statistics.SerializeToString(deterministic=True) == before
