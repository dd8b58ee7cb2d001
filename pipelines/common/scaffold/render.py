"""The files of a new model over the rows of a table, as texts."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from pipelines.common.config import BINARY, MULTICLASS, REGRESSION
from pipelines.common.scaffold.inspection import CATEGORY, DATE, DROPPED, MOST_CATEGORIES, NUMBER, TEXT, Column
from pipelines.common.scaffold.target import Baseline, Target, rounded
from pipelines.common.scaffold.texts import listed, quoted, render_all, shown, table_row
from reporting import formats

# Values of a category that the schema names; of more, it names none.
MOST_NAMED = 100
SLICES, MOST_SLICED = 2, 10
STEPS = 3000
# What a model gives, and what a search looks at on the validation split.
OUTPUTS = {
    REGRESSION: "`prediction`, float32 [N, 1], in the label's unit",
    BINARY: "`probability`, float32 [N, 1], of the second class",
    MULTICLASS: "`probabilities`, float32 [N, {}]",
}
OBJECTIVES = {
    "RootMeanSquaredError": "val_rmse",
    "AUC": "val_auc",
    "BinaryAccuracy": "val_accuracy",
    "SparseCategoricalAccuracy": "val_accuracy",
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """A model to write.

    Attributes:
        name: of the model.
        source: name of the file that its rows are from.
        delimiter: of that file, where it is a .csv.
        columns: all but the label.
        target: the label.
        baseline: what the model has to beat.
    """

    name: str
    source: str
    delimiter: str
    columns: Sequence[Column]
    target: Target
    baseline: Baseline

    @property
    def used(self) -> list[Column]:
        """The columns that the model takes."""
        return [column for column in self.columns if column.kind != DROPPED]

    @property
    def learns(self) -> str:
        """One line on what it does."""
        kinds = {NUMBER: "numbers", CATEGORY: "categories", DATE: "dates", TEXT: "texts"}
        found = [words for kind, words in kinds.items() if any(column.kind == kind for column in self.used)]
        verb = "predicts" if self.target.task == REGRESSION else "tells"
        return f"{verb} {shown(self.target.name)} from {listed(found)} of a row"

    @property
    def reference(self) -> str:
        """One line on what the model is held against."""
        gate, found = self.baseline.gate, self.baseline
        metric = gate.metric if gate.metric.isupper() else formats.title(gate.metric).lower()
        return f"{metric} of {found.what}: {formats.metric(found.value)}"


def render(plan: Plan) -> dict[str, str]:
    """The texts of the model's files by path in the repository: see `render_all`."""
    codes = [code(column) for column in plan.used]
    given = {
        "plan": plan,
        "task": plan.target.task.upper(),
        "rows": f"{plan.target.rows:,}",
        "domains": {column.name: domain(column) for column in plan.used},
        "label_domain": widened(min(plan.target.values), max(plan.target.values)) if plan.target.values else (),
        "codes": codes,
        "kinds": sorted({code.split("(")[0] for code in codes}),
        "hparams": hparams(plan),
        "slices": slices(plan),
        "output": OUTPUTS[plan.target.task].format(len(plan.target.class_names)),
        "objective": OBJECTIVES[plan.baseline.gate.metric],
    }
    return render_all("table", plan.name, given)


def code(column: Column) -> str:
    """The declaration of a column in the trainer module."""
    arguments = {
        NUMBER: ["missing=True"] if column.missing else [],
        CATEGORY: [f"size={min(column.distinct, MOST_CATEGORIES)}"],
        DATE: [f"order={quoted(column.order)}"],
        TEXT: [],
    }[column.kind]
    return f"{column.kind.title()}({', '.join([quoted(column.feature), *arguments])})"


def domain(column: Column) -> tuple[float, float] | tuple[str, ...]:
    """What the schema allows of a column."""
    if column.kind == NUMBER:
        return widened(column.low, column.high)
    return column.values if column.kind == CATEGORY and len(column.values) <= MOST_NAMED else ()


def widened(low: float, high: float) -> tuple[float, float]:
    """Bounds of numbers: beyond those seen by as much as these differ, but none below 0 if none was."""
    span = (high - low) or abs(high) or 1.0
    return (0.0 if low - span < 0 <= low else rounded(low - span)), rounded(high + span)


def hparams(plan: Plan) -> dict[str, Any]:
    """Defaults for so many rows."""
    rows = plan.target.rows
    batch_size = 32 if rows < 2000 else 64 if rows < 20000 else 256
    found = {
        "features": "all",
        "scaling": "log",
        "impute": "median",
        "buckets": 0,
        "crosses": "none",
        "embedding": 8,
        "network": "dnn",
        "depth": 2,
        "width": 64,
        "dropout": 0.1,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": batch_size,
        "epochs": min(max(math.ceil(STEPS * batch_size / (0.7 * rows)), 5), 60),
    }
    if plan.target.task == REGRESSION:
        offset, scale = statistics.fmean(plan.target.values), statistics.pstdev(plan.target.values)
        found |= {"label_offset": rounded(offset), "label_scale": rounded(scale)}
    return found


def slices(plan: Plan) -> list[str]:
    """Features to report the metrics by: the classes, and categories of few values."""
    classes = [plan.target.feature] if plan.target.class_names and plan.baseline.gate.metric != "AUC" else []
    few = [column.feature for column in plan.used if column.kind == CATEGORY and column.distinct <= MOST_SLICED]
    return [*classes, *few[:SLICES]]


def readme_row(plan: Plan) -> str:
    """The model's line in the README's table."""
    return table_row(plan.name, plan.learns, f"{plan.target.rows:,} rows of {shown(plan.source)}", plan.reference)
