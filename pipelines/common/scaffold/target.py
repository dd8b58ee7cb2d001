"""What is to be learned: the label's column, its kind and classes, and the bounds that a model of it has to beat."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Sequence

from components.errors import DataRejected
from components.table_example_gen.layout import NO_NUMBER
from pipelines.common.config import BINARY, MULTICLASS, REGRESSION, Gate
from pipelines.common.errors import UsageError
from pipelines.common.scaffold.inspection import feature_name_of, is_number
from pipelines.common.scaffold.texts import shown

TEST_SHARE = 0.2  # of the rows, where the data has no test set of its own
LEAST_ROWS = 50
LEAST_OF_A_CLASS = 5
MOST_CLASSES = 100
# Whole numbers are taken for classes if there are at most so many, each on at least this share of the rows.
FEW_NUMBERS, COMMON = 10, 0.01
# Where the rarer of two classes is below this, accuracy says little: answering "the other one" is nearly always right.
RARE = 0.2
NO_CLASS = tuple(text for text in NO_NUMBER if text != "none")


@dataclasses.dataclass(frozen=True)
class Target:
    """The label.

    Attributes:
        name: of its column.
        feature: its name in the schema.
        task: REGRESSION, BINARY or MULTICLASS.
        class_names: in the order of their numbers, which is the alphabetical one but for a rare class of two; empty for a regression.
        counts: rows by class.
        values: of a regression.
        missing: how many rows have none.
    """

    name: str
    feature: str
    task: str
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    values: tuple[float, ...]
    missing: int

    @property
    def rows(self) -> int:
        """How many rows have a label."""
        return sum(self.counts) or len(self.values)


def find_target(name: str, cells: Sequence[str], task: str) -> Target:
    """The label by its values.

    Args:
        name: of its column.
        cells: its texts.
        task: what the user says it is, or "auto": numbers are a regression, unless there are two or, on many rows each, a few of
            them; texts are classes.

    Raises:
        UsageError: the values are not of that task.
        DataRejected: they are too few, all the same, or one of them is too rare to be learned.
    """
    known = list(itertools.compress((cell.strip() for cell in cells), labelled(cells)))
    counts = Counter(known)
    numbers = all(map(is_number, counts))
    if len(known) < LEAST_ROWS:
        raise DataRejected(f"expected at least {LEAST_ROWS} rows with a value of {name}, received {len(known)}. Add rows.")
    if len(counts) == 1:
        raise DataRejected(f"expected different values of {name} to learn, received {known[0]!r} on all rows. Choose another label.")
    found = Target(name, feature_name_of(name), guess_task(counts) if task == "auto" else task, (), (), (), len(cells) - len(known))
    if found.task == REGRESSION:
        if not numbers:
            other = next(value for value in counts if not is_number(value))
            raise UsageError(f"expected numbers of {name} for a regression, received {other!r}. Leave --task out, or mend the data.")
        return dataclasses.replace(found, values=tuple(map(float, known)))
    if found.task == BINARY and len(counts) != 2:
        raise UsageError(f"expected two values of {name} for --task binary, received {len(counts)}. Use --task multiclass.")
    if len(counts) > MOST_CLASSES:
        hint = "Use --task regression." if numbers else "Choose another label."
        raise UsageError(f"expected at most {MOST_CLASSES} classes of {name}, received {len(counts)} different values. {hint}")
    rarest, least = min(counts.items(), key=lambda item: item[1])
    if least < LEAST_OF_A_CLASS:
        raise DataRejected(
            f"expected at least {LEAST_OF_A_CLASS} rows of each {name}, received {least} of {rarest!r}. Add some, or leave them out."
        )
    names = sorted(counts, key=(lambda value: (float(value), value)) if numbers else None)
    if found.task == BINARY and not numbers and least < RARE * counts.total():
        names.sort(key=lambda value: value == rarest)  # a binary model gives the probability of the second: what is looked for
    return dataclasses.replace(found, class_names=tuple(names), counts=tuple(counts[name] for name in names))


def labelled(cells: Sequence[str]) -> list[bool]:
    """Of each cell of a label, whether it says something. "None" may be the name of a class, where there are others that are no numbers."""
    texts = [cell.strip() for cell in cells]
    numbers = all(is_number(text) for text in set(texts) if text.lower() not in NO_NUMBER)
    nothing = NO_NUMBER if numbers else NO_CLASS
    return [text.lower() not in nothing for text in texts]


def guess_task(counts: Counter[str]) -> str:
    """What kind of label has these values."""
    if len(counts) == 2:
        return BINARY
    if not all(map(is_number, counts)):
        return MULTICLASS
    whole = all(float(value).is_integer() for value in counts)
    few = len(counts) <= FEW_NUMBERS and min(counts.values()) >= COMMON * counts.total()
    return MULTICLASS if whole and few else REGRESSION


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What answers without looking at the inputs reach, and the gate that a model has to pass.

    Attributes:
        gate: on the metric that tells a model from such answers.
        value: what these answers reach.
        what: they are.
        metrics: further ones that are worth a look.
    """

    gate: Gate
    value: float
    what: str
    metrics: tuple[str, ...]


def baseline(target: Target) -> Baseline:
    """The bound of a gate: a model is better than the best constant answer, by more than chance on a test split of a fifth of the rows.

    Numbers: 5% under the standard deviation, which is the error of answering the mean. Classes: the most frequent class's share
    plus two standard errors of an accuracy, at most half way to 1. Two classes, one of them rare: an area under the ROC curve of
    0.5 plus two standard errors (of the Mann-Whitney statistic, under equality), at most 0.75.
    """
    tested = TEST_SHARE * target.rows
    if target.task == REGRESSION:
        deviation = statistics.pstdev(target.values)
        gate = Gate("RootMeanSquaredError", *twice(0.95 * deviation), higher_is_better=False, tolerance=rounded(0.02 * deviation))
        return Baseline(gate, deviation, "always answering the mean", ("MeanAbsoluteError",))
    most = max(target.counts)
    answer, share = f"always answering {shown(target.class_names[target.counts.index(most)])}", most / target.rows
    if target.task == BINARY and 1 - share < RARE:
        rare = TEST_SHARE * min(target.counts)
        error = math.sqrt((tested + 1) / (12 * rare * (tested - rare)))
        gate = Gate("AUC", *twice(min(0.5 + max(2 * error, 0.05), 0.75)), tolerance=0.02)
        return Baseline(gate, 0.5, answer, ("BinaryAccuracy", "Precision", "Recall"))
    error = math.sqrt(share * (1 - share) / tested)
    bounds = twice(min(share + max(2 * error, 0.01), (1 + share) / 2))
    if target.task == BINARY:
        return Baseline(Gate("BinaryAccuracy", *bounds, tolerance=0.02), share, answer, ("AUC",))
    return Baseline(Gate("SparseCategoricalAccuracy", *bounds, tolerance=0.02), share, answer, ())


def twice(bound: float) -> tuple[float, float]:
    """The bound for the sample and for full data: the user's own data is both."""
    return rounded(bound), rounded(bound)


def rounded(value: float) -> float:
    """A number with three significant digits."""
    return float(f"{value:.3g}")
