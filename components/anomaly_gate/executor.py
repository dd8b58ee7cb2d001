"""Reads the anomalies of each split and fails if there are any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.errors import DataRejected


class Executor(base_executor.BaseExecutor):
    """Work of AnomalyGate."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Fails if a split has anomalies.

        Raises:
            DataRejected: names each anomaly with its split and feature.
        """
        artifact = artifact_utils.get_single_instance(input_dict["anomalies"])
        splits = artifact_utils.decode_split_names(artifact.split_names)
        found = describe({split: read_anomalies(Path(artifact.uri) / f"Split-{split}" / "SchemaDiff.pb") for split in splits})
        if found:
            raise DataRejected(
                f"expected data that fits the schema, found: {'; '.join(found)}. Mend the data, or the schema if it is wrong."
            )
        Path(artifact_utils.get_single_uri(output_dict["blessing"]), "DATA_BLESSED").touch()


def read_anomalies(path: Path) -> anomalies_pb2.Anomalies:
    """The anomalies of one split, as ExampleValidator wrote them."""
    return anomalies_pb2.Anomalies.FromString(path.read_bytes())


def describe(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> list[str]:
    """One line for each feature with anomalies: "label: Unexpectedly large value: 10, expected 0 to 9 (train, test)".

    Args:
        anomalies: by split, as ExampleValidator found them; they hold the schema too.
    """
    splits: dict[str, list[str]] = {}
    for split, found in anomalies.items():
        expected = {feature.name: domain(feature) for feature in found.baseline.feature}
        for name, info in sorted(found.anomaly_info.items()):
            splits.setdefault(f"{name}: {info.description.rstrip('. ')}{expected.get(name, '')}", []).append(split)
        if found.HasField("dataset_anomaly_info"):
            splits.setdefault(f"data set: {found.dataset_anomaly_info.description.rstrip('. ')}", []).append(split)
        if found.data_missing:
            splits.setdefault("data set: there are no examples", []).append(split)
    return [f"{line} ({', '.join(where)})" for line, where in splits.items()]


def domain(feature: schema_pb2.Feature) -> str:
    """The numbers that the schema takes: ", expected 0 to 9"; empty where it says nothing of them."""
    for kind in ("int_domain", "float_domain"):
        if feature.HasField(kind):
            bounds = getattr(feature, kind)
            return f", expected {bounds.min:g}" if bounds.min == bounds.max else f", expected {bounds.min:g} to {bounds.max:g}"
    return ""
