"""Pictures of one kind turned into another, learned from pictures of both kinds of which no two show the same: day into night, and back.

J.-Y. Zhu, T. Park, P. Isola and A. Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
arXiv:1703.10593, 2017: two translators, two discriminators of patches, least-squares adversarial losses, a weight of 10 on coming back
to the picture, and half of that on leaving pictures that are of the other kind already. Unlike there the translators are small U-Nets,
and discriminators see the newest pictures only. The reference is that pictures come back with less than half the error of the first
epoch, and that what is made is nearer to the other kind than it was, in brightness and in colours. On the sample they come back with
0.39 of it, and go 0.90 of the way in brightness and 0.81 in colours, in the direction with less. At 256x256,
on the webcam pictures, it is 0.48 after 30 epochs (0.55 after 16), and 0.83 of the way in brightness and 0.74 in colours. There a step of
one pair takes 0.3 s on two CPU cores, and the run 3.0 GiB of memory at most.

    darsena run cyclegan                                  the sample, at 64x64
    darsena run cyclegan --data full                      webcam pictures, at 64x64
    darsena run cyclegan --preset large --data full       the same at 256x256
    darsena run cyclegan --data FOLDER                    your own: a folder for each of two kinds
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer_modules.common import adversarial, findings, signatures, training, translation
from trainer_modules.common.input_data import Rows, read_examples
from trainer_modules.common.pictures import decode_pictures
from trainer_modules.common.progress import Progress
from trainer_modules.common.strategies import make_strategy

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

IMAGE = "image"
LABEL = "label"
A_TO_B, B_TO_A = "a_to_b", "b_to_a"
FIRST = "first_epoch"
KINDS = ("a", "b")
BATCH, SHOWN, MOST_EPOCHS = 16, 6, 8
MEASURED = 1000  # pictures of a split at most, which are held in memory
ORDERS, MIRRORED = (0, 1), 2  # salts of what is drawn


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the translators take.

    Args:
        inputs: `image`, string [N], files of JPEG, PNG or BMP; `label`, int64 [N], the kind.
        custom_config: `hparams` with `size`.

    Returns:
        `image`, float32 [N, size, size, 3] in 0..1: the middle square of each picture, resized; `label`, int64 [N].
    """
    return {IMAGE: decode_pictures(inputs[IMAGE], custom_config["hparams"]["size"]) / 255.0, LABEL: inputs[LABEL]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """Both translators.

    Args:
        hparams: `size`, `filters` and `depth`, see `translation.translator`.

    Returns:
        A model from {`image`: float32 [N, size, size, 3] in 0..1} to `a_to_b` and `b_to_a`, the same each. Its layer `first_epoch` keeps
        the errors of the first epoch.
    """
    size = hparams["size"]
    image = keras.Input((size, size, 3), name=IMAGE)
    kept = Kept(len(KINDS), dtype="float32", name=FIRST)(image)
    translators = [translation.translator(size, hparams["filters"], hparams["depth"], name) for name in (A_TO_B, B_TO_A)]
    return keras.Model({IMAGE: image}, {each.name: each(kept) for each in translators})


class Kept(keras.layers.Layer):
    """Passes on what it gets, and keeps some numbers with the model.

    Args:
        count: of the numbers.
        **kwargs: of keras.layers.Layer.
    """

    def __init__(self, count: int, **kwargs: object):
        super().__init__(**kwargs)
        self.numbers = self.add_weight(shape=(count,), initializer="ones", trainable=False, name=FIRST)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The same."""
        return x


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
    """Trains translators and discriminators: a `training.Fit`.

    An epoch has as many pairs as there are pictures of the rarer kind; of the other kind each epoch takes others.

    Args:
        build_model: makes the translators.
        hparams: as for `build_model`, and `discriminator_filters`, `cycle` and `identity` (weights of these losses, whose pixels are in
            -1..1 as in the paper), `epochs`, `batch_size` (pairs over all replicas), `learning_rate`, `schedule`.
        train: pictures of both kinds.
        validation: likewise; measured after each epoch.
        seed: of weights, mirrored pictures and their order.
        strategy: name of a distribution strategy.
        initialise: gives the new translators weights that they are to start from.
        folders: get the state, and what becomes of some pictures in each epoch.

    Returns:
        The translators, and the history, with `val_cycle_error`: the mean absolute difference of pictures that went there and back.

    Raises:
        ValueError: a split has no pictures of a kind.
    """
    keras.utils.set_random_seed(seed)
    distribution = make_strategy(strategy)
    kinds = by_kind(train, "training")
    unseen = [pictures.numpy() for pictures in by_kind(validation, "validation")]
    pairs = min(each.shape[0] for each in kinds)
    size = min(hparams["batch_size"], pairs)
    with distribution.scope():
        model = build_model(hparams)
        if initialise:
            initialise(model, hparams)
        a_to_b, b_to_a = model.get_layer(A_TO_B), model.get_layer(B_TO_A)
        judges = [translation.patch_discriminator(hparams["size"], hparams["discriminator_filters"]) for _ in KINDS]
        learners = {
            "generator_loss": adversarial.learner([a_to_b, b_to_a], hparams["learning_rate"]),
            "discriminator_loss": adversarial.learner(judges, hparams["learning_rate"]),
        }

    def draw(epoch: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = []
        for salt, pictures in zip(ORDERS, kinds, strict=True):
            batch = tf.gather(pictures, adversarial.shuffled(pictures.shape[0], size, seed, salt, epoch, number))
            drawn = tf.random.stateless_uniform([size, 1, 1, 1], adversarial.key(seed, MIRRORED + salt, epoch, number))
            found.append(tf.where(drawn < 0.5, batch, batch[:, :, ::-1]))
        return found[0], found[1]

    def losses(batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        a, b = batch
        fake_b, fake_a = a_to_b(a, training=True), b_to_a(b, training=True)
        cycle = translation.apart(b_to_a(fake_b, training=True), a) + translation.apart(a_to_b(fake_a, training=True), b)
        identity = translation.apart(b_to_a(a, training=True), a) + translation.apart(a_to_b(b, training=True), b)
        real = [judge(pictures, training=True) for judge, pictures in zip(judges, (a, b), strict=True)]
        fake = [judge(pictures, training=True) for judge, pictures in zip(judges, (fake_a, fake_b), strict=True)]
        fooled = sum(translation.squares(found, 1.0) for found in fake)
        told = sum(translation.squares(found, 1.0) for found in real) + sum(translation.squares(found, 0.0) for found in fake)
        return {
            "generator_loss": fooled + 2 * (hparams["cycle"] * cycle + hparams["identity"] * identity),
            "discriminator_loss": told / 2,
            "cycle_error": cycle / 2,
        }

    ask = tf.function(lambda pictures: model({IMAGE: pictures}, training=False), reduce_retracing=True)

    def after_epoch(epoch: int, progress: Progress) -> dict[str, float]:
        there, _, errors = round_trip(ask, unseen)
        for name, pictures in zip((A_TO_B, B_TO_A), there, strict=True):
            samples = findings.pixels(pictures[:SHOWN])[None]
            progress.arrays[name] = np.concatenate([progress.arrays.get(name, samples[:0]), samples])
        if epoch == 0:
            progress.arrays[FIRST] = np.array(errors, np.float32)
        return {"val_cycle_error": float(np.mean(errors))}

    history, progress = adversarial.train(
        adversarial.compiled_step(distribution, learners, draw, losses, size),
        learners,
        hparams,
        steps=pairs // size,
        size=size,
        replicas=distribution.num_replicas_in_sync,
        checkpoint=folders.checkpoint,
        after_epoch=after_epoch,
    )
    model.get_layer(FIRST).numbers.assign(progress.arrays[FIRST])
    if folders.record:
        write_progress(folders.record, progress, [findings.pixels(pictures[:SHOWN]) for pictures in unseen])
    return model, history


def by_kind(rows: Rows, split: str) -> list[tf.Tensor]:
    """Pictures of each kind.

    Raises:
        ValueError: there are none of one.
    """
    found = [tf.boolean_mask(rows.features[IMAGE], rows.labels == kind) for kind in range(len(KINDS))]
    if not all(pictures.shape[0] for pictures in found):
        counts = " and ".join(str(pictures.shape[0]) for pictures in found)
        raise ValueError(f"expected {split} pictures of both kinds, received {counts}. Add pictures of the one that is missing.")
    return found


def translated(ask: Any, pictures: np.ndarray, direction: str) -> np.ndarray:
    """Pictures [N, size, size, 3] in one direction, by a function of a few at a time that answers in both."""
    return np.concatenate([ask(tf.constant(pictures[at : at + BATCH]))[direction].numpy() for at in range(0, len(pictures), BATCH)])


def write_progress(folder: Path, progress: Progress, originals: Sequence[np.ndarray]) -> None:
    """A section with what became of the first validation pictures."""
    epochs = len(progress.arrays[A_TO_B])
    shown = np.unique(np.linspace(0, epochs - 1, MOST_EPOCHS).round().astype(int))
    section = findings.Section(folder, "How the pictures changed", "The same pictures of the validation split, as the networks learn.")
    for name, given in zip((A_TO_B, B_TO_A), originals, strict=True):
        after = ", ".join(str(epoch + 1) for epoch in shown)
        rows = [list(given), *(list(progress.arrays[name][epoch]) for epoch in shown)]
        section.grid(name, f"{name.replace('_', ' ')}: as they are, and after epochs {after}", rows, scale_of(given))
    section.write()


def scale_of(pictures: np.ndarray) -> int:
    """How much to enlarge pictures in a grid."""
    return 2 if pictures.shape[1] < 128 else 1


def endpoints(
    model: keras.Model, serving: signatures.Serving, class_names: Sequence[str]
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """A signature for each direction, by the kinds' names: `day_to_night` and `night_to_day`, each of which runs one translator."""
    first, second = (signatures.argument_name(name) for name in (class_names if len(class_names) == len(KINDS) else KINDS))

    def one(translator: keras.Model) -> tf.types.experimental.PolymorphicFunction:
        return signatures.named(lambda features: {IMAGE: translator(serving.transform(features)[IMAGE], training=False)}, serving.signature)

    return {f"{first}_to_{second}": one(model.get_layer(A_TO_B)), f"{second}_to_{first}": one(model.get_layer(B_TO_A))}


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports (called by TFX's Trainer)."""
    training.run(fn_args, build_model, LABEL, learn=learn, endpoints=endpoints)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the model on the test split, and against its first epoch on the validation split (called by the evaluator).

    Returns:
        `cycle_error`, the mean absolute difference of pictures in 0..1 that went there and back; `cycle_error_ratio`, that of the
        validation split relative to what it was after the first epoch; `brightness_gain` and `colour_gain`, by what share of the way
        pictures came nearer to the other kind, of the direction with less; and these of each direction.

    Raises:
        ValueError: the test split has no pictures of a kind.
    """
    loaded = tf.saved_model.load(str(model))
    (first,) = (variable.numpy() for variable in loaded.variables if FIRST in variable.name)

    def ask(pictures: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return loaded.signatures["model"](**{IMAGE: pictures})

    test = read(loaded.signatures, examples["test"], "test")
    there, back, errors = round_trip(ask, test)
    _, _, last = round_trip(ask, read(loaded.signatures, examples["validation"], "validation"))
    figures: dict[str, float] = {"cycle_error": float(np.mean(errors)), "cycle_error_ratio": float(np.mean(last) / np.mean(first))}
    measures = {"brightness_gain": translation.brightness_distance, "colour_gain": translation.colour_distance}
    for name, distance in measures.items():
        gains = [translation.gain(distance(there[at], test[1 - at]), distance(test[at], test[1 - at])) for at in (0, 1)]
        figures |= {name: min(gains), f"{name}_{A_TO_B}": gains[0], f"{name}_{B_TO_A}": gains[1]}
    section = findings.Section(out_dir, "Translated pictures", "Pictures of the test split: as they are, translated, and translated back.")
    for at, name in enumerate((A_TO_B, B_TO_A)):
        shown = [list(findings.pixels(pictures[at][:SHOWN])) for pictures in (test, there, back)]
        section.grid(name, f"{name.replace('_', ' ')}, and back", shown, scale_of(test[at]))
    section.write()
    return dict(figures)


def read(served: Mapping[str, Any], split: Path, name: str) -> list[np.ndarray]:
    """Pictures of each kind of a split, the first MEASURED, float32 [N, size, size, 3] in 0..1."""
    pictures, labels = [], []
    for batch in read_examples([str(split / "*")], MEASURED).batch(BATCH):
        pictures.append(served["transform"](examples=batch)[IMAGE])
        labels.append(tf.io.parse_example(batch, {LABEL: tf.io.FixedLenFeature([], tf.int64)})[LABEL])
    found = by_kind(Rows({IMAGE: tf.concat(pictures, axis=0)}, tf.concat(labels, axis=0), sum(len(each) for each in labels)), name)
    return [each.numpy() for each in found]


def round_trip(ask: Any, kinds: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray], list[float]]:
    """Pictures of each kind translated, translated back, and the mean absolute difference of these from the pictures."""
    there = [translated(ask, pictures, name) for pictures, name in zip(kinds, (A_TO_B, B_TO_A), strict=True)]
    back = [translated(ask, pictures, name) for pictures, name in zip(there, (B_TO_A, A_TO_B), strict=True)]
    return there, back, [float(np.abs(found - given).mean()) for found, given in zip(back, kinds, strict=True)]
