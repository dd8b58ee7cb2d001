"""The pipeline of house prices: rows of a table to a pushed model.

darsena run house_prices                                1,000 generated districts, a small network
darsena run house_prices --data full                    California housing
darsena run house_prices --data full --preset linear    the linear regression
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import REGRESSION, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.housing import HOUSING

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="house_prices",
    learns="estimates the median value of a house in a district (2 x 64 ReLU; --preset linear: linear regression)",
    data=HOUSING,
    reference="RMSE of ordinary least squares on the same split",
    label="median_house_value",
    hparams={
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
        "label_offset": 206856.0,
        "label_scale": 115396.0,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 40,
    },
    gates=(Gate("RootMeanSquaredError", sample=70000.0, full=62000.0, higher_is_better=False, tolerance=1000.0),),
    metrics=("MeanAbsoluteError", "SquaredPearsonCorrelation"),
    slices=("ocean_proximity",),
    task=REGRESSION,
    presets={
        "linear": Preset(
            description="a linear regression on the columns as they are",
            hparams={"network": "linear", "scaling": "zscore", "learning_rate": 1e-2, "dropout": 0.0},
            reference="",
            gates=(Gate("RootMeanSquaredError", sample=80000.0, full=72000.0, higher_is_better=False, tolerance=1000.0),),
        )
    },
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
