"""A network that was trained on ImageNet, put to other pictures: with a new head, or as the classifier that it is.

A client sends the file of a picture (JPEG, PNG or BMP, of any size); it is decoded and its middle square resized in the served graph.

The new head takes the maps of the backbone's last stages, each averaged over the picture, brings them to one scale by batch
normalisation, and learns a hidden layer and a softmax on them while the backbone stays frozen (J. Yosinski et al., "How transferable
are features in deep neural networks?", arXiv:1411.1792, 2014; features of several stages: B. Hariharan et al., "Hypercolumns",
arXiv:1411.5752, 2014). Afterwards the last layers of the backbone may be fine-tuned with it. Backbones: MobileNetV2 (M. Sandler et al.,
arXiv:1801.04381), VGG16 (K. Simonyan and A. Zisserman, arXiv:1409.1556), EfficientNetV2B0 (M. Tan and Q. Le, arXiv:2104.00298).

The references are 0.70 on 5,000 CIFAR-10 pictures at 96x96 from frozen features of MobileNetV2, and an accepted label for 15 of 15
photographs with MobileNetV2 as it is. Here: 0.751 (95% interval 0.740 to 0.762) on the 10,000 test pictures of a JPEG copy of CIFAR-10
after 4,950 to train on (0.70 from the last stage alone), and 15 of 15 by the served model, with MobileNetV2's weights of a quantised
file made float again. Weights of VGG16 and EfficientNetV2B0 were not to be had: they were built, trained a head and exported, but their
accuracy is not claimed. On its sample the model has random weights, on whose features 240 pictures of six scenes come apart to about
0.77: that shows that it works, and no more, since every picture of a scene is cut out of the same photograph.

    darsena run image_transfer                                       the sample
    darsena run image_transfer --preset transfer --data FOLDER       your own pictures, a folder for each class
    darsena run image_transfer --preset transfer --data full         photographs of five kinds of flowers
    darsena run image_transfer --preset classifier --data FOLDER     folders named as classes of ImageNet
    darsena run image_transfer --set weights=FILE.weights.h5 …       weights of your own
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from trainer_modules.common import backbones, training, transfer, tuning
from trainer_modules.common.pictures import decode_pictures

if TYPE_CHECKING:
    import keras_tuner
    from tfx.components.trainer.fn_args_utils import FnArgs
    from tfx.components.tuner.component import TunerFnResult

IMAGE = "image"
LABEL = "label"
PIXELS = {IMAGE: "uint8"}
# What may follow the backbone: a new head that learns the classes of the data, or the one that it was published with.
NEW, IMAGENET = "new", "imagenet"


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes and what it learns.

    Args:
        inputs: `image`, string [N], files of JPEG, PNG or BMP; `label`, int64 [N].
        custom_config: `hparams` with `image_size`.

    Returns:
        `image`, float32 [N, size, size, 3], whole numbers in 0..255: the middle square of each picture, resized; `label`, int64 [N].
    """
    return {IMAGE: decode_pictures(inputs[IMAGE], custom_config["hparams"]["image_size"]), LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The compiled network, its backbone frozen.

    Args:
        hparams: `backbone`, `width` and `image_size` (see `backbones.build_backbone`), `head` ("new" or "imagenet"), `classes`; and for a
            new head `stages` (of how many of the backbone's last stages it takes the maps, each averaged), `head_units` (of its
            hidden layer; 0 for none), `dropout` (share of features and hidden units dropped), `learning_rate`.

    Returns:
        A model from {`image`: uint8 [N, size, size, 3]} to `probabilities`, float32 [N, classes].

    Raises:
        ValueError: there is no such backbone or head, or the head "imagenet" is to have other classes than its own.
    """
    name, size, head, classes = hparams["backbone"], hparams["image_size"], hparams["head"], hparams["classes"]
    if head not in (NEW, IMAGENET):
        raise ValueError(f"there is no head {head!r}. Known: {NEW}, {IMAGENET}.")
    if head == IMAGENET and classes != backbones.IMAGENET_CLASSES:
        raise ValueError(
            f"expected {backbones.IMAGENET_CLASSES} classes for the head {IMAGENET}, received {classes}. Use --preset classifier."
        )
    image = keras.Input((size, size, 3), dtype="uint8", name=IMAGE)
    pixels = backbones.BACKBONES[name].scale(image) if name in backbones.BACKBONES else image
    # Batch normalisation in the backbone always uses its stored statistics: some published weights have them folded in.
    if head == IMAGENET:
        backbone = frozen(backbones.build_classifier(name, size, hparams["width"]))
        probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(backbone(pixels, training=False))
    else:
        backbone = frozen(backbones.build_backbone(name, size, hparams["width"]))
        maps = backbone(pixels, training=False)[-hparams["stages"] :]
        features = [keras.layers.GlobalAveragePooling2D(name=f"{transfer.FEATURES}_{at}")(each) for at, each in enumerate(maps)]
        # Stages differ in scale, by much: brought to one before they are joined, they also share the steps of an 8-bit model.
        scaled = [keras.layers.BatchNormalization(momentum=0.9, center=False, scale=False, synchronized=True)(each) for each in features]
        x = keras.layers.Dropout(hparams["dropout"])(keras.layers.Concatenate()(scaled))
        if hparams["head_units"]:
            x = keras.layers.Dense(hparams["head_units"], activation="relu")(x)
            x = keras.layers.Dropout(hparams["dropout"])(x)
        probabilities = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model({IMAGE: image}, probabilities)
    # Compiled by XLA, convolutions take three times as long on a CPU.
    model.compile(
        optimizer=keras.optimizers.Adam(hparams["learning_rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def frozen(network: keras.Model) -> keras.Model:
    """The network, whose weights do not learn."""
    network.trainable = False
    return network


def initialise(model: keras.Model, hparams: Mapping[str, Any]) -> None:
    """Gives the backbone the weights of the file `weights`, whose checksum is `weights_sha256`, or random ones if it is empty.

    Raises:
        ValueError: they can't be read or don't fit.
    """
    if hparams["weights"]:
        backbones.load_weights(backbones.backbone_of(model), Path(hparams["weights"]), hparams["weights_sha256"])


def search_space(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Hyperparameters that a search may set, each with its range: those of a new head."""
    return {
        "head_units": hp.Choice("head_units", [0, 128, 256, 512]),
        "dropout": hp.Float("dropout", 0.0, 0.7, step=0.1),
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, initialise=initialise, learn=transfer.learn, dtypes=PIXELS)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Searches hyperparameters of a new head, on features that are computed once (called by TFX's Tuner)."""
    learn = functools.partial(transfer.learn, memory={})
    return tuning.search(
        fn_args, build_model, search_space, LABEL, objective="val_accuracy", initialise=initialise, learn=learn, dtypes=PIXELS
    )
