"""What a TFLite format loses of the metrics that the model was blessed by, on labelled examples.

One point is 0.01 of a metric of which more is better (accuracy, F1, precision, the area under a curve: all from 0 to 1), and 1% of
the trained model's own value where less is better (RMSE, MAE: in units of the label).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.golden import read_records
from components.labels import read_labels, read_numbers

# Of the evaluation split, the first; an example is then a tenth of a point, and a network of pictures takes seconds.
LABELLED_EXAMPLES = 1000
THRESHOLD = 0.5
# How TFMA computes what Keras has under the same name with other defaults.
SETTINGS: Mapping[str, Mapping[str, Any]] = {"AUC": {"num_thresholds": 10_000}, "F1Score": {"threshold": THRESHOLD}}


@dataclasses.dataclass(frozen=True)
class Gating:
    """Where labelled examples are, and which metrics a format may not lose.

    Attributes:
        metrics: for each of Keras's metrics by name, whether more is better. A model of another kind has none.
        examples: folder of TFRecords of raw tf.Examples.
        label: feature with the truth: a class as a number or one of `class_names`, or a number.
        class_names: in the order of the model's outputs; empty for a regressor.
    """

    metrics: Mapping[str, bool]
    examples: Path
    label: str
    class_names: Sequence[str]

    def read(self) -> tuple[list[bytes], np.ndarray]:
        """Examples and their labels [N].

        Raises:
            ValueError: the labels are not what `label` says.
        """
        records = read_records(self.examples, LABELLED_EXAMPLES) if self.metrics else []
        if not records:
            return [], np.zeros(0)
        return records, read_labels(records, self.label, self.class_names) if self.class_names else read_numbers(records, self.label)


@dataclasses.dataclass(frozen=True)
class Loss:
    """What a format loses of one metric.

    Attributes:
        metric: its name.
        reference, value: of the trained model, and of the format.
        points: lost; negative where the format is better.
        flips: examples to which the format gives another class; None for a regressor.
    """

    metric: str
    reference: float
    value: float
    points: float
    flips: int | None

    def violation(self, most: float) -> str:
        """What is wrong with losing so much; empty when nothing is. A single example may always differ: of a few it is over a point."""
        if self.points <= most or self.flips == 1:
            return ""
        return (
            f"expected at most {most:g} points of {self.metric} lost, received {self.points:.2f} "
            f"({self.value:.4g} where the trained model has {self.reference:.4g})"
        )


def losses(metrics: Mapping[str, bool], reference: np.ndarray, answers: np.ndarray, labels: np.ndarray) -> list[Loss]:
    """What `answers` lose against `reference`, the trained model's, both [N, classes] or [N, 1], with labels [N], of each metric."""
    of_classes = labels.dtype.kind in "iu"
    flips = int(np.sum(_classes(reference) != _classes(answers))) if of_classes else None
    found = []
    for name, higher_is_better in metrics.items():
        before, after = measure(name, reference, labels), measure(name, answers, labels)
        points = 100 * (before - after) if higher_is_better else 100 * (after / before - 1)
        found.append(Loss(name, before, after, points, flips))
    return found


def measure(name: str, answers: np.ndarray, labels: np.ndarray) -> float:
    """A metric of Keras, computed as TFMA does: answers float [N, classes] or [N, 1], labels [N].

    Raises:
        ValueError: Keras has no such metric.
    """
    import keras

    kind = getattr(keras.metrics, name, None)
    if kind is None:
        raise ValueError(f"expected the gate of a model with labels to be on a metric of Keras, received {name!r}: name one that it has.")
    metric = kind(**SETTINGS.get(name, {}))
    metric.update_state(labels.reshape(-1, 1), answers)
    return float(np.ravel(metric.result())[0])


def _classes(answers: np.ndarray) -> np.ndarray:
    return answers.argmax(1) if answers.shape[1] > 1 else answers[:, 0] > THRESHOLD
