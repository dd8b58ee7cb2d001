"""The median value of a house in a Californian district."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from trainer_modules.common import tabular, tabular_model, training, tuning
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
    return {**tabular.transform(inputs, COLUMNS), LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    return tabular_model.build_model(COLUMNS, hparams, tabular_model.REGRESSION)


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range."""
    return tabular_model.search_space(hp, COLUMNS)


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL)
