"""Anomalies of the data that a run may go on with: each named, with a reason and a last day.

They stand in `schemas/<model>/allowed_anomalies.toml`, beside the curated schemas:

    [[allowed]]
    feature = "total_bedrooms"  # without it: of the data set as a whole
    anomaly = "FEATURE_TYPE_LOW_FRACTION_PRESENT"
    reason = "the census of the new counties comes in spring"
    until = 2027-03-31
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError
from pipelines.common.hyperparameters import suggestion

FILE = "allowed_anomalies.toml"
_REQUIRED = ("anomaly", "reason", "until")


def read_allowances(schema_dir: Path, today: datetime.date) -> list[dict[str, Any]]:
    """The allowances of a model.

    Args:
        schema_dir: the folder of its schemas.
        today: those whose last day was before are no longer in force.

    Returns:
        `feature` (empty for the data set), `anomaly`, `reason`, `until` (ISO 8601) and `in_force` of each. Whether it is in force is
        part of what enters the cache key: on the day after its last one, data that was let through is looked at again.

    Raises:
        DarsenaError: the file is damaged, or says what is no allowance.
    """
    file = schema_dir / FILE
    if not file.exists():
        return []
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DarsenaError(f"expected {file} to be TOML, received: {error}.") from error
    entries = content.get("allowed")
    if set(content) != {"allowed"} or not isinstance(entries, list):
        raise DarsenaError(f"expected nothing but [[allowed]] tables in {file}, received {', '.join(sorted(content)) or 'nothing'}.")
    return [_allowance(entry, f"allowance {number} in {file}", today) for number, entry in enumerate(entries, 1)]


def _allowance(entry: Mapping[str, Any], where: str, today: datetime.date) -> dict[str, Any]:
    """One allowance, checked: see `read_allowances`."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    unknown, lacking = set(entry) - {"feature", *_REQUIRED}, set(_REQUIRED) - set(entry)
    if unknown or lacking:
        said = f"without {', '.join(sorted(lacking))}" if lacking else f"with {', '.join(sorted(unknown))}"
        raise DarsenaError(f"expected feature, anomaly, reason and until in {where}, received one {said}.")
    feature, anomaly, reason, until = entry.get("feature", ""), entry["anomaly"], entry["reason"], entry["until"]
    known = anomalies_pb2.AnomalyInfo.Type.keys()
    if anomaly not in known:
        raise DarsenaError(f"expected one of TFDV's anomalies in {where}, received {anomaly!r}. {suggestion(str(anomaly), list(known))}")
    if not isinstance(feature, str) or not isinstance(reason, str) or not reason.strip():
        raise DarsenaError(f"expected the name of a feature and a reason in words in {where}, received {feature!r} and {reason!r}.")
    if not isinstance(until, datetime.date) or isinstance(until, datetime.datetime):
        raise DarsenaError(f"expected the last day in {where} as a date, such as until = 2027-03-31, received {until!r}.")
    found = {"feature": feature, "anomaly": anomaly, "reason": reason.strip(), "until": until.isoformat()}
    return found | {"in_force": until >= today}
