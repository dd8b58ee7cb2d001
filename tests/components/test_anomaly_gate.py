"""What the gate says of anomalies that TFDV itself found."""

import datetime
import json

import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.types import standard_artifacts

from components.anomaly_gate.executor import ALLOWED, Executor, judge
from components.artifacts import DataBlessing
from components.errors import DataRejected
from tests.components.conftest import artifact

SCHEMA = """
feature { name: "label" type: INT int_domain { min: 0 max: 9 } }
feature { name: "height" type: INT int_domain { min: 28 max: 28 } }
feature { name: "brightness" type: FLOAT float_domain { min: 0.25 max: 0.5 } }
"""
GOOD = {"label": 9, "height": 28, "brightness": 0.5}
TOMORROW = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(1)).isoformat()
YESTERDAY = (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(1)).isoformat()


def found(examples=10, **largest):
    """Anomalies of statistics in which each feature has that largest value, and the smallest that the schema takes."""
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    schema.dataset_constraints.min_examples_count = 5
    dataset = statistics_pb2.DatasetFeatureStatisticsList().datasets.add(num_examples=examples)
    smallest = {"label": 0, "height": 28, "brightness": 0.25}
    for name, value in largest.items():
        feature = dataset.features.add(name=name, type="FLOAT" if name == "brightness" else "INT")
        feature.num_stats.min, feature.num_stats.max = smallest[name], value
        feature.num_stats.common_stats.num_non_missing = 10
    statistics = statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])
    return tfdv.validate_statistics(statistics, schema)


def allowing(feature, anomaly, until=TOMORROW, in_force=True):
    return {"feature": feature, "anomaly": anomaly, "reason": "known", "until": until, "in_force": in_force}


def test_data_that_fits_has_none():
    assert judge({"train": found(**GOOD)}, []) == ([], [])


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [("label", 10, "expected 0 to 9"), ("height", 32, "expected 28"), ("brightness", 0.75, "expected 0.25 to 0.5")],
)
def test_each_is_told_once_with_what_was_expected_and_where(feature, value, expected):
    bad = found(**(GOOD | {feature: value}))
    (line,), _ = judge({"train": bad, "validation": found(**GOOD), "test": bad}, [])
    assert line.startswith(f"{feature}: Unexpectedly")
    assert str(value) in line
    assert line.endswith(f", {expected} (train, test)")


def test_only_the_anomaly_that_is_named_is_allowed():
    anomalies = {"train": found(**(GOOD | {"label": 10, "height": 32})), "test": found(**(GOOD | {"label": 11}))}
    objections, used = judge(anomalies, [allowing("label", "INT_TYPE_BIG_INT"), allowing("brightness", "FLOAT_TYPE_BIG_FLOAT")])
    assert [line.partition(":")[0] for line in objections] == ["height"]
    assert used == [allowing("label", "INT_TYPE_BIG_INT") | {"splits": ["test", "train"]}]
    # Another anomaly of the feature, or this one of another feature, is none of its business.
    for other in (allowing("label", "INT_TYPE_SMALL_INT"), allowing("height", "FLOAT_TYPE_BIG_FLOAT")):
        assert len(judge(anomalies, [other])[0]) == 3


def test_all_that_is_wrong_with_a_feature_has_to_be_allowed():
    anomalies = found(**GOOD)
    info = anomalies.anomaly_info["label"]
    for kind in ("INT_TYPE_BIG_INT", "FEATURE_TYPE_LOW_FRACTION_PRESENT"):
        info.reason.add(type=kind)
    both = [allowing("label", "INT_TYPE_BIG_INT"), allowing("label", "FEATURE_TYPE_LOW_FRACTION_PRESENT")]
    assert len(judge({"train": anomalies}, both[:1])[0]) == len(judge({"train": anomalies}, both[1:])[0]) == 1
    assert judge({"train": anomalies}, both)[0] == []


def test_what_is_wrong_with_the_whole_data_set_is_told_and_may_be_allowed():
    anomalies = {"train": found(examples=4, **GOOD)}
    (line,), _ = judge(anomalies, [])
    assert line.startswith("data set: ") and line.endswith("(train)")
    assert judge(anomalies, [allowing("", "DATASET_LOW_NUM_EXAMPLES")])[0] == []


def test_a_split_without_examples_can_not_be_allowed():
    objections, _ = judge({"test": found(examples=0)}, [allowing("", "DATASET_LOW_NUM_EXAMPLES")])
    assert objections == ["data set: there are no examples (test)"]


def gate(tmp_path, anomalies, *allowed):
    """The blessing of the gate for one split."""
    given = artifact(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies")
    given.split_names = '["train"]'
    (tmp_path / "anomalies/Split-train").mkdir()
    (tmp_path / "anomalies/Split-train/SchemaDiff.pb").write_bytes(anomalies.SerializeToString())
    blessing = artifact(DataBlessing, tmp_path / "blessing")
    Executor().Do({"anomalies": [given]}, {"blessing": [blessing]}, {"allowed": json.dumps(allowed)})
    return blessing


def test_what_was_let_through_is_recorded_and_reported(tmp_path):
    blessing = gate(tmp_path, found(**(GOOD | {"label": 10})), allowing("label", "INT_TYPE_BIG_INT"))
    (used,) = json.loads(blessing.get_string_custom_property(ALLOWED))
    assert (used["anomaly"], used["reason"], used["splits"]) == ("INT_TYPE_BIG_INT", "known", ["train"])
    (table,) = json.loads((tmp_path / "blessing/section.json").read_text())["tables"]
    assert table["rows"] == [["label", "INT_TYPE_BIG_INT", "train", "known", TOMORROW]]
    assert (tmp_path / "blessing/DATA_BLESSED").exists()


def test_data_without_anomalies_has_no_such_section(tmp_path):
    blessing = gate(tmp_path, found(**GOOD), allowing("label", "INT_TYPE_BIG_INT"))
    assert not blessing.has_custom_property(ALLOWED)
    assert [path.name for path in (tmp_path / "blessing").iterdir()] == ["DATA_BLESSED"]


@pytest.mark.parametrize(("until", "in_force"), [(YESTERDAY, True), (TOMORROW, False)])
def test_an_allowance_that_ended_lets_nothing_through_and_says_so(tmp_path, until, in_force):
    ended = allowing("label", "INT_TYPE_BIG_INT", until, in_force)
    with pytest.raises(DataRejected, match=f"label: .* Allowances ended: INT_TYPE_BIG_INT of label on {until}. Mend the data"):
        gate(tmp_path, found(**(GOOD | {"label": 10})), ended)
    assert list((tmp_path / "blessing").iterdir()) == []
