"""Networks of keras.applications as the body of a model: by name, with the scaling each was trained with, and weights of a file."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

IMAGENET_CLASSES = 1000
LEAST_SIZE = 32
# HDF5 compresses with deflate, which makes nothing smaller than this.
MOST_COMPRESSION = 1032
LAYER = re.compile(r'"class_name": *"(\w+)"')  # of Keras's description of a model


def centred(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Pixels 0..255 to -1..1."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")(pixels)


def caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Pixels as Caffe took them: blue, green, red, less the mean of ImageNet."""
    shifted = keras.layers.Rescaling(1.0, offset=[-123.68, -116.779, -103.939], name="scaling")(pixels)
    return keras.ops.flip(shifted, axis=-1)


def unscaled(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Pixels as they are, for a network that scales them itself."""
    return keras.layers.Rescaling(1.0, name="scaling")(pixels)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that can be a body.

    Attributes:
        build: of keras.applications.
        scale: from pixels, 0..255, to what the network takes.
        stages: the last layer before each halving of the picture's sides, and the last of all.
        has_width: whether it comes in widths.
    """

    build: Callable[..., keras.Model]
    scale: Callable[[keras.KerasTensor], keras.KerasTensor]
    stages: tuple[str, ...]
    has_width: bool = False


BACKBONES = {
    "VGG16": Backbone(keras.applications.VGG16, caffe, ("block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")),
    "MobileNetV2": Backbone(
        keras.applications.MobileNetV2,
        centred,
        ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
        has_width=True,
    ),
    "EfficientNetV2B0": Backbone(
        keras.applications.EfficientNetV2B0,
        unscaled,
        ("block2b_expand_activation", "block4a_expand_activation", "block6a_expand_activation", "top_activation"),
    ),
}


def build_backbone(name: str, size: int, width: float = 1.0) -> keras.Model:
    """A network without its classifier, with random weights.

    Args:
        name: one of BACKBONES.
        size: of its pictures, in pixels.
        width: of a MobileNetV2: its number of channels, as a share of the published one.

    Returns:
        A model from scaled pixels, float32 [N, size, size, 3], to the maps of each of its stages.

    Raises:
        ValueError: there is no such network, or it does not come in that size or width.
    """
    network = build(name, size, width, include_top=False)
    maps = [network.get_layer(stage).output for stage in BACKBONES[name].stages]
    return keras.Model(network.input, maps, name=network.name)


def build_classifier(name: str, size: int, width: float = 1.0) -> keras.Model:
    """A network that ends in the logits of ImageNet's classes, float32 [N, 1000]; otherwise as `build_backbone`."""
    return build(name, size, width, include_top=True, classes=IMAGENET_CLASSES, classifier_activation=None)


def build(name: str, size: int, width: float, **options: Any) -> keras.Model:
    """A network as keras.applications builds it, with kernels drawn anew (see `randomise`)."""
    if name not in BACKBONES:
        raise ValueError(f"there is no backbone {name!r}. Known: {', '.join(BACKBONES)}.")
    if size < LEAST_SIZE:
        raise ValueError(f"expected image_size to be at least {LEAST_SIZE}, received {size}.")
    if BACKBONES[name].has_width:
        options["alpha"] = width
    elif width != 1.0:
        raise ValueError(f"expected width 1.0 for {name}, which comes in one width, received {width}.")
    network = BACKBONES[name].build(weights=None, input_shape=(size, size, 3), **options)
    randomise(network)
    return network


def randomise(network: keras.Model) -> None:
    """Draws kernels so that signals keep their size from layer to layer (K. He et al., arXiv:1502.01852, 2015).

    As Keras starts these networks, they shrink signals to nothing while batch normalisation has its initial statistics: above all in
    depthwise convolutions, whose fan-in it takes for that of ordinary ones.
    """
    for layer in network.layers:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for weight in layer.weights:
            if weight.name == "kernel":
                fan_in = math.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
                weight.assign(keras.random.normal(weight.shape, stddev=math.sqrt(2 / fan_in)))


def backbone_of(model: keras.Model) -> keras.Model:
    """The network inside a model: the one of its layers that is a model."""
    (network,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return network


def load_weights(network: keras.Model, file: Path, sha256: str) -> None:
    """Gives a network the weights of a file; what else the file has, as a classifier, is left.

    Only arrays are read from the file, no code; a file with a layer of code (Lambda), or that leads to other files, is refused.

    Args:
        network: of `build_backbone` or `build_classifier`.
        file: as Keras writes weights: .weights.h5, or .h5 as keras.applications publishes them.
        sha256: of the file.

    Raises:
        ValueError: it is another file, no such file, or has not all the weights in the right shapes.
    """
    what = f"the {network.count_params():,} weights of {network.name} in {file}"
    advice = "Check that the file is for this backbone, its width, image_size and head."
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"expected {what}, could not read it: {error.strerror}.") from error
    if found != sha256:
        raise ValueError(f"expected {file} to have the sha256 {sha256}, received {found}: it has changed. Start the run again.")
    # Whatever is not overwritten shows.
    network.set_weights([np.full(weight.shape, math.nan, weight.dtype) for weight in network.get_weights()])
    try:
        # Keras warns of what the next lines find.
        with warnings.catch_warnings(action="ignore"):
            check_content(file)
            network.load_weights(file) if file.name.endswith(".weights.h5") else load_published(network, file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"expected {what}, could not load them: {first_line(error)}. {advice}") from error
    lacking = [layer.name for layer in network.layers if any(not np.isfinite(weight).all() for weight in layer.get_weights())]
    if lacking:
        raise ValueError(f"expected {what}, it lacks those of {len(lacking)} layers, the first of them {lacking[0]}. {advice}")


def check_content(file: Path) -> None:
    """Holds an HDF5 file to arrays of its own, before any is read.

    Raises:
        OSError: it is no such file.
        ValueError: it has a link, an array that lies in another file, or one larger than the file can hold; or the description of a
            model with a Lambda layer, which is code.
    """
    with h5py.File(file) as opened:
        if "Lambda" in LAYER.findall(str(opened.attrs.get("model_config", ""))):
            raise ValueError("it describes a model with a Lambda layer, which is code. Save the weights alone")

        def problem(name: str, link: h5py.HardLink | h5py.SoftLink | h5py.ExternalLink) -> str | None:
            if not isinstance(link, h5py.HardLink):
                return f"{name} is a link to {link.path}"
            found = opened[name]
            if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
                return f"{name} lies in another file"
            if isinstance(found, h5py.Dataset) and found.nbytes > MOST_COMPRESSION * file.stat().st_size:
                return f"{name} is of {found.nbytes} bytes, more than the file can hold"
            return None

        if said := opened.visititems_links(problem):  # ends with the first; h5py lets no exception through
            raise ValueError(f"{said}. Save the weights themselves")


def load_published(network: keras.Model, file: Path) -> None:
    """Gives a network the weights of a file in the form of Keras 2, which keras.applications still publishes.

    Each layer takes those of its name, or, where the names differ, all take them in order, as keras.applications does.

    Raises:
        OSError, KeyError: it is no such file.
        ValueError: it has too few weights, or of other shapes.
    """
    with h5py.File(file) as opened:
        # Keras wrote names as bytes or as text.
        names = [name.decode() if isinstance(name, bytes) else name for name in opened.attrs["layer_names"]]
        groups = [(name, opened[name], opened[name].attrs["weight_names"]) for name in names]
        saved = {name: [group[weight][()] for weight in weights] for name, group, weights in groups if len(weights)}
    layers = [layer for layer in network.layers if layer.weights]
    if len(saved) < len(layers):
        raise ValueError(f"it has the weights of {len(saved)} layers for {len(layers)}")
    in_order = list(saved.values())
    for number, layer in enumerate(layers):
        layer.set_weights(saved[layer.name] if all(each.name in saved for each in layers) else in_order[number])


def first_line(error: Exception) -> str:
    """The first line of an error's message, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def unfreeze(network: keras.Model, layers: int) -> None:
    """Lets the last layers with weights learn, and no others. Batch normalisation never does: its statistics are the published ones."""
    weighted = [layer for layer in network.layers if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)]
    network.trainable = True
    learning = weighted[-layers:] if layers else []
    for layer in network.layers:
        layer.trainable = layer in learning
