"""Reads the anomalies of each split and fails if there are any that are not allowed."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.errors import DataRejected

# Custom property of the blessing: the allowances that were made use of, as JSON.
ALLOWED = "allowed"
_DATA_SET = ""  # where a feature's name would be, of anomalies of the whole


class Executor(base_executor.BaseExecutor):
    """Work of AnomalyGate."""

    def Do(
        self, input_dict: dict[str, list[types.Artifact]], output_dict: dict[str, list[types.Artifact]], exec_properties: dict[str, Any]
    ) -> None:
        """Fails if a split has anomalies that are not allowed today.

        Raises:
            DataRejected: names each anomaly with its split and feature.
        """
        artifact = artifact_utils.get_single_instance(input_dict["anomalies"])
        splits = artifact_utils.decode_split_names(artifact.split_names)
        found = {split: read_anomalies(Path(artifact.uri) / f"Split-{split}" / "SchemaDiff.pb") for split in splits}
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        allowances = json.loads(exec_properties.get("allowed") or "[]")
        allowances = [each | {"in_force": each["in_force"] and each["until"] >= today} for each in allowances]
        objections, used = judge(found, [each for each in allowances if each["in_force"]])
        if objections:
            raise DataRejected(
                f"expected data that fits the schema, found: {'; '.join(objections)}. "
                f"{_ended(found, allowances)}Mend the data, or the schema if it is wrong."
            )
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        Path(blessing.uri, "DATA_BLESSED").touch()
        if used:
            blessing.set_string_custom_property(ALLOWED, json.dumps(used))
            Path(blessing.uri, "section.json").write_text(json.dumps(section(used), indent=1))


def read_anomalies(path: Path) -> anomalies_pb2.Anomalies:
    """The anomalies of one split, as ExampleValidator wrote them."""
    return anomalies_pb2.Anomalies.FromString(path.read_bytes())


def judge(
    anomalies: Mapping[str, anomalies_pb2.Anomalies], allowances: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[dict[str, Any]]]:
    """What is to be objected to, and what is let through.

    Args:
        anomalies: by split, as ExampleValidator found them; they hold the schema too.
        allowances: those in force (pipelines/common/allowances.py).

    Returns:
        One line for each feature with anomalies that are not all allowed: "label: Unexpectedly large value: 10, expected 0 to 9
        (train, test)"; and the allowances made use of, each with its `splits`.
    """
    objections: dict[str, list[str]] = {}
    used: dict[int, list[str]] = {}
    for split, found in anomalies.items():
        expected = {feature.name: domain(feature) for feature in found.baseline.feature}
        for name, info in features(found):
            fitting = [index for reason in info.reason if (index := allowance(name, reason, allowances)) is not None]
            if fitting and len(fitting) == len(info.reason):
                for index in fitting:
                    used.setdefault(index, []).append(split)
                continue
            line = f"{name or 'data set'}: {info.description.rstrip('. ')}{expected.get(name, '')}"
            objections.setdefault(line, []).append(split)
        if found.data_missing:
            objections.setdefault("data set: there are no examples", []).append(split)
    return (
        [f"{line} ({', '.join(where)})" for line, where in objections.items()],
        [{**allowances[index], "splits": sorted(set(where))} for index, where in used.items()],
    )


def features(found: anomalies_pb2.Anomalies) -> Iterator[tuple[str, anomalies_pb2.AnomalyInfo]]:
    """What TFDV objects to by feature, in the order of their names; under an empty name what it has against the data set."""
    yield from sorted(found.anomaly_info.items())
    if found.HasField("dataset_anomaly_info"):
        yield _DATA_SET, found.dataset_anomaly_info


def allowance(feature: str, reason: anomalies_pb2.AnomalyInfo.Reason, allowances: Sequence[Mapping[str, Any]]) -> int | None:
    """Index of the allowance that covers an anomaly of a feature; None if there is none."""
    name = anomalies_pb2.AnomalyInfo.Type.Name(reason.type)
    return next((index for index, each in enumerate(allowances) if (each["feature"], each["anomaly"]) == (feature, name)), None)


def _ended(anomalies: Mapping[str, anomalies_pb2.Anomalies], allowances: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on allowances that would have helped, had they not ended; empty if there is none."""
    _, fitting = judge(anomalies, allowances)
    missed = [each for each in fitting if not each["in_force"]]
    said = ", ".join(f"{each['anomaly']} of {each['feature'] or 'the data set'} on {each['until']}" for each in missed)
    return f"Allowances ended: {said}. " if said else ""


def section(used: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The report's section on what was let through."""
    rows = [[each["feature"] or "data set", each["anomaly"], ", ".join(each["splits"]), each["reason"], each["until"]] for each in used]
    table = {"title": "Allowed anomalies", "columns": ["feature", "anomaly", "splits", "reason", "until"], "rows": rows}
    text = "The data does not fit the schema in this; it was let through all the same."
    return {"title": "Allowed anomalies", "text": text, "pictures": [], "tables": [table]}


def domain(feature: schema_pb2.Feature) -> str:
    """The numbers that the schema takes: ", expected 0 to 9"; empty where it says nothing of them."""
    for kind in ("int_domain", "float_domain"):
        if feature.HasField(kind):
            bounds = getattr(feature, kind)
            return f", expected {bounds.min:g}" if bounds.min == bounds.max else f", expected {bounds.min:g} to {bounds.max:g}"
    return ""
