"""Networks that turn a picture into another of the same size, networks that judge it patch by patch, and how near two sets of pictures are.

Translators are U-Nets (O. Ronneberger, P. Fischer and T. Brox, arXiv:1505.04597, 2015), discriminators those of P. Isola et al.
("Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004, 2017), both with group normalisation, which needs
no other pictures of the batch.
"""

import keras
import numpy as np
import tensorflow as tf

GROUPS = 8
# The sides of a colour histogram, for each of red, green and blue.
BINS = 4
LUMINANCE = np.array([0.299, 0.587, 0.114])
POINTS = 101


def translator(size: int, filters: int, depth: int, name: str) -> keras.Model:
    """A U-Net.

    Args:
        size: of the square pictures, a multiple of 2 ** depth.
        filters: of the outermost layer, a multiple of 8; each further one has twice as many, four times as many at most.
        depth: how often the sides are halved.
        name: of the network.

    Returns:
        A model from float32 [N, size, size, 3] in 0..1 to the same.
    """
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(2.0, -1.0)(image)
    wide = [filters * 2 ** min(level, 2) for level in range(depth)]
    passed = [x]
    for level, each in enumerate(wide):
        x = keras.layers.Conv2D(each, 4, strides=2, padding="same", use_bias=level == 0)(x)
        x = keras.layers.LeakyReLU(0.2)(x if level == 0 else keras.layers.GroupNormalization(GROUPS)(x))
        passed.append(x)
    for each, skipped in zip(reversed(wide[:-1]), reversed(passed[1:-1]), strict=True):
        x = keras.layers.Conv2DTranspose(each, 4, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.GroupNormalization(GROUPS)(x))
        x = keras.layers.Concatenate()([x, skipped])
    # Pixels that are copied before they are mixed with their neighbours leave no pattern of the kernel, as transposed ones do.
    x = keras.layers.Concatenate()([keras.layers.UpSampling2D()(x), passed[0]])
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.GroupNormalization(GROUPS)(x))
    return keras.Model(image, keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")(x), name=name)


def patch_discriminator(size: int, filters: int) -> keras.Model:
    """A convolutional network that looks at patches of 70x70 pixels, or of 34x34 where pictures are smaller than 128x128.

    Args:
        size: of the square pictures.
        filters: of the first layer, a multiple of 8; each further one has twice as many.

    Returns:
        A model from float32 [N, size, size, 3] in 0..1 to how real each patch is, float32 [N, rows, columns, 1].
    """
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(2.0, -1.0)(image)
    strides = (2, 2, 2, 1) if size >= 128 else (2, 2, 1)
    for level, stride in enumerate(strides):
        x = keras.layers.Conv2D(filters * 2**level, 4, strides=stride, padding="same", use_bias=level == 0)(x)
        x = keras.layers.LeakyReLU(0.2)(x if level == 0 else keras.layers.GroupNormalization(GROUPS)(x))
    return keras.Model(image, keras.layers.Conv2D(1, 4, padding="same", dtype="float32")(x))


def apart(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference of pictures, [N]."""
    return tf.reduce_mean(tf.abs(first - second), axis=(1, 2, 3))


def squares(found: tf.Tensor, wanted: float) -> tf.Tensor:
    """The mean squared difference of patches from a number, [N]."""
    return tf.reduce_mean((found - wanted) ** 2, axis=(1, 2, 3))


def brightness_distance(first: np.ndarray, second: np.ndarray) -> float:
    """How far the brightnesses of two sets of pictures are apart: the mean difference of their quantiles (Wasserstein's distance).

    Args:
        first: float [N, height, width, 3] in 0..1.
        second: likewise, of M pictures.
    """
    points = np.linspace(0, 1, POINTS)
    one, two = (np.quantile((pictures @ LUMINANCE).mean(axis=(1, 2)), points) for pictures in (first, second))
    return float(np.abs(one - two).mean())


def colour_distance(first: np.ndarray, second: np.ndarray) -> float:
    """How far the colours of two sets of pictures are apart: half the sum of differences of their histograms, 0 (alike) to 1 (disjoint).

    Args:
        first: float [N, height, width, 3] in 0..1.
        second: likewise, of M pictures.
    """
    one, two = (histogram(pictures) for pictures in (first, second))
    return float(np.abs(one - two).sum() / 2)


def histogram(pictures: np.ndarray) -> np.ndarray:
    """Shares of pixels by colour, [BINS ** 3]."""
    steps = np.minimum((pictures * BINS).astype(np.int64), BINS - 1)
    places = (steps[..., 0] * BINS + steps[..., 1]) * BINS + steps[..., 2]
    return np.bincount(places.ravel(), minlength=BINS**3) / places.size


def gain(made: float, given: float) -> float:
    """By what share of a distance something came nearer: 1 if it arrived, 0 if it stayed, negative if it went away."""
    return 1 - made / max(given, 1e-6)
