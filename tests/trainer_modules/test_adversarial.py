"""Networks that learn against each other: shares of replicas, going on after a kill, losses that are no numbers, seeds."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.common import adversarial, checkpoints
from trainer_modules.common.progress import Progress
from trainer_modules.common.strategies import make_strategy

HPARAMS = {"epochs": 4, "learning_rate": 0.1, "schedule": "cosine"}
ROWS = tf.constant(np.random.default_rng(0).normal(size=(12, 3)), tf.float32)


def dense(units: int, seed: int) -> keras.Model:
    one = keras.Input((3,))
    return keras.Model(one, keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed=seed))(one))


def trained(
    strategy: str = "single", checkpoint: Path | None = None, fail_at: int = -1, poison: int = -1, size: int = 4
) -> list[np.ndarray]:
    """Two small networks after a training: one imitates rows, the other one tells them apart."""
    distribution = make_strategy(strategy)
    with distribution.scope():
        maker, teller, average = dense(3, 1), dense(1, 2), dense(3, 3)
        learners = {"maker": adversarial.learner([maker], 0.1, average, 0.5), "teller": adversarial.learner([teller], 0.05)}

    def draw(epoch: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = tf.random.stateless_normal([size, 3], adversarial.key(7, 1, epoch, number))
        spoilt = tf.cast(tf.where((epoch == 1) & (number == poison), np.nan, 1.0), tf.float32)
        return tf.gather(ROWS, adversarial.shuffled(12, size, 7, 0, epoch, number)), noise * spoilt

    def losses(batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        real, noise = batch
        fake = teller(maker(noise))[:, 0]
        return {"maker": tf.nn.softplus(-fake), "teller": tf.nn.softplus(fake) + tf.nn.softplus(-teller(real)[:, 0])}

    def after(epoch: int, notes: Progress) -> dict[str, float]:
        if epoch == fail_at:
            raise KeyboardInterrupt
        notes.arrays["seen"] = np.append(notes.arrays.get("seen", np.zeros(0)), epoch)
        return {"epoch": float(epoch)}

    step = adversarial.compiled_step(distribution, learners, draw, losses, size)
    replicas = distribution.num_replicas_in_sync
    history, notes = adversarial.train(
        step, learners, HPARAMS, steps=12 // size, size=size, replicas=replicas, checkpoint=checkpoint, after_epoch=after
    )
    assert history["metrics"]["epoch"] == notes.arrays["seen"].tolist() == [0, 1, 2, 3]
    assert history["replicas"] == replicas
    assert float(learners["teller"].optimizer.learning_rate.numpy()) == pytest.approx(0.05 * (1 + np.cos(np.pi * 3 / 4)) / 2)
    return [*maker.get_weights(), *teller.get_weights(), *average.get_weights(), np.array(history["metrics"]["maker"])]


def same(first: list[np.ndarray], second: list[np.ndarray], bound: float) -> bool:
    return all(np.allclose(a, b, atol=bound, rtol=0) for a, b in zip(first, second, strict=True))


def test_two_replicas_learn_what_one_device_learns():
    assert same(trained(), trained("mirrored"), 1e-5)


def test_a_training_that_was_killed_ends_as_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=tmp_path, fail_at=2)
    arrays, place = checkpoints.load(tmp_path)
    assert place["epochs"] == 2 and arrays["notes/seen"].tolist() == [0, 1]
    assert same(trained(checkpoint=tmp_path), trained(), 1e-6)


def test_a_step_is_that_of_adam_on_the_mean_loss_and_the_average_follows():
    made = dense(1, 4)
    average = dense(1, 5)
    each = adversarial.learner([made], 0.1, average, 0.75)
    before = made.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, average.get_weights(), strict=True))
    rows = ROWS[:4]
    step = adversarial.compiled_step(
        tf.distribute.get_strategy(), {"loss": each}, lambda epoch, number: rows, lambda batch: {"loss": made(batch)[:, 0] ** 2}, 4
    )
    expected = float(tf.reduce_mean((rows @ before[0] + before[1]) ** 2))
    assert float(step(tf.constant(0, tf.int64), tf.constant(0, tf.int64))["loss"]) == pytest.approx(expected, rel=1e-5)
    for old, new, kept in zip(before, made.get_weights(), average.get_weights(), strict=True):
        # The first step of Adam is the learning rate, whatever the gradient.
        np.testing.assert_allclose(np.abs(new - old), 0.1, rtol=1e-3)
        np.testing.assert_allclose(kept, 0.75 * old + 0.25 * new, rtol=1e-5)


def test_a_loss_that_is_no_number_names_its_step():
    with pytest.raises(FloatingPointError, match=r"expected finite numbers in step 2 of epoch 2 of the training, received maker = nan"):
        trained(poison=1)


def test_a_batch_that_replicas_cannot_share_is_an_error():
    with pytest.raises(ValueError, match=r"expected a batch_size that 2 replicas can share equally, received 3. Set it to 2 or 4"):
        trained("mirrored", size=3)


def test_an_epoch_has_each_row_once_and_another_order_than_the_next():
    orders = [
        np.concatenate(
            [adversarial.shuffled(12, 4, 7, 0, tf.constant(epoch, tf.int64), tf.constant(number, tf.int64)) for number in range(3)]
        )
        for epoch in (0, 0, 1)
    ]
    assert sorted(orders[0]) == sorted(orders[2]) == list(range(12))
    assert np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[0], orders[2])


def test_each_step_and_purpose_has_random_numbers_of_its_own():
    keys = {
        tuple(adversarial.key(seed, salt, tf.constant(epoch, tf.int64), tf.constant(number, tf.int64)).numpy())
        for seed in (1, 2)
        for salt in (0, 1)
        for epoch in (0, 1)
        for number in (0, 1)
    }
    assert len(keys) == 16
