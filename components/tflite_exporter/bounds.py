"""What the answers of each TFLite format are held to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from components.golden import FLOAT32_DIFF, Comparison
from components.tflite_exporter.gating import Loss

EIGHT_BITS = ("int8", "dynamic")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far an export's answers may be from the golden ones, and how much of the gating metrics it may lose.

    A model without a metric to lose is held to the classes, or to the differences, of int8 and dynamic instead.

    Attributes:
        float32_diff: largest difference of float32, absolute, or relative to outputs larger than 1.
        float16_diff: the same of float16.
        points: how many points of each gating metric any format may lose (gating.py says what a point is).
        int8_agreement: share of examples to which int8, or dynamic, gives the same class. One example may always differ, because a
            share can't be told more exactly from a few.
        int8_diff: for a model without classes, largest difference of int8, or dynamic, relative to the range of an output.
        int8_mean_diff: for such a model, the mean difference likewise. Of a picture's many pixels some at an edge differ by much.
    """

    float32_diff: float = FLOAT32_DIFF
    float16_diff: float = 5e-3
    points: float = 1.0
    int8_agreement: float = 0.97
    int8_diff: float = 0.1
    int8_mean_diff: float = 0.1

    def violation(self, name: str, found: Comparison, examples: int, losses: Sequence[Loss] = ()) -> str:
        """What is wrong with the format's answers to so many golden examples, and with its losses; empty when nothing is."""
        if found.problem:
            return found.problem
        lost = next((violation for loss in losses if (violation := loss.violation(self.points))), "")
        if name not in EIGHT_BITS:
            bound = self.float32_diff if name == "float32" else self.float16_diff
            return _above("a largest difference", found.relative_diff, bound) or lost
        if losses:
            return lost
        if found.agreement is None:
            largest = _above("a largest difference relative to the outputs' range", found.spread_diff, self.int8_diff)
            return largest or _above("a mean difference relative to the outputs' range", found.mean_diff, self.int8_mean_diff)
        differ = round((1 - found.agreement) * examples)
        # Rounded first, because (1 - 0.97) * 100 is a little above 3.
        allowed = math.ceil(round((1 - self.int8_agreement) * examples, 9))
        if differ <= allowed:
            return ""
        return f"expected the same class for at least {self.int8_agreement:.2f} of {examples} examples, received {found.agreement:.2f}"


def _above(what: str, value: float, bound: float) -> str:
    return f"expected {what} of at most {bound:g}, received {value:.3g}" if value > bound else ""
