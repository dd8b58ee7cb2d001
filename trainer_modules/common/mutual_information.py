"""How much each column of a table tells of the label, for the selection of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer_modules.common.input_data import Rows
from trainer_modules.common.tabular import Category, Column, Date, Number
from trainer_modules.common.tabular_model import REGRESSION
from trainer_modules.common.tuning import Rank, Ranking

MOST_ROWS = 4000


def ranking(columns: Sequence[Column], task: str) -> Rank:
    """The `rank` of `tuning.search` for a table.

    Args:
        columns: of the table; crosses are not ranked.
        task: "regression", "binary" or "multiclass".
    """

    def rank(rows: Rows, seed: int) -> Ranking:
        return mutual_information(columns, task, rows, seed)

    return rank


def mutual_information(columns: Sequence[Column], task: str, rows: Rows, seed: int) -> Ranking:
    """Mutual information of each column with the label, in nats.

    Estimated from the distances of nearest neighbours (A. Kraskov, H. Stögbauer and P. Grassberger, "Estimating Mutual
    Information", and B. C. Ross, "Mutual Information between Discrete and Continuous Data Sets", as scikit-learn has them) on at
    most MOST_ROWS rows. A column that is several features, such as the parts of a date, counts with the one that tells most.

    Args:
        columns: of the table.
        task: "regression", "binary" or "multiclass".
        rows: transformed training rows.
        seed: of the choice of rows and of the estimate.

    Returns:
        (name of the column, mutual information), largest first.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    parts = [(column.name, *part) for column in columns for part in telling(column)]
    if not parts:
        return []
    chosen = np.sort(np.random.default_rng(seed).permutation(rows.count)[:MOST_ROWS])
    table = np.column_stack([np.asarray(rows.features[feature])[chosen, 0] for _, feature, _ in parts])
    estimate = mutual_info_regression if task == REGRESSION else mutual_info_classif
    found = estimate(table, np.asarray(rows.labels)[chosen], discrete_features=[discrete for _, _, discrete in parts], random_state=seed)
    best: dict[str, float] = {}
    for (name, _, _), value in zip(parts, found.tolist(), strict=True):
        best[name] = max(value, best.get(name, 0.0))
    return sorted(best.items(), key=lambda item: -item[1])


def telling(column: Column) -> list[tuple[str, bool]]:
    """The transformed features that stand for a column, and whether each is discrete."""
    name = column.name
    if isinstance(column, Number):
        # The rank: the estimate does not depend on the scale, but on how well distances are spread.
        return [(f"{name}__quantile", False), *([(f"{name}__missing", True)] if column.missing else [])]
    if isinstance(column, Category):
        return [(f"{name}__id", True)]
    if isinstance(column, Date):
        return [(f"{name}__days", False), *((f"{name}__{part}", True) for part in ("month", "weekday", "missing"))]
    return []
