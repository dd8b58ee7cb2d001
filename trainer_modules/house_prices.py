"""The median value of a house in a Californian district, from what the census of 1990 says of it.

A network of two layers of 64 ReLU units over log-scaled columns or, as the preset `linear`, a linear regression by gradient descent on
the plain ones (A. Géron, "Hands-On Machine Learning", chapter 2, has the data and the linear regression). Missing numbers of bedrooms
become the median, with an indicator beside them. The reference is ordinary least squares on the same split (scikit-learn,
benchmarks/references.py), whose test error (RMSE) is 68,962 dollars: the linear model may be 2% worse, the network is to be 10%
better. Here: 68,703 (linear) and 50,814 (network, 26% better; docs/models.md), which a search lowers by 7% (docs/tuning.md).

    darsena run house_prices                                1,000 generated districts
    darsena run house_prices --data full                    California housing, 20,640 districts
    darsena run house_prices --data full --preset linear    the linear regression
    darsena run house_prices --data full --tune --trials 20
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from trainer_modules.common import tabular, tabular_model, training, tuning
from trainer_modules.common.mutual_information import ranking
from trainer_modules.common.tabular import Category, Cross, Number

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

LABEL = "median_house_value"
COLUMNS = (
    Number("longitude"),
    Number("latitude"),
    Number("housing_median_age"),
    Number("total_rooms"),
    Number("total_bedrooms", missing=True),
    Number("population"),
    Number("households"),
    Number("median_income"),
    Category("ocean_proximity", size=5),
    # The map in squares: coarse ones, and fine ones.
    Cross("region", ("longitude", "latitude"), buckets=8),
    Cross("place", ("longitude", "latitude"), buckets=32),
)


def preprocessing_fn(inputs: Mapping[str, tabular.Raw]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes and what it learns.

    Args:
        inputs: the columns, float32 [N], except `total_bedrooms`, which may be missing, sparse [N, at most 1], and
            `ocean_proximity`, string [N]; and `median_house_value`, float32 [N].

    Returns:
        Every form of every column (see tabular.py); `median_house_value`, float32 [N], in dollars.
    """
    return {**tabular.transform(inputs, COLUMNS), LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled network.

    Args:
        hparams: see tabular_model.py.

    Returns:
        A model from the transformed features that the hyperparameters choose to `prediction`, float32 [N, 1], in dollars.
    """
    return tabular_model.build_model(COLUMNS, hparams, tabular_model.REGRESSION)


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range; `features` is searched too, by `tuner_fn`."""
    return tabular_model.search_space(hp, COLUMNS)


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches columns and hyperparameters (called by TFX's Tuner)."""
    rank = ranking(COLUMNS, tabular_model.REGRESSION)
    return tuning.search(fn_args, build_model, search_space, LABEL, objective="val_rmse", rank=rank)
