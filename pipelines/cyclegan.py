"""The pipeline of pictures of two kinds that become each other: two folders of pictures to a pushed model.

darsena run cyclegan                               parts of four photographs by day, and others darkened, at 64x64
darsena run cyclegan --data full                   webcam pictures by day and by night, at 64x64
darsena run cyclegan --preset large --data full    the same at 256x256
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.errors import DataRejected
from pipelines.common.config import OWN, Data, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.day_night import DAY_NIGHT
from pipelines.common.errors import UsageError

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


def prepare(hparams: Mapping[str, Any], data: Data) -> tuple[dict[str, Any], Data]:
    """Checks that there are two kinds of pictures, and that the networks can be made.

    Raises:
        UsageError: the pictures can't be halved as often as `depth` says, or filters can't be grouped.
        DataRejected: there are other than two folders of pictures.
    """
    size, depth = hparams["size"], hparams["depth"]
    if depth < 1 or size < 32 or size % 2**depth:
        raise UsageError(
            f"expected size to be at least 32 and a multiple of 2^depth, which is {2**depth}, depth to be at least 1, "
            f"received size {size} and depth {depth}."
        )
    for name in ("filters", "discriminator_filters"):
        if not hparams[name] or hparams[name] % 8:
            raise UsageError(f"expected {name} to be a multiple of 8, received {hparams[name]}.")
    if len(data.class_names) != 2:
        raise DataRejected(
            f"expected two folders of pictures in {data.path}, one for each kind, received {', '.join(data.class_names) or 'none'}. "
            "Point to a folder with <kind>/*.jpg of two kinds, or with trainA, trainB, testA and testB."
        )
    return dict(hparams), data


MODEL = ModelConfig(
    name="cyclegan",
    learns="turns pictures of one kind into another, day into night and back, from unpaired examples (CycleGAN)",
    data=DAY_NIGHT,
    reference="cycle error under half of the first epoch's; nearer to the other kind in brightness and colours (J.-Y. Zhu et al., 2017)",
    label="label",
    task=OWN,
    hparams={
        "size": 64,
        "filters": 16,
        "depth": 4,
        "discriminator_filters": 16,
        "cycle": 10.0,
        "identity": 5.0,
        "learning_rate": 5e-4,
        "schedule": "cosine",
        "batch_size": 4,
        "epochs": 20,
    },
    gates=(
        Gate("CycleErrorRatio", sample=0.5, full=0.5, higher_is_better=False, tolerance=0.2),
        Gate("BrightnessGain", sample=0.3, full=0.1, tolerance=0.2),
        Gate("ColourGain", sample=0.3, full=0.1, tolerance=0.2),
    ),
    presets={
        "large": Preset(
            description="pictures of 256x256, one pair at a time as published (20 minutes on two cores for the webcam pictures)",
            hparams={"size": 256, "depth": 5, "batch_size": 1, "learning_rate": 4e-4, "epochs": 30},
        ),
    },
    transform_hparams=("size",),
    prepare=prepare,
    # Colours of pictures have no need of 8 bits' speed, and their edges suffer.
    export_formats=("float32", "float16"),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
