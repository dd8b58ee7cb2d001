"""The digits' generator: its contract, its training on replicas and after a kill, and the figures it is judged by."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines.mnist_dcgan import MODEL
from tests import digits, killed
from tests.contract import check_exports, check_signatures, prepare
from trainer_modules import mnist_dcgan as module
from trainer_modules.common import endpoints, signatures, training
from trainer_modules.common.input_data import Rows

HPARAMS = {**MODEL.hparams, "latent": 6, "filters": 16, "batch_size": 8, "epochs": 1}
ROWS = Rows({"image": tf.constant(digits.images(16) / np.float32(255))}, tf.range(16) % 10, 16)


def learned(hparams: dict = HPARAMS, **options) -> list[np.ndarray]:
    return module.learn(module.build_model, hparams, ROWS, ROWS, seed=3, **options)[0].get_weights()


def test_preprocessing(tmp_path: Path) -> None:
    prepare(digits.case(module, MODEL, HPARAMS), tmp_path)


def test_saved_and_exported_it_answers_noise_as_in_memory(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model, serving = module.build_model(HPARAMS), module.inputs(HPARAMS)
    noise, examples = serving.golden(32, 5)
    assert noise["noise"].shape == (32, 6) and 0.8 < float(tf.math.reduce_std(noise["noise"])) < 1.2
    expected = {name: np.asarray(value) for name, value in signatures.answers(model, noise).items()}
    assert expected["image"].shape == (32, 28, 28) and expected["image"].min() > 0 and expected["image"].max() < 1
    signatures.export(model, serving, tmp_path / "model", (), endpoints.parts(module.GENERATE))
    inputs = check_signatures(tmp_path / "model", examples, expected)
    np.testing.assert_array_equal(inputs["noise"], noise["noise"])
    generated = tf.saved_model.load(str(tmp_path / "model")).signatures["generate"](noise=noise["noise"])
    np.testing.assert_allclose(generated["image"], expected["image"], atol=1e-6)
    check_exports(tmp_path / "model", tmp_path / "exports", inputs, expected, MODEL.export_formats)


def test_a_step_moves_every_weight_and_the_served_ones_are_the_average() -> None:
    one_step = {**HPARAMS, "batch_size": 16}
    keras.utils.set_random_seed(3)
    first = module.build_model(one_step).get_weights()
    whole, averaged = (learned({**one_step, "average": average}) for average in (0.0, 0.75))
    for old, new, kept in zip(first, whole, averaged, strict=True):
        assert np.isfinite(new).all() and np.any(new != old)
        np.testing.assert_allclose(kept, 0.75 * old + 0.25 * new, atol=1e-6)


def test_two_replicas_learn_what_one_device_learns() -> None:
    for one, two in zip(learned(), learned(strategy="mirrored"), strict=True):
        # Adam's first steps are as long for tiny gradients as for others, so that rounding shows in a few weights.
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_a_training_that_was_killed_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    hparams = {**HPARAMS, "epochs": 3}
    whole = learned(hparams, folders=training.Folders(record=make(tmp_path / "whole")))
    folders = training.Folders(tmp_path / "checkpoint", make(tmp_path / "resumed"))
    with killed.after(2):
        learned(hparams, folders=folders)
    for one, two in zip(whole, learned(hparams, folders=folders), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    for folder in (tmp_path / "whole", tmp_path / "resumed"):
        assert json.loads((folder / "section.json").read_text())["pictures"][0]["caption"] == "After epochs 1, 2, 3, from the top"
    assert (tmp_path / "whole/samples.png").read_bytes() == (tmp_path / "resumed/samples.png").read_bytes()


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_it_makes_follows_what_it_sees() -> None:
    hparams = {**HPARAMS, "batch_size": 16, "epochs": 12, "average": 0.5}

    def brightness(pictures: tf.Tensor) -> float:
        rows = Rows({"image": pictures}, tf.zeros(64, tf.int64), 64)
        model, history = module.learn(module.build_model, hparams, rows, rows, seed=1)
        assert set(history["metrics"]) == {"generator_loss", "discriminator_loss"} and history["epochs"] == 12
        noise = module.inputs(hparams).draw(16, np.random.default_rng(0))
        return float(tf.reduce_mean(model(noise)["image"]))

    assert brightness(tf.zeros((64, 28, 28))) < 0.4 < 0.6 < brightness(tf.ones((64, 28, 28)))


def test_ways_between_noises_keep_to_the_sphere() -> None:
    first, second = np.array([[3.0, 0.0, 0.0]]), np.array([[0.0, 3.0, 0.0]])
    found = module.between(first, second, 3)
    np.testing.assert_allclose(found[0], [[3, 0, 0], [3 / np.sqrt(2), 3 / np.sqrt(2), 0], [0, 3, 0]], atol=1e-12)


def test_figures_of_a_generator_of_one_digit_and_of_one_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(40) % 10
    known = random.integers(0, 40, (40, 28, 28), dtype=np.uint8)
    for place, label in enumerate(labels):
        known[place, 2 * label : 2 * label + 4] += np.uint8(200)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        with tf.io.TFRecordWriter(str(tmp_path / split / "data")) as writer:
            for picture, label in zip(known, labels, strict=True):
                writer.write(digits.example(picture, int(label)))
    serving = module.inputs(HPARAMS)
    signatures.export(module.build_model(HPARAMS), serving, tmp_path / "model", (), endpoints.parts(module.GENERATE))
    monkeypatch.setattr(module, "draw", lambda *_: None)
    splits = {split: tmp_path / split for split in ("train", "test")}

    def figures(name: str, made: np.ndarray) -> dict[str, float]:
        (tmp_path / name).mkdir()
        monkeypatch.setattr(module.findings, "ask", lambda *_: {"image": made / np.float32(255)})
        return dict(module.evaluate_fn(tmp_path / "model", splits, tmp_path / name, {"seed": 1}))

    perfect, collapsed = figures("perfect", known), figures("collapsed", np.repeat(known[:1], 40, axis=0))
    assert perfect["frechet_distance"] == pytest.approx(0, abs=1e-4) and perfect["class_coverage"] == pytest.approx(1)
    assert perfect["sure_share"] == perfect["real_sure_share"]
    assert collapsed["class_coverage"] < 0.11 and collapsed["frechet_distance"] > 10 * perfect["real_frechet_distance"]
    table = json.loads((tmp_path / "collapsed/section.json").read_text())["tables"][0]
    assert sorted(table["rows"][0][1:]) == [0] * 9 + [40]
