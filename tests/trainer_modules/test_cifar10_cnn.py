"""The colour picture classifier against the shared contract, and its own promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.cifar10_cnn import MODEL
from tests import digits
from tests.contract import Case, check_model
from tests.search import check_search
from trainer_modules import cifar10_cnn

# At the default rate a step is so long that differences in rounding between one device and two grow to 1e-3 within two.
HPARAMS = {**MODEL.hparams, "width": 8, "stages": 2, "dropout": 0.0, "augmentation": 0.0, "learning_rate": 0.01}


@pytest.mark.slow
def test_contract(tmp_path):
    images = digits.images(48, shape=cifar10_cnn.SHAPE)
    # In float32 throughout: near 0 another order of rounding shows.
    mean, deviation = np.float32([0.491, 0.482, 0.447]), np.float32([0.247, 0.243, 0.262])
    check_model(
        Case(
            module=cifar10_cnn,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[digits.example(image, i % 10) for i, image in enumerate(images)],
            transformed={"image": (images[:2].astype(np.float32) / np.float32(255) - mean) / deviation, "label": [0, 1]},
            hparams=HPARAMS,
            label=cifar10_cnn.LABEL,
        ),
        tmp_path,
    )


def test_the_default_network_is_seven_convolutions_deep():
    model = cifar10_cnn.build_model(MODEL.hparams)
    channels = [(3, 16), (16, 32), (32, 32), (32, 128), (128, 128), (128, 128), (128, 128)]
    kernels = [layer.kernel.shape for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels == [(3, 3, *pair) for pair in channels]
    assert model.count_params() == sum(9 * a * b + 4 * b for a, b in channels) + 128 * 10 + 10
    assert [layer.output.shape[1] for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)] == [16, 8, 4]


def test_residual_blocks_add_their_input():
    model = cifar10_cnn.build_model({**HPARAMS, "block": "residual", "blocks": 2})
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 2 * 2
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == 1 + 2 * (1 + 2 * 2)


def test_an_unknown_block_is_an_error():
    with pytest.raises(ValueError, match="plain or residual, received 'dense'"):
        cifar10_cnn.build_model({**HPARAMS, "block": "dense"})


def test_pictures_are_mirrored_and_moved_by_whole_pixels_in_training_only():
    keras.utils.set_random_seed(5)  # before the layers are made, which draw their own seeds then
    image = keras.Input(cifar10_cnn.SHAPE)
    layers = keras.Model(image, cifar10_cnn.augmented(image, 0.125))
    pictures = np.random.default_rng(0).normal(size=(64, *cifar10_cnn.SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(layers(pictures, training=False), pictures)
    moved = np.asarray(layers(pictures, training=True))
    ways = [place(old, new) for old, new in zip(pictures, moved, strict=True)]
    assert {mirrored for mirrored, _, _ in ways} == {False, True}
    assert {down for _, down, _ in ways} == {right for _, _, right in ways} == set(range(-4, 5))


def place(old: np.ndarray, new: np.ndarray) -> tuple[bool, int, int]:
    """Whether `new` is `old` mirrored, and by how many pixels it was moved down and right, at most 4 each; fails if it is neither."""
    inner = new[4:-4, 4:-4]
    for mirrored in (False, True):
        source = old[:, ::-1] if mirrored else old
        for down in range(-4, 5):
            for right in range(-4, 5):
                if np.array_equal(source[4 - down : 28 - down, 4 - right : 28 - right], inner):
                    return mirrored, down, right
    raise AssertionError("the picture was neither mirrored nor moved by whole pixels")


def test_the_loss_is_crossentropy_with_smoothed_labels():
    probabilities = tf.constant([[0.55, *[0.05] * 9], [0.1] * 10])
    loss = cifar10_cnn.smoothed_crossentropy(0.2)(tf.constant([[0], [3]], tf.int64), probabilities)
    np.testing.assert_allclose(loss, [-(0.82 * np.log(0.55) + 0.18 * np.log(0.05)), -np.log(0.1)], rtol=1e-5)


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    check_search(cifar10_cnn, MODEL)
