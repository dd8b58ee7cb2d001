"""Pictures of two kinds that become each other: the contract, both directions, training on replicas and after a kill."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.errors import DataRejected
from pipelines.common.config import Data
from pipelines.common.errors import UsageError
from pipelines.cyclegan import MODEL, prepare
from tests import killed, pictures
from tests.contract import Case, check_saved
from tests.contract import prepare as prepared
from trainer_modules import cyclegan as module
from trainer_modules.common import serving_transform, training
from trainer_modules.common.input_data import Rows

HPARAMS = {**MODEL.hparams, "size": 32, "filters": 8, "depth": 1, "discriminator_filters": 8, "batch_size": 2, "epochs": 1}
RANDOM = np.random.default_rng(0)
BRIGHT, DARK = (RANDOM.uniform(low, low + 0.3, (6, 32, 32, 3)).astype(np.float32) for low in (0.6, 0.1))
ROWS = Rows({"image": tf.constant(np.concatenate([BRIGHT, DARK]))}, tf.constant([0] * 6 + [1] * 6, tf.int64), 12)


def learned(hparams: dict = HPARAMS, **options) -> list[np.ndarray]:
    return module.learn(module.build_model, hparams, ROWS, ROWS, seed=3, **options)[0].get_weights()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A model that was saved, held to the contract, with its examples."""
    folder = tmp_path_factory.mktemp("cyclegan")
    examples = [pictures.example((32, 32, 3), seed % 2, seed) for seed in range(6)]
    known = np.stack([pictures.pixels((32, 32, 3), seed) for seed in range(2)]) / np.float32(255)
    case = Case(
        module=module,
        schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
        examples=examples,
        transformed={"image": known, "label": [0, 1]},
        hparams=HPARAMS,
        label="label",
        transform_hparams=MODEL.transform_hparams,
    )
    ready = prepared(case, folder)
    keras.utils.set_random_seed(1)
    model = module.build_model(HPARAMS)
    check_saved(model, ready, examples, folder, MODEL.export_formats, ("day", "night"), module.endpoints)
    return folder / "model", examples


def test_signatures_are_named_by_the_kinds_and_answer_as_the_model(saved: tuple) -> None:
    folder, examples = saved
    loaded = tf.saved_model.load(str(folder)).signatures
    files = loaded["decode"](examples=tf.constant(examples))
    both = loaded["raw"](**files)
    assert set(both) == {"a_to_b", "b_to_a"}
    for direction, output in (("day_to_night", "a_to_b"), ("night_to_day", "b_to_a")):
        np.testing.assert_allclose(loaded[direction](**files)["image"], both[output], atol=1e-6)
    assert np.abs(both["a_to_b"] - both["b_to_a"]).max() > 0.01
    kinds = module.endpoints(
        module.build_model(HPARAMS), serving_transform.OwnInputs({"image": tf.TensorSpec([None, 32, 32, 3])}, lambda *_: {}), ()
    )
    assert set(kinds) == {"a_to_b", "b_to_a"}


def test_each_direction_runs_one_translator(saved: tuple) -> None:
    def convolutions(signature: str) -> int:
        functions = tf.saved_model.load(str(saved[0])).signatures[signature].graph.as_graph_def().library.function
        return sum(node.op == "Conv2D" for function in functions for node in function.node_def)

    assert convolutions("raw") == 2 * convolutions("day_to_night") > 0


def test_a_step_moves_every_weight_that_learns_and_keeps_the_first_errors() -> None:
    keras.utils.set_random_seed(3)
    first = module.build_model(HPARAMS)
    model, history = module.learn(module.build_model, {**HPARAMS, "epochs": 2}, ROWS, ROWS, seed=3)
    for old, new in zip(first.trainable_weights, model.trainable_weights, strict=True):
        assert np.isfinite(new.numpy()).all() and np.any(new.numpy() != old.numpy()), new.path
    (kept,) = (weight.numpy() for weight in model.non_trainable_weights)
    assert kept.mean() == pytest.approx(history["metrics"]["val_cycle_error"][0], rel=1e-5)
    _, _, errors = module.round_trip(lambda images: model({"image": images}), [BRIGHT, DARK])
    assert np.mean(errors) == pytest.approx(history["metrics"]["val_cycle_error"][1], rel=1e-4)


