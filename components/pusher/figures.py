"""What the Evaluator measured, as plain numbers that go with a version."""

from __future__ import annotations

from pathlib import Path

from components.custom_evaluator.executor import BASELINE
from components.golden import read_records


def read_figures(evaluation: Path) -> dict[str, float]:
    """Metrics of all examples by their names, those that are one number; not the served model's, nor those of slices.

    Args:
        evaluation: the folder of the Evaluator's `evaluation`, or of one that is written alike.
    """
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2

    found = {}
    for file in sorted(evaluation.glob("metrics*.tfrecord")):
        for record in read_records(file):
            part = metrics_for_slice_pb2.MetricsForSlice.FromString(record)
            if part.slice_key.single_slice_keys or part.HasField("cross_slice_key"):
                continue
            for item in part.metric_keys_and_values:
                plain = item.value.WhichOneof("type") == "double_value" and not item.key.HasField("sub_key")
                if plain and not item.key.is_diff and item.key.model_name != BASELINE:
                    found[item.key.name] = item.value.double_value.value
    return found
