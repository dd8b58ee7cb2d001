"""A model of the rows of a table: from the file to its draft."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import DataRejected
from pipelines.common.errors import UsageError
from pipelines.common.scaffold.draft import Draft
from pipelines.common.scaffold.inspection import Column, inspect
from pipelines.common.scaffold.render import Plan, readme_row, render
from pipelines.common.scaffold.table import DELIMITERS, read_table, write_copy
from pipelines.common.scaffold.target import baseline, find_target, labelled


def draft_of_rows(name: str, path: Path, label: str, task: str, text: str | None) -> Draft:
    """Looks at a table and makes a model of it.

    Args:
        name: of the model.
        path: of the file.
        label: the column to learn; rows without it are left out.
        task: "auto", "regression", "binary" or "multiclass".
        text: a column that is free text.

    Raises:
        UsageError: there is no such column, or the label is not of that task.
        DataRejected: the file is damaged, or there is nothing in it to learn, or to learn from.
    """
    table = read_table(path)
    label, text = table.column(label, "--label"), text and table.column(text, "--text")
    if label == text:
        raise UsageError(f"expected --text to be another column than --label, received {label!r} twice.")
    target = find_target(label, table.cells[label], task)
    keep = labelled(table.cells[label])
    inputs = {
        column: [cell for cell, kept in zip(cells, keep, strict=True) if kept] for column, cells in table.cells.items() if column != label
    }
    columns = inspect(inputs, text)
    check_features([(label, target.feature), *((column.name, column.feature) for column in columns)], path)
    plan = Plan(name, path.name, table.delimiter if table.quoted else ",", columns, target, baseline(target))
    if not plan.used:
        raise DataRejected(f"expected a column of {path} to learn from, received {why_dropped(columns)}. Add one.")
    return Draft(render(plan), readme_row(plan), functools.partial(write_copy, table, keep), review(plan, DELIMITERS[table.delimiter]))


def check_features(names: Sequence[tuple[str, str]], path: Path) -> None:
    """Raises DataRejected if two columns (name, feature) would be one feature."""
    columns: dict[str, str] = {}
    for name, feature in names:
        if feature in columns:
            raise DataRejected(
                f"expected names of columns in {path} that differ by more than case and signs, received {columns[feature]!r} and {name!r}, "
                f"which would both be {feature}. Rename one."
            )
        columns[feature] = name


def why_dropped(columns: Sequence[Column]) -> str:
    """Each column with the reason why it is left out."""
    return ", ".join(f"{column.name} ({column.note})" for column in columns)


def review(plan: Plan, delimiter: str) -> dict[str, Any]:
    """What there is to know about the data before a first run."""
    target, found = plan.target, plan.baseline
    return {
        "rows": target.rows,
        "rows_without_label": target.missing,
        "delimiter": delimiter,
        "label": {"column": target.name, "task": target.task, "classes": dict(zip(target.class_names, target.counts, strict=True))},
        "columns": [described(column) for column in plan.columns],
        "gate": {**dataclasses.asdict(found.gate), "baseline": found.value, "answer": found.what},
    }


def described(column: Column) -> dict[str, Any]:
    """A column in JSON's types."""
    return {key: getattr(column, key) for key in ("name", "feature", "kind", "missing", "distinct", "domain", "use")}