@pytest.mark.slow
def test_two_replicas_learn_what_one_device_learns() -> None:
    for one, two in zip(learned(), learned(strategy="mirrored"), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)


@pytest.mark.slow
def test_a_training_that_was_killed_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    hparams = {**HPARAMS, "epochs": 3}
    (tmp_path / "record").mkdir()
    folders = training.Folders(tmp_path / "checkpoint", tmp_path / "record")
    whole = learned(hparams)
    with killed.after(2):
        learned(hparams, folders=folders)
    for one, two in zip(whole, learned(hparams, folders=folders), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    captions = [picture["caption"] for picture in json.loads((tmp_path / "record/section.json").read_text())["pictures"]]
    assert captions == [f"{name}: as they are, and after epochs 1, 2, 3" for name in ("a to b", "b to a")]


def test_figures_of_a_model_that_does_nothing(saved: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, examples = saved
    for split in ("test", "validation"):
        (tmp_path / split).mkdir()
        with tf.io.TFRecordWriter(str(tmp_path / split / "data")) as writer:
            for example in examples:
                writer.write(example)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(module, "translated", lambda ask, given, direction: given)
    splits = {split: tmp_path / split for split in ("test", "validation")}
    figures = module.evaluate_fn(folder, splits, tmp_path / "out", {})
    assert figures["cycle_error"] == figures["cycle_error_ratio"] == 0
    assert figures["brightness_gain"] == figures["colour_gain"] == pytest.approx(0)
    section = json.loads((tmp_path / "out/section.json").read_text())
    assert [picture["caption"] for picture in section["pictures"]] == ["a to b, and back", "b to a, and back"]


def test_figures_of_a_model_that_arrives(saved: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read", lambda *_: [BRIGHT, DARK])
    monkeypatch.setattr(module, "translated", lambda ask, given, direction: DARK if direction == "a_to_b" else BRIGHT + np.float32(0.01))
    figures = module.evaluate_fn(saved[0], {"test": tmp_path, "validation": tmp_path}, tmp_path, {})
    assert figures["brightness_gain_a_to_b"] == pytest.approx(1) and figures["colour_gain_a_to_b"] == pytest.approx(1)
    assert 0.9 < figures["brightness_gain"] == figures["brightness_gain_b_to_a"] < 1
    # First errors are 1 as a new model has them; there and back again costs 0.01 from the bright ones, and nothing from the dark ones.
    assert figures["cycle_error"] == figures["cycle_error_ratio"] == pytest.approx(0.005, rel=1e-3)


def test_a_split_of_one_kind_is_an_error() -> None:
    one = Rows({"image": ROWS.features["image"][:6]}, ROWS.labels[:6], 6)
    with pytest.raises(ValueError, match="expected validation pictures of both kinds, received 6 and 0"):
        module.learn(module.build_model, HPARAMS, ROWS, one, seed=1)


@pytest.mark.parametrize(
    ("changed", "classes", "error", "message"),
    [
        ({"size": 60}, ("a", "b"), UsageError, "multiple of 2.depth, which is 16, .*received size 60 and depth 4"),
        ({"filters": 12}, ("a", "b"), UsageError, "expected filters to be a multiple of 8, received 12"),
        ({}, ("a", "b", "c"), DataRejected, "expected two folders of pictures in .*, received a, b, c"),
        ({}, (), DataRejected, "expected two folders of pictures in .*, received none"),
    ],
)
def test_what_cannot_be_trained_is_told_before(changed: dict, classes: tuple, error: type, message: str, tmp_path: Path) -> None:
    data = Data("path", tmp_path, "*/*", class_names=classes)
    with pytest.raises(error, match=message):
        prepare({**MODEL.hparams, **changed}, data)
