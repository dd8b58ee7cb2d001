"""How much each column of a table tells of the label, for the selection of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer_modules.common.input_data import Rows
from trainer_modules.common.tabular import Category, Column, Date, Number, Text
from trainer_modules.common.tabular_model import REGRESSION
from trainer_modules.common.text import RESERVED
from trainer_modules.common.tuning import Rank, Ranking

MOST_ROWS, WORDS = 4000, 30


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
    most MOST_ROWS rows. A column that is several features counts with the one that tells most: the parts of a date, or of a text
    whether each of its WORDS most frequent words is in it.

    Args:
        columns: of the table.
        task: "regression", "binary" or "multiclass".
        rows: transformed training rows.
        seed: of the choice of rows and of the estimate.

    Returns:
        (name of the column, mutual information), largest first.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    chosen = np.sort(np.random.default_rng(seed).permutation(rows.count)[:MOST_ROWS])
    names, values, discrete = [], [], []
    for column in columns:
        for feature, is_discrete in telling(column):
            table = np.asarray(rows.features[feature])[chosen]
            if isinstance(column, Text):
                table = np.stack([np.any(table == word, axis=1) for word in range(RESERVED, RESERVED + WORDS)], axis=1)
            names += [column.name] * table.shape[1]
            values.append(table)
            discrete += [is_discrete] * table.shape[1]
    if not names:
        return []
    estimate = mutual_info_regression if task == REGRESSION else mutual_info_classif
    found = estimate(np.column_stack(values), np.asarray(rows.labels)[chosen], discrete_features=np.array(discrete), random_state=seed)
    best: dict[str, float] = {}
    for name, value in zip(names, found.tolist(), strict=True):
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
    return [(f"{name}__words", True)] if isinstance(column, Text) else []
