"""Translators and discriminators, and how near two sets of pictures are."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.common import translation


def plain(*colours: tuple[float, float, float]) -> np.ndarray:
    """Pictures of one colour each."""
    return np.broadcast_to(np.array(colours)[:, None, None], (len(colours), 2, 2, 3))


def test_brightness_is_apart_by_the_mean_difference_of_quantiles() -> None:
    first, second = plain((0.2, 0.2, 0.2), (0.4, 0.4, 0.4)), plain((0.5, 0.5, 0.5), (0.9, 0.9, 0.9))
    assert translation.brightness_distance(first, second) == pytest.approx(0.4)
    # Green is brighter than blue.
    assert translation.brightness_distance(plain((0, 1, 0)), plain((0, 0, 1))) == pytest.approx(0.587 - 0.114)
    assert translation.brightness_distance(first, first[::-1]) == 0


def test_colours_are_apart_by_the_share_of_pixels_that_differ() -> None:
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    assert translation.colour_distance(plain(red), plain(blue)) == 1
    assert translation.colour_distance(plain(red, red, blue, blue), plain(red, blue, blue, blue)) == pytest.approx(0.25)
    assert translation.colour_distance(plain(red), plain((0.8, 0.1, 0.1))) == 0


@pytest.mark.parametrize(("made", "expected"), [(0.0, 1.0), (0.2, 0.0), (0.05, 0.75), (0.3, -0.5)])
def test_a_gain_is_the_share_of_the_way(made: float, expected: float) -> None:
    assert translation.gain(made, 0.2) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "field"), [(128, 70), (64, 34)])
def test_a_discriminator_judges_patches(size: int, field: int) -> None:
    """What of a picture one number depends on, but for what normalisation brings from everywhere: by the network's own layers."""
    network = translation.patch_discriminator(size, 8)
    layers = [layer for layer in network.layers if hasattr(layer, "kernel_size")]
    seen = 1
    for layer in reversed(layers):
        seen = (seen - 1) * layer.strides[0] + layer.kernel_size[0]
    assert seen == field
    assert network.output_shape[1:] == (size // 2 ** (3 if size >= 128 else 2),) * 2 + (1,)


def test_a_translator_keeps_the_size_and_the_range() -> None:
    network = translation.translator(32, 8, 3, "there")
    assert network.name == "there"
    found = network(tf.random.stateless_uniform((2, 32, 32, 3), (1, 2)))
    assert found.shape == (2, 32, 32, 3)
    assert float(tf.reduce_min(found)) > 0 and float(tf.reduce_max(found)) < 1


def test_losses_are_of_each_picture() -> None:
    first = tf.constant(np.stack([np.zeros((2, 2, 3)), np.ones((2, 2, 3))]), tf.float32)
    np.testing.assert_allclose(translation.apart(first, first * 0.5 + 0.25), [0.25, 0.25])
    np.testing.assert_allclose(translation.squares(first, 1.0), [1.0, 0.0])
