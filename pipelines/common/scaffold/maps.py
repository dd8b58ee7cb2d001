"""A self-organising map of the rows of a table, by its columns of numbers: from the file to its draft."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import DataRejected
from components.table_example_gen.layout import NO_NUMBER
from pipelines.common.config import Gate
from pipelines.common.scaffold.draft import Draft
from pipelines.common.scaffold.inspection import DROPPED, NUMBER, Column, almost_numbers, inspect
from pipelines.common.scaffold.render import domain
from pipelines.common.scaffold.rows import check_features, described, why_dropped
from pipelines.common.scaffold.table import DELIMITERS, RawTable, read_table, write_copy
from pipelines.common.scaffold.target import LEAST_ROWS, rounded, twice
from pipelines.common.scaffold.texts import render_all, shown, table_row
from reporting import formats

LEAST_COLUMNS = 2
# A map has 5 √rows units (J. Vesanto and others, "SOM Toolbox for Matlab 5", 2000), but no more than these, nor more than make so many
# distances from rows, which training holds in memory.
MOST_UNITS, MOST_DISTANCES = 900, 2e8
# Real tables lie below these on rows that were held out; noise in many columns, which no map can lay out, above.
WORST_SHARE, WORST_ORDER = 0.9, 0.25


@dataclasses.dataclass(frozen=True)
class MapPlan:
    """A map to write.

    Attributes:
        name: of the model.
        source: name of the file that its rows are from.
        delimiter: of that file, where it is a .csv.
        rows: how many there are.
        columns: all, of which those that are no numbers are dropped.
        label: the column that names the rows; None where none does.
        spread: mean distance of the rows from their mean, in standard deviations of the columns.
    """

    name: str
    source: str
    delimiter: str
    rows: int
    columns: Sequence[Column]
    label: Column | None
    spread: float

    @property
    def used(self) -> list[Column]:
        """The columns that the map goes by."""
        return [column for column in self.columns if column.kind == NUMBER]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        units = min(5 * math.sqrt(self.rows), MOST_UNITS, MOST_DISTANCES / self.rows)
        side = max(2, round(math.sqrt(units)))
        return side, max(2, round(units / side))

    @property
    def baselines(self) -> list[tuple[Gate, float, str]]:
        """The gates, each with what a map that learned nothing reaches, and what that map is."""
        bound = twice(WORST_SHARE * self.spread)
        error = Gate("QuantizationError", *bound, higher_is_better=False, tolerance=rounded(0.02 * self.spread))
        order = Gate("TopographicError", *twice(WORST_ORDER), higher_is_better=False, tolerance=0.1)
        return [(error, self.spread, "one unit at the mean of all rows"), (order, disorder(*self.size), "units in no order")]

    @property
    def learns(self) -> str:
        """One line on what it does."""
        return f"lays out rows on a map by {len(self.used)} numbers, so that like ones lie side by side"

    @property
    def reference(self) -> str:
        """One line on what the map is held against."""
        gate, value, what = self.baselines[0]
        return f"{formats.title(gate.metric).lower()} of {what}: {formats.metric(value)}"


def draft_of_map(name: str, path: Path) -> Draft:
    """Looks at a table and makes a map of its rows.

    Args:
        name: of the model.
        path: of the file.

    Raises:
        UsageError: it is no file of rows.
        DataRejected: it is damaged, or has too few rows or columns of numbers.
    """
    table = read_table(path)
    if table.rows < LEAST_ROWS:
        raise DataRejected(f"expected at least {LEAST_ROWS} rows in {path} to lay out, received {table.rows}. Add rows.")
    found = inspect(table.cells, None)
    label = next((column for column in found if names_rows(column, table.rows)), None)
    columns = [column if column.kind in (NUMBER, DROPPED) else without(column) for column in found]
    used = [column for column in columns if column.kind == NUMBER]
    if len(used) < LEAST_COLUMNS:
        dropped = why_dropped([column for column in columns if column.kind == DROPPED])
        others = f" beside {dropped}" if dropped else ""
        raise DataRejected(f"expected at least {LEAST_COLUMNS} columns of numbers in {path}, received {len(used)}{others}. Add some.")
    check_features([(column.name, column.feature) for column in filter(None, [*used, label])], path)
    delimiter = table.delimiter if table.quoted else ","
    plan = MapPlan(name, path.name, delimiter, table.rows, columns, label, mean_distance(table, used))
    row = table_row(name, plan.learns, f"{table.rows:,} rows of {shown(path.name)}", plan.reference)
    fill = functools.partial(write_copy, table, [True] * table.rows)
    return Draft(render(plan), row, fill, review(plan, DELIMITERS[table.delimiter]))


def names_rows(column: Column, rows: int) -> bool:
    """Whether each row has a text of its own in this column, and these are no numbers written otherwise."""
    return column.distinct == rows and bool(column.values) and not almost_numbers(Counter(column.values))


def without(column: Column) -> Column:
    """A column that is of no numbers, as one that is left out."""
    note = "; ".join(filter(None, [f"a {column.kind}, no number", column.note]))
    return dataclasses.replace(column, kind=DROPPED, note=note)


def mean_distance(table: RawTable, columns: Sequence[Column]) -> float:
    """Of the rows from their mean, each column in its standard deviations; a missing value is the mean."""
    squares = [0.0] * table.rows
    for column in columns:
        values = [None if cell.strip().lower() in NO_NUMBER else float(cell) for cell in table.cells[column.name]]
        known = [value for value in values if value is not None]
        mean = statistics.fmean(known)
        # A constant one with gaps has no deviation, and no part in any distance.
        variance = statistics.fmean((value - mean) ** 2 for value in known) or 1.0
        for row, value in enumerate(values):
            squares[row] += 0.0 if value is None else (value - mean) ** 2 / variance
    return statistics.fmean(map(math.sqrt, squares))


def disorder(rows: int, columns: int) -> float:
    """The chance that two different units of a map are no neighbours."""
    units = rows * columns
    neighbours = rows * (columns - 1) + columns * (rows - 1) + 2 * (rows - 1) * (columns - 1)
    return 1 - neighbours / (units * (units - 1) / 2)


def render(plan: MapPlan) -> dict[str, str]:
    """The texts of the model's files by path in the repository: see `render_all`."""
    height, width = plan.size
    hparams = {"rows": height, "columns": width, "iterations": 100, "sigma": max(height, width) / 2, "last_sigma": 0.7, "rate": 0.5}
    given = {"plan": plan, "rows": f"{plan.rows:,}", "domains": {column.name: domain(column) for column in plan.used}, "hparams": hparams}
    return render_all("map", plan.name, given)


def review(plan: MapPlan, delimiter: str) -> dict[str, Any]:
    """What there is to know about the data before a first run."""
    return {
        "rows": plan.rows,
        "delimiter": delimiter,
        "map": list(plan.size),
        "columns": [described(column) | {"use": use(column, plan.label)} for column in plan.columns],
        "gates": [{**dataclasses.asdict(gate), "baseline": value, "answer": what} for gate, value, what in plan.baselines],
    }


def use(column: Column, label: Column | None) -> str:
    """What the map does with a column."""
    if label and column.name == label.name:
        return "names the row in pictures"
    if column.kind == NUMBER:
        return "scaled, a missing one is the mean" if column.missing else "scaled"
    return column.use
