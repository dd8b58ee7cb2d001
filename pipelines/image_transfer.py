"""The pipeline of the pre-trained picture classifier: a folder of pictures for each class to a pushed model.

darsena run image_transfer                                  240 pictures cut out of six photographs; no weights, no network
darsena run image_transfer --preset transfer --data FOLDER  a new head on what MobileNetV2 learned from ImageNet
darsena run image_transfer --preset transfer --data full    the same on 3,670 photographs of flowers
darsena run image_transfer --preset classifier --data FOLDER
                                                            MobileNetV2 as it is; the folders have names of ImageNet's classes
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.common.config import FORMATS, Data, Gate, ModelConfig, Preset, RunConfig
from pipelines.common.datasets.photos import PHOTOS
from pipelines.common.errors import UsageError

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

HEADS = ("new", "imagenet")
STAGES = 4


def prepare(hparams: Mapping[str, Any], data: Data) -> tuple[dict[str, Any], Data]:
    """Finds the weights that the hyperparameters ask for, and for ImageNet's own head the names of its classes.

    Raises:
        UsageError: there is no such backbone, head, stage or file of weights.
        DataRejected: the folders of the data are no classes of ImageNet, where they should be.
        DarsenaError: the weights or the names could not be downloaded.
    """
    from pipelines.common.datasets import imagenet

    for name, known in (("backbone", imagenet.NAMES), ("head", HEADS)):
        if hparams[name] not in known:
            raise UsageError(f"expected {name} to be {', '.join(known[:-1])} or {known[-1]}, received {hparams[name]!r}.")
    if not 1 <= hparams["stages"] <= STAGES:
        raise UsageError(f"expected stages to be from 1 to {STAGES}, received {hparams['stages']}.")
    found = dict(hparams)
    if hparams["weights"]:
        path, sha256 = imagenet.weights_file(hparams["weights"], hparams["backbone"], hparams["width"])
        if hparams["weights_sha256"] not in ("", sha256):
            raise UsageError(f"expected {path} to have the sha256 {hparams['weights_sha256']}, received {sha256}.")
        found |= {"weights": str(path), "weights_sha256": sha256}
    if hparams["head"] == "imagenet":
        names = imagenet.class_names()
        imagenet.check_folders(data.class_names, names)
        data = dataclasses.replace(data, class_names=names)
    return found, data


MODEL = ModelConfig(
    name="image_transfer",
    learns="tells pictures apart with a network pre-trained on ImageNet: with a new head, or as the classifier it is",
    data=PHOTOS,
    reference="test accuracy 0.70 on 5,000 CIFAR-10 pictures at 96x96, from frozen features of MobileNetV2 alone",
    label="label",
    hparams={
        "backbone": "MobileNetV2",
        "width": 1.0,
        "image_size": 96,
        "weights": "",
        "weights_sha256": "",
        "head": "new",
        "stages": 3,
        "head_units": 256,
        "classes": 0,
        "dropout": 0.5,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "batch_size": 64,
        "epochs": 30,
        "fine_tune_epochs": 0,
        "fine_tune_layers": 10,
        "fine_tune_rate": 1e-5,
    },
    gates=(Gate("SparseCategoricalAccuracy", sample=0.5, full=0.4, tolerance=0.02),),
    slices=("label",),
    presets={
        "transfer": Preset(
            description="a new head on the features that MobileNetV2 learned from ImageNet (downloads 14 MB)",
            hparams={"weights": "imagenet"},
            gates=(Gate("SparseCategoricalAccuracy", sample=0.5, full=0.8, tolerance=0.02),),
            # No int8: in 8 bits the frozen features lose 1.8 points on 1,000 pictures of CIFAR-10, however many pictures calibrate them.
            export_formats=("float32", "float16", "dynamic"),
            export_bounds={},
        ),
        "classifier": Preset(
            description="MobileNetV2 as the classifier of ImageNet's 1,000 classes that it is, without any training (downloads 14 MB)",
            hparams={"weights": "imagenet", "head": "imagenet", "classes": 1000, "image_size": 224},
            reference="an accepted label for 15 of 15 photographs",
            gates=(Gate("SparseCategoricalAccuracy", sample=0.5, full=0.5, tolerance=0.02),),
            export_formats=FORMATS,
            export_bounds={},
        ),
    },
    transform_hparams=("image_size",),
    prepare=prepare,
    # Without pre-trained weights: what fifty layers at random make of pictures hardly differs from one to the next. So a network on top
    # multiplies the rounding of the layers (1.4e-5 in 32 bits, 0.026 in 16, on the sample), and in 8 bits ten of 52 pictures change class.
    export_bounds={"float32_diff": 3e-5, "float16_diff": 0.05},
    export_formats=("float32", "float16"),
)


def create_pipeline(run: RunConfig) -> Pipeline:
    """The standard pipeline, with nothing of its own."""
    from pipelines.common.graph import standard_pipeline

    return standard_pipeline(MODEL, run)
