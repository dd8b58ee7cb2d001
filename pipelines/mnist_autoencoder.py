"""The pipeline of the digits' autoencoders: raw images to a pushed model.

darsena run mnist_autoencoder --data sample                  5,000 real digits
darsena run mnist_autoencoder --data full                    MNIST with its official test set
darsena run mnist_autoencoder --data full --preset stacked   another variant
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.common.config import OWN, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.digits import DIGITS

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

DENSE = {"network": "dense", "noise": 0.0, "batch_size": 64, "epochs": 40}


def gate(sample: float, full: float) -> tuple[Gate, ...]:
    """The bounds of a variant."""
    return (Gate("BinaryCrossentropy", sample=sample, full=full, higher_is_better=False, tolerance=0.002),)


MODEL = ModelConfig(
    name="mnist_autoencoder",
    learns="brings handwritten digits through a few numbers, and so removes noise from them",
    data=DIGITS,
    reference="binary cross-entropy 0.0985 on MNIST's test set with noise of 0.5",
    label="label",
    task=OWN,
    hparams={
        "network": "conv",
        "filters": 32,
        "code_filters": 16,
        "hidden_layers": 0,
        "hidden_units": 512,
        "code_units": 64,
        "noise": 0.5,
        "sparsity": 0.0,
        "learning_rate": 2e-3,
        "schedule": "cosine",
        "batch_size": 128,
        "epochs": 20,
    },
    gates=gate(sample=0.15, full=0.1),
    presets={
        "vanilla": Preset(description="one hidden layer of 64 units, which is the code", hparams=DENSE, gates=gate(0.1, 0.085)),
        "sparse": Preset(
            description="a code of 256 units, few of which are active",
            hparams={**DENSE, "code_units": 256, "sparsity": 1e-5},
            gates=gate(0.15, 0.1),
        ),
        "denoising": Preset(
            description="one hidden layer, given noisy digits", hparams={**DENSE, "code_units": 128, "noise": 0.5}, gates=gate(0.2, 0.15)
        ),
        "stacked": Preset(
            description="layers of 512 and 256 units before a code of 64, and after it",
            hparams={**DENSE, "hidden_layers": 2},
            gates=gate(0.15, 0.1),
        ),
        "convolutional": Preset(description="the default: convolutions that remove noise", hparams={}),
    },
    # No int8: its `error` ends at the largest that calibration saw among training digits, and just those unlike them have a larger one.
    export_formats=("float32", "float16", "dynamic"),
    # Of 200,000 pixels, weights in 8 bits turn a few at the edges of strokes.
    export_bounds={"int8_diff": 0.15, "int8_mean_diff": 0.01},
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
