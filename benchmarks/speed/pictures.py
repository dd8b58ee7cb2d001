"""Pictures per second of the adversarial step against the same networks in Keras's `fit` with a `train_step` of two optimizers.

Both learn from the same digits' worth of random pixels, with the same batch and the same networks; each is warmed up first.
"""

from __future__ import annotations

import statistics
import time

import keras
import tensorflow as tf

from benchmarks.machine import table
from pipelines.mnist_dcgan import MODEL
from trainer_modules import mnist_dcgan as module
from trainer_modules.common.input_data import Rows

STEPS = 30


class Plain(keras.Model):
    """Generator and discriminator as tutorials train them: `fit` of a `tf.data` pipeline, one `train_step`."""

    def __init__(self, hparams: dict):
        super().__init__()
        self.generator, self.discriminator = module.build_model(hparams), module.build_discriminator(hparams)
        self.latent = hparams["latent"]
        rate = hparams["learning_rate"]
        self.optimizers = [keras.optimizers.Adam(rate, beta_1=0.5) for _ in range(2)]

    def train_step(self, pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step of both, from the same weights."""
        noise = tf.random.normal([tf.shape(pictures)[0], self.latent])
        with tf.GradientTape() as first, tf.GradientTape() as second:
            made = self.generator({module.NOISE: noise}, training=True)[module.IMAGE]
            real, fake = self.discriminator(pictures, training=True), self.discriminator(made, training=True)
            losses = tf.reduce_mean(tf.nn.softplus(-fake)), tf.reduce_mean(tf.nn.softplus(-real) + tf.nn.softplus(fake))
        for tape, loss, network, optimizer in zip(
            (first, second), losses, (self.generator, self.discriminator), self.optimizers, strict=True
        ):
            optimizer.apply(tape.gradient(loss, network.trainable_weights), network.trainable_weights)
        return {"generator_loss": losses[0], "discriminator_loss": losses[1]}


def page(rounds: int) -> str:
    """The section of the page."""
    steps, hparams = STEPS, {**MODEL.hparams, "epochs": 1}
    size = hparams["batch_size"]
    pictures = tf.random.uniform((steps * size, *module.SHAPE))
    rows = Rows({module.IMAGE: pictures}, tf.zeros(steps * size, tf.int64), steps * size)
    plain = Plain(hparams)
    plain.compile(jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices(pictures).shuffle(steps * size).batch(size, drop_remainder=True).prefetch(2)
    plain.fit(data, verbose=0)

    def fitted() -> float:
        started = time.perf_counter()
        plain.fit(data, verbose=0)
        return steps * size / (time.perf_counter() - started)

    def learned() -> float:
        # The compiled step is traced anew in each training: the first epoch pays for it, and is left out.
        seconds = [module.learn(module.build_model, {**hparams, "epochs": epochs}, rows, rows, seed=1)[1]["seconds"] for epochs in (1, 3)]
        return 2 * steps * size / (seconds[1] - seconds[0])

    found = [(learned(), fitted()) for _ in range(rounds)]
    ours, theirs = (statistics.median(rates) for rates in zip(*found, strict=True))
    text = f"## Pictures\n\nThe networks of a DCGAN, {steps} steps an epoch, in batches of {size}: Darsena's step against `fit` of Keras."
    columns = ["model", "Darsena, pictures/s", "Keras's `fit`, pictures/s", "ratio"]
    return f"{text}\n\n{table(columns, [['`mnist_dcgan`', f'{ours:,.0f}', f'{theirs:,.0f}', f'{ours / theirs:.2f}']])}"
