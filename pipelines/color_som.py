"""The pipeline of the map of colours: rows of a table to a pushed model.

darsena run color_som               the colours that matplotlib has names for
darsena run color_som --data PATH   your own
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, RunConfig
from pipelines.common.datasets.colors import COLORS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

MODEL = ModelConfig(
    name="color_som",
    learns="lays out colours on a map so that like ones lie side by side",
    data=COLORS,
    reference="quantisation and topographic error of MiniSom on the same colours",
    label="name",
    task=OWN,
    hparams={"rows": 30, "columns": 30, "iterations": 100, "sigma": 10.0, "last_sigma": 1.0, "rate": 0.5},
    gates=(
        Gate("QuantizationError", sample=0.08, full=0.08, higher_is_better=False, tolerance=0.005),
        Gate("TopographicError", sample=0.1, full=0.1, higher_is_better=False, tolerance=0.05),
    ),
    # A colour as far from two units changes its unit by the least rounding, which 16 and 8 bits have.
    export_formats=("float32",),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
