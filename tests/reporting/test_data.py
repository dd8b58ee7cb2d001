"""The reader of TFDV's statistics and anomalies, against TFDV itself on rows that can be counted by hand."""

from pathlib import Path

import pandas
import pytest

from reporting import data
from reporting.record import Unreadable


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Statistics and anomalies of two splits, where the second lacks a feature of the schema."""
    import tensorflow_data_validation as tfdv

    root = tmp_path_factory.mktemp("data")
    train = pandas.DataFrame(
        {"depth": [0.0, 2.0, 4.0, None, 10.0], "port": ["Bari", "Bari", "Genova", "Bari", "Genova"], "scan": [b"\xff\x00"] * 5}
    )
    frames = {"train": train, "test": train[["port", "scan"]].head(2)}
    schema = None
    for split, frame in frames.items():
        statistics = tfdv.generate_statistics_from_dataframe(frame)
        schema = schema or tfdv.infer_schema(statistics)
        tfdv.get_feature(schema, "port").presence.min_fraction = 1.0
        tfdv.get_feature(schema, "depth").presence.min_count = 1
        for kind, name, proto in (
            ("statistics", "FeatureStats.pb", statistics),
            ("anomalies", "SchemaDiff.pb", tfdv.validate_statistics(statistics, schema)),
        ):
            path = root / kind / f"Split-{split}" / name
            path.parent.mkdir(parents=True)
            path.write_bytes(proto.SerializeToString())
    return root


def test_statistics_of_numbers_and_texts(folders: Path) -> None:
    found = data.read_statistics(folders / "statistics")
    assert found.examples == {"train": 5, "test": 2}
    assert [feature.name for feature in found.features] == ["depth", "port", "scan"]
    depth, port, scan = (feature.splits[0] for feature in found.features)
    assert (depth.present, depth.missing) == (4, 1)
    assert depth.values == pytest.approx({"mean": 4.0, "std": 14**0.5, "min": 0.0, "median": 4.0, "max": 10.0, "zeros": 1})
    assert sum(count for _, _, count in depth.buckets) == pytest.approx(4)
    assert (depth.buckets[0][0], depth.buckets[-1][1]) == (0.0, 10.0)
    assert port.values == pytest.approx({"unique": 2, "avg length": (3 * 4 + 2 * 6) / 5})
    assert port.top == [("Bari", 3.0), ("Genova", 2.0)]
    assert scan.values["avg length"] == 2 and scan.top == []
    assert [split.split for split in found.features[0].splits] == ["train"]


def test_anomalies_name_split_and_feature(folders: Path) -> None:
    (anomaly,) = data.read_anomalies(folders / "anomalies")
    assert (anomaly.split, anomaly.feature, anomaly.short) == ("test", "depth", "Column dropped")


def test_splits_come_in_the_order_of_their_use(tmp_path: Path) -> None:
    for split in ("test", "extra", "train", "validation"):
        (tmp_path / f"Split-{split}").mkdir()
    assert list(data.split_folders(tmp_path)) == ["train", "validation", "test", "extra"]
    with pytest.raises(Unreadable, match="found none"):
        data.split_folders(tmp_path / "Split-test")


def test_classes_come_in_their_order_and_uncounted_bytes_are_no_zero(tmp_path: Path) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    protos = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = protos.datasets.add(num_examples=9)
    label = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT, name="label").string_stats
    for value, frequency in (("10", 5), ("9", 3), ("0", 1)):
        label.top_values.add(value=value, frequency=frequency)
    dataset.features.add(type=statistics_pb2.FeatureNameStatistics.BYTES, name="image").bytes_stats.avg_num_bytes = 784
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(protos.SerializeToString())
    image, classes = data.read_statistics(tmp_path).features
    assert [value for value, _ in classes.splits[0].top] == ["0", "9", "10"]
    assert image.splits[0].values == {"avg bytes": 784, "min bytes": 0, "max bytes": 0}
