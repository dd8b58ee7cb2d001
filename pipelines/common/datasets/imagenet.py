"""What networks learned from ImageNet: published weights by the name of the network, and the names of the 1,000 classes.

Weights are downloaded only where the SHA-256 of the published file is known. Keras itself states none, or an MD5.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from components.errors import DataRejected
from pipelines.common.datasets.definition import Download, Release
from pipelines.common.downloads import released
from pipelines.common.errors import DarsenaError, UsageError

FOLDER = "imagenet_models"
KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
CLASSES = 1000

WEIGHTS: dict[str, tuple[Release, ...]] = {
    "MobileNetV2": (
        Release(
            (
                Download(
                    file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
                    url=f"{KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
                    sha256="3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3",
                    size=14536120,
                ),
            )
        ),
        Release(
            (
                Download(
                    file="mobilenet_v2_1.0_224_imagenet.weights.h5",
                    url="",
                    sha256="b67fb2e6ad0ddb92417974824b0f910fde289ef6f655eb45d1afe4a368574ca8",
                    size=14579240,
                ),
            ),
            note="weights of google-coral's quantised TFLite file, made float again",
        ),
    ),
}
# Published by Keras; no SHA-256 of them is known here.
BY_HAND = {
    "VGG16": f"{KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "EfficientNetV2B0": f"{KERAS}/efficientnet_v2/efficientnetv2-b0.h5",
}
NAMES = tuple(sorted({*WEIGHTS, *BY_HAND}))

CLASS_INDEX = Release(
    (
        Download(
            file="imagenet_class_index.json",
            url="https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
            sha256="a1e7a966a1f601d39e4b43e119b3e7dd4a2ad3ea08cf69847cbaf021013767bc",
            size=35363,
        ),
    )
)
# A line for each class, after one for "background"; synonyms follow the name, after commas.
LABELS = Release(
    (
        Download(
            file="imagenet_labels.txt",
            url="",
            sha256="b8aaeb5630c62626a7d124a05c0e14230a7ffdd2136a31d0190a4fb71c1d82f1",
            size=21686,
        ),
    )
)


def weights_file(choice: str, network: str, width: float) -> tuple[Path, str]:
    """The file that a choice of weights means, and its SHA-256.

    Args:
        choice: "imagenet", or the path of a file.
        network: one of NAMES.
        width: of the network, as a share of the published number of channels.

    Raises:
        UsageError: there is no such file, or none that "imagenet" could mean.
        DataRejected: the file under $DARSENA_DATA is not the published one.
        DarsenaError: the published file could not be downloaded.
    """
    if choice != "imagenet":
        path = Path(choice).expanduser().resolve()
        if not path.name.endswith(".h5"):
            raise UsageError(f"expected weights to be imagenet or a file of Keras weights (.weights.h5 or .h5), received {choice!r}.")
        try:
            with path.open("rb") as file:
                return path, hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"expected weights in {choice}, could not read it: {error.strerror}.") from error
    if network in BY_HAND:
        raise UsageError(
            f"expected a file of weights for {network}, whose published checksum is not known here: download {BY_HAND[network]} "
            "and give it as --set weights=PATH."
        )
    if width != 1.0:
        raise UsageError(f"expected width 1.0 with weights imagenet, received {width}. Give others as --set weights=PATH.")
    try:
        (path,), release = released(FOLDER, WEIGHTS[network], None)
    except DarsenaError as error:
        raise DarsenaError(f"{error} Or give a file of such weights as --set weights=PATH.") from error
    return path, release.downloads[0].sha256


def class_names() -> tuple[str, ...]:
    """The names of ImageNet's classes in their usual order; of two of one name, each has its number after it, as "crane (134)".

    Raises:
        DataRejected: the file under $DARSENA_DATA is not the published one.
        DarsenaError: it could not be downloaded.
    """
    (path,), release = released(FOLDER, (CLASS_INDEX, LABELS), None)
    if release is CLASS_INDEX:
        index = json.loads(path.read_text())
        names = [index[str(number)][1].replace("_", " ") for number in range(CLASSES)]
    else:
        names = [line.split(",")[0].strip() for line in path.read_text().splitlines()[1:]]
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else f"{name} ({number})" for number, name in enumerate(names))


def check_folders(found: Sequence[str], names: Sequence[str]) -> None:
    """Raises DataRejected unless folders have names of classes; the message suggests some."""
    unknown = [name for name in found if name not in names]
    if unknown or not found:
        close = difflib.get_close_matches(unknown[0], names, n=3) if unknown else []
        advice = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Rename them: {', '.join(names[:3])} and so on."
        raise DataRejected(
            f"expected folders of pictures named as classes of ImageNet, received {repr(unknown[0]) if unknown else 'none'}. {advice}"
        )
