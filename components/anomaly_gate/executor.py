"""Reads the anomalies of each split and fails if there are any."""

from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
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
        found = [
            line
            for split in artifact_utils.decode_split_names(artifact.split_names)
            for line in describe(split, read_anomalies(Path(artifact.uri) / f"Split-{split}" / "SchemaDiff.pb"))
        ]
        if found:
            raise DataRejected(
                f"expected data that fits the schema, found {len(found)} anomalies: {'; '.join(found)}. "
                "Mend the data, or the schema if it is wrong."
            )
        Path(artifact_utils.get_single_uri(output_dict["blessing"]), "DATA_BLESSED").touch()


def read_anomalies(path: Path) -> anomalies_pb2.Anomalies:
    """The anomalies of one split, as ExampleValidator wrote them."""
    return anomalies_pb2.Anomalies.FromString(path.read_bytes())


def describe(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """One line for each anomaly of a split: "label (train): Out-of-range values: …"."""
    lines = [f"{name} ({split}): {info.short_description}: {info.description}" for name, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.HasField("dataset_anomaly_info"):
        lines.append(f"data set ({split}): {anomalies.dataset_anomaly_info.description}")
    if anomalies.data_missing:
        lines.append(f"data set ({split}): there are no examples")
    return [line.rstrip(". ") for line in lines]
