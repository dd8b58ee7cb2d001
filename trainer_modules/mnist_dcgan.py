"""Handwritten digits that nobody wrote: a generator that learns from a discriminator, both convolutional.

A. Radford, L. Metz and S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
arXiv:1511.06434, 2015, with the losses of I. Goodfellow et al. (arXiv:1406.2661), group normalisation (Y. Wu and K. He,
arXiv:1803.08494), which needs no other examples of the batch, so that replicas and the served model see what training saw, and an
exponential average of the generator's weights as what is served (Y. Yazıcı et al., arXiv:1806.04498).

There is no published figure for this judge, a small classifier that learns from the run's own training split (`judge.py`): the distance
is told next to that of two halves of the real test split. On the sample it is 2.20, of the real halves 1.12; 0.64 of the samples are
digits that the classifier is sure of (0.94 of the real ones), evenly of all ten. On MNIST it is 0.44, of the real halves 0.09, and of
as many samples of scikit-learn's mixture of 20 normals in 50 principal components 14.3; it is sure of 0.71 (0.94 of the real ones).

    darsena run mnist_dcgan               5,000 real digits
    darsena run mnist_dcgan --data full   MNIST, 60,000 + 10,000
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import adversarial, endpoints, findings, images, judge, serving_transform, training
from trainer_modules.common.input_data import Rows, read_examples
from trainer_modules.common.progress import Progress
from trainer_modules.common.strategies import make_strategy

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

IMAGE, NOISE = "image", "noise"
LABEL = "label"
SHAPE = (28, 28)
GROUPS = 8
GENERATE = {"generate": [IMAGE]}  # a name that says so
SHOWN, MOST_EPOCHS, STEPS = 12, 15, 12
ORDER, DRAWN, SAMPLES = range(3)  # salts of what is drawn


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Raw features to what the discriminator takes.

    Args:
        inputs: `image`, string [N], 784 raw pixels each; `label`, int64 [N], which is not learned.

    Returns:
        `image`, float32 [N, 28, 28] in 0..1; `label`, int64 [N].
    """
    return images.grey_pixels(inputs, IMAGE, LABEL, SHAPE)


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The generator.

    Args:
        hparams: `latent` (numbers of noise), `filters` (of the middle layer: the one before has twice, the one after half as many; a
            multiple of 16).

    Returns:
        A model from {`noise`: float32 [N, latent], standard normal} to `image`, float32 [N, 28, 28] in 0..1.
    """
    filters = hparams["filters"]
    noise = keras.Input((hparams["latent"],), name=NOISE)
    x = keras.layers.Dense(7 * 7 * 2 * filters, use_bias=False)(noise)
    x = normal(keras.layers.Reshape((7, 7, 2 * filters))(x))
    for wide in (filters, filters // 2):
        x = normal(keras.layers.Conv2DTranspose(wide, 4, strides=2, padding="same", use_bias=False)(x))
    x = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float32")(x)
    return keras.Model({NOISE: noise}, {IMAGE: keras.layers.Reshape(SHAPE, dtype="float32")(x)})


def normal(x: keras.KerasTensor) -> keras.KerasTensor:
    """Group normalisation and a rectifier."""
    return keras.layers.ReLU()(keras.layers.GroupNormalization(GROUPS)(x))


def build_discriminator(hparams: Mapping[str, Any]) -> keras.Model:
    """From pictures, float32 [N, 28, 28] in 0..1, to log-odds that they are real, [N, 1]; `filters` is of its first layer."""
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(hparams["filters"], 4, strides=2, padding="same")(keras.layers.Reshape((*SHAPE, 1))(image))
    x = keras.layers.LeakyReLU(0.2)(x)
    x = keras.layers.Conv2D(2 * hparams["filters"], 4, strides=2, padding="same", use_bias=False)(x)
    x = keras.layers.LeakyReLU(0.2)(keras.layers.GroupNormalization(GROUPS)(x))
    return keras.Model(image, keras.layers.Dense(1, dtype="float32")(keras.layers.Flatten()(x)))


def learn(
    build_model: training.BuildModel,
    hparams: training.Hparams,
    train: Rows,
    validation: Rows,
    *,
    seed: int,
    strategy: str = "single",
    initialise: training.Initialise | None = None,
    folders: training.Folders = training.NOWHERE,
) -> tuple[keras.Model, training.History]:
    """Trains generator and discriminator: a `training.Fit`.

    Args:
        build_model: makes the generator.
        hparams: as for `build_model`, and `average` (what an average of the generator's weights keeps of itself at each step), `epochs`,
            `batch_size` (over all replicas), `learning_rate`, `schedule`.
        train: the digits.
        validation: not read: neither loss tells how good the pictures are.
        seed: of weights, noise and the order of rows.
        strategy: name of a distribution strategy.
        initialise: gives the new generator weights that it is to start from.
        folders: get the state, and what becomes of fixed noise in each epoch.

    Returns:
        The generator with the averaged weights, and the history.
    """
    keras.utils.set_random_seed(seed)
    distribution = make_strategy(strategy)
    size, latent = min(hparams["batch_size"], train.count), hparams["latent"]
    with distribution.scope():
        generator, discriminator, average = build_model(hparams), build_discriminator(hparams), build_model(hparams)
        if initialise:
            initialise(generator, hparams)
        learners = {
            "generator_loss": adversarial.learner([generator], hparams["learning_rate"], average, hparams["average"]),
            "discriminator_loss": adversarial.learner([discriminator], hparams["learning_rate"]),
        }

    def draw(epoch: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = adversarial.shuffled(train.count, size, seed, ORDER, epoch, number)
        noise = tf.random.stateless_normal([size, latent], adversarial.key(seed, DRAWN, epoch, number))
        return tf.gather(train.features[IMAGE], rows), noise

    def losses(batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        pictures, noise = batch
        real = discriminator(pictures, training=True)[:, 0]
        fake = discriminator(generator({NOISE: noise}, training=True)[IMAGE], training=True)[:, 0]
        return {"generator_loss": tf.nn.softplus(-fake), "discriminator_loss": tf.nn.softplus(-real) + tf.nn.softplus(fake)}

    fixed = np.random.default_rng([seed, SAMPLES]).normal(size=(SHOWN, latent)).astype(np.float32)

    def after_epoch(epoch: int, progress: Progress) -> dict[str, float]:
        samples = findings.pixels(np.asarray(average({NOISE: fixed}, training=False)[IMAGE]))[None]
        progress.arrays["samples"] = np.concatenate([progress.arrays.get("samples", samples[:0]), samples])
        return {}

    history, progress = adversarial.train(
        adversarial.compiled_step(distribution, learners, draw, losses, size),
        learners,
        hparams,
        steps=train.count // size,
        size=size,
        replicas=distribution.num_replicas_in_sync,
        checkpoint=folders.checkpoint,
        after_epoch=after_epoch,
    )
    if folders.record:
        shown = np.unique(np.linspace(0, hparams["epochs"] - 1, MOST_EPOCHS).round().astype(int))
        section = findings.Section(folders.record, "How the samples became digits", "The same noise, as the generator learns.")
        caption = f"After epochs {', '.join(str(epoch + 1) for epoch in shown)}, from the top"
        section.grid("samples", caption, [list(progress.arrays["samples"][epoch]) for epoch in shown])
        section.write()
    return average, history


def inputs(hparams: Mapping[str, Any]) -> serving_transform.OwnInputs:
    """What the generator is served with: `noise`, standard normal."""
    latent = hparams["latent"]

    def draw(count: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        return {NOISE: random.normal(size=(count, latent)).astype(np.float32)}

    return serving_transform.OwnInputs({NOISE: tf.TensorSpec([None, latent], tf.float32, name=NOISE)}, draw)


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    served = inputs(fn_args.custom_config["hparams"])
    training.run(fn_args, build_model, LABEL, learn=learn, endpoints=endpoints.parts(GENERATE), inputs=served)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures as many samples as the test split has digits (called by the evaluator).

    Returns:
        `frechet_distance` of samples and digits of the test split; `sure_share`, the share of samples that a classifier is sure of;
        `class_coverage`, how many digits they are evenly of, as a share of how many the test split is evenly of; and beside them
        `real_frechet_distance`, that of two halves of the test split, and `real_sure_share`.
    """
    served = tf.saved_model.load(str(model)).signatures
    test, _ = read(examples["test"])
    opinion_of = judge_of(examples["train"])
    random = np.random.default_rng(config["seed"])
    latent = served["generate"].structured_input_signature[1][NOISE].shape[1]
    made = findings.ask(served, {NOISE: random.normal(size=(len(test), latent)).astype(np.float32)})[IMAGE]
    real, fake = opinion_of(test), opinion_of(made)
    half = len(test) // 2
    section = findings.Section(out_dir, "What the generator makes", "Digits of the test split and samples, and ways through the noise.")
    draw(section, served, test, made, fake, random.normal(size=(SHOWN, 2, latent)))
    shares = [["samples", *counts(fake)], ["test split", *counts(real)]]
    section.table("What the classifier takes them for", ["", *range(10)], shares)
    section.write()
    return {
        "frechet_distance": judge.frechet_distance(fake.features, real.features),
        "sure_share": fake.sure_share,
        "class_coverage": fake.classes / real.classes,
        "real_frechet_distance": judge.frechet_distance(real.features[:half], real.features[half:]),
        "real_sure_share": real.sure_share,
    }


@functools.lru_cache(maxsize=1)  # candidate and baseline are judged one after the other
def judge_of(split: Path) -> judge.Judge:
    """The judge that learns from the digits of a split."""
    return judge.learned(*read(split))


def read(split: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits of a split, float32 [N, 28, 28] in 0..1, and their labels, int64 [N]."""
    spec = {IMAGE: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    found = [tf.io.parse_example(batch, spec) for batch in read_examples([str(split / "*")]).batch(4096)]
    content = b"".join(each for batch in found for each in batch[IMAGE].numpy())
    return np.frombuffer(content, np.uint8).reshape(-1, *SHAPE) / np.float32(255), np.concatenate([batch[LABEL] for batch in found])


def draw(
    section: findings.Section, served: Mapping[str, Any], test: np.ndarray, made: np.ndarray, opinion: judge.Opinion, noise: np.ndarray
) -> None:
    """The section's pictures; `noise` is [ways, 2, latent]."""
    section.grid("real", "Digits of the test split", list(findings.pixels(test[: 4 * SHOWN]).reshape(4, -1, *SHAPE)))
    section.grid("made", "Samples, as they come", list(findings.pixels(made[: 8 * SHOWN]).reshape(8, -1, *SHAPE)))
    least = np.argsort(opinion.probabilities.max(axis=1))[: 2 * SHOWN]
    section.grid("unsure", "Those that the classifier is least sure of", list(findings.pixels(made[least]).reshape(2, -1, *SHAPE)))
    ways = between(noise[:, 0], noise[:, 1], STEPS)
    section.grid("ways", "From one noise to another, along the sphere that noise lies on", rows(served, ways))
    moved = np.repeat(noise[:1, :1], STEPS, axis=1).repeat(8, axis=0)
    moved[np.arange(8), :, np.arange(8)] = np.linspace(-3, 3, STEPS)
    section.grid("numbers", "One noise of which one number goes from -3 to 3: the first eight", rows(served, moved))


def rows(served: Mapping[str, Any], noise: np.ndarray) -> list[list[np.ndarray]]:
    """Pictures of noise [rows, columns, latent]."""
    found = findings.ask(served, {NOISE: noise.reshape(-1, noise.shape[-1]).astype(np.float32)})[IMAGE]
    return [list(row) for row in findings.pixels(found).reshape(*noise.shape[:2], *SHAPE)]


def between(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Spherical interpolation (K. Shoemake, 1985) of noise [N, latent]: [N, steps, latent], both ends included."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    angle = np.arccos(np.clip((first * second).sum(axis=1) / lengths, -1, 1))[:, None, None]
    share = np.linspace(0, 1, steps)[None, :, None]
    mixed: np.ndarray = (np.sin((1 - share) * angle) * first[:, None] + np.sin(share * angle) * second[:, None]) / np.sin(angle)
    return mixed


def counts(opinion: judge.Opinion) -> list[int]:
    """Pictures of each digit."""
    found: list[int] = np.bincount(opinion.probabilities.argmax(axis=1), minlength=10).tolist()
    return found
