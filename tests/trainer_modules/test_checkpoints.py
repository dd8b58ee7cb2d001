"""The state of a training on disk: whole, safe, and enough to end where an uninterrupted training ends."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import killed
from trainer_modules.common import checkpoints, input_data, training
from trainer_modules.common.input_data import Rows
from trainer_modules.common.training import Folders

HPARAMS = {"epochs": 6, "batch_size": 16, "learning_rate": 0.05, "schedule": "cosine"}


def build_model(hparams):
    """With dropout, so that random numbers are part of the state."""
    x = keras.Input((2,), name="x")
    hidden = keras.layers.Dropout(0.4)(keras.layers.Dense(8, activation="tanh")(x))
    model = keras.Model({"x": x}, keras.layers.Dense(2, activation="softmax", name="probabilities")(hidden))
    model.compile(optimizer=keras.optimizers.Adam(hparams["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def rows():
    points = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    return Rows({"x": tf.constant(points)}, tf.constant((points[:, 0] * points[:, 1] > 0).astype(np.int64)), 100)


@pytest.mark.parametrize("strategy", ["single", pytest.param("mirrored", marks=pytest.mark.slow)])
def test_a_killed_training_ends_as_an_uninterrupted_one(rows, tmp_path, monkeypatch, strategy):
    whole, expected = training.fit(build_model, HPARAMS, rows, rows, seed=5, strategy=strategy)
    folders = Folders(checkpoint=tmp_path / "state")
    with killed.after(3):
        training.fit(build_model, HPARAMS, rows, rows, seed=5, strategy=strategy, folders=folders)
    seen = []
    shuffled = input_data.shuffled_batches
    monkeypatch.setattr(training, "shuffled_batches", lambda *given, first: seen.append(first) or shuffled(*given, first=first))
    resumed, history = training.fit(build_model, HPARAMS, rows, rows, seed=5, strategy=strategy, folders=folders)
    assert seen == [3]
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for name, figures in expected["metrics"].items():
        np.testing.assert_allclose(history["metrics"][name], figures, atol=1e-6, err_msg=name)


def test_a_state_is_read_as_it_was_written_and_replaced_whole(tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b"
    assert checkpoints.load(folder) is None and checkpoints.load(None) is None
    checkpoints.save(folder, {"x/0": np.arange(3)}, {"epochs": 1})
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        checkpoints.save(folder, {"x/0": np.arange(9)}, {"epochs": 2})
    arrays, progress = checkpoints.load(folder)
    assert progress == {"epochs": 1}
    np.testing.assert_array_equal(arrays["x/0"], [0, 1, 2])
    checkpoints.clear(folder)
    assert not folder.exists()
    checkpoints.clear(folder)


def test_a_damaged_state_is_told(tmp_path):
    checkpoints.save(tmp_path, {"x/0": np.arange(1000)}, {})
    content = bytearray((tmp_path / checkpoints.FILE).read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / checkpoints.FILE).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"could not read it \(.*Delete it to train from the start"):
        checkpoints.load(tmp_path)


def test_a_state_with_pickles_is_not_read(tmp_path):
    np.savez(tmp_path / checkpoints.FILE, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="could not read it"):
        checkpoints.load(tmp_path)


def test_values_of_another_model_are_refused():
    small, large = (keras.Variable(np.zeros(size)) for size in (2, 3))
    with pytest.raises(ValueError, match=r"expected 1 values of model .* another shape"):
        checkpoints.assign([large], "model", checkpoints.values([small], "model"))


def test_a_loss_that_is_no_number_ends_the_training(rows):
    points = np.array(rows.features["x"])
    points[7] = np.nan
    broken = Rows({"x": tf.constant(points)}, rows.labels, 100)
    with pytest.raises(FloatingPointError, match=r"expected finite numbers in epoch 1 of the training, received .*loss = nan"):
        training.fit(build_model, HPARAMS, broken, rows, seed=1)


def test_the_folder_follows_from_recipe_and_hyperparameters(tmp_path):
    one, two = (training.checkpoint_of({"checkpoint": str(tmp_path)}, {"units": units}) for units in (1, 2))
    assert one.parent == two.parent == tmp_path and one != two
    assert training.checkpoint_of({}, {"units": 1}) is None
