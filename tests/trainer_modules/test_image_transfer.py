"""The pre-trained picture classifier against the shared contract, and its own promises."""

import csv
import hashlib
import io
from pathlib import Path

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.common.datasets import imagenet
from pipelines.image_transfer import MODEL
from tests.contract import Case, check_model
from trainer_modules import image_transfer
from trainer_modules.common import backbones, training, transfer
from trainer_modules.common.input_data import Rows
from trainer_modules.common.pictures import decode_pictures

SIZE = 32
HPARAMS = {**MODEL.hparams, "image_size": SIZE, "classes": 3, "dropout": 0.0, "head_units": 8, "batch_size": 8, "epochs": 2}
SMALL = {**HPARAMS, "width": 0.35}
VGG = {**HPARAMS, "backbone": "VGG16"}


def pictures(count: int) -> np.ndarray:
    """uint8 [count, 32, 32, 3]: noise, the brighter the higher the number modulo 3."""
    noise = np.random.default_rng(1).integers(0, 100, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return noise + (np.arange(count) % 3 * 70).astype(np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]


def rows(count: int = 24) -> Rows:
    return Rows({"image": tf.constant(pictures(count))}, tf.range(count, dtype=tf.int64) % 3, count)


def example(image: np.ndarray, label: int) -> bytes:
    """A serialized tf.Example with every feature of the schema; the picture is a PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    numbers = {"image/height": SIZE, "image/width": SIZE, "image/channels": 3, "label": label}
    features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])) for name, value in numbers.items()}
    features["image"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.getvalue()]))
    features["image/brightness"] = tf.train.Feature(float_list=tf.train.FloatList(value=[image.mean() / 255]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def weights_of(network: keras.Model) -> dict[str, list[np.ndarray]]:
    """By layer."""
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def assert_same(found: keras.Model, expected: keras.Model) -> None:
    """Each layer of a network has the weights that another network's has of that name."""
    known = weights_of(expected)
    for name, weights in weights_of(found).items():
        for a, b in zip(weights, known[name], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.slow
def test_contract(tmp_path):
    """With VGG16, whose head is thereby trained and exported; it has the fewest layers, and so takes the least time."""
    images = pictures(24)
    check_model(
        Case(
            module=image_transfer,
            schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
            examples=[example(image, i % 3) for i, image in enumerate(images)],
            transformed={"image": images[:2], "label": [0, 1]},
            hparams=VGG,
            label=image_transfer.LABEL,
            transform_hparams=MODEL.transform_hparams,
        ),
        tmp_path,
    )


@pytest.mark.parametrize("hparams", [SMALL, {**VGG, "stages": 1}, {**HPARAMS, "backbone": "EfficientNetV2B0", "stages": 4}])
def test_only_the_head_learns_from_as_many_stages_as_asked(hparams):
    model = image_transfer.build_model(hparams)
    network = backbones.backbone_of(model)
    assert not network.trainable_weights
    channels = [maps.shape[-1] for maps in network.outputs[-hparams["stages"] :]]
    body, head = transfer.split(model)
    assert [tensor.shape[-1] for tensor in body.outputs] == [tensor.shape[-1] for tensor in head.inputs] == channels
    assert [weight.shape for weight in model.trainable_weights] == [(sum(channels), 8), (8,), (8, 3), (3,)]
    image = {"image": tf.constant(pictures(3))}
    answers = model(image, training=False).numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    # Random weights tell pictures apart: their signals do not vanish on the way.
    assert all(np.abs(np.diff(features, axis=0)).mean() > 1e-3 for features in body(image))


@pytest.mark.parametrize("name", list(backbones.BACKBONES))
def test_pixels_are_scaled_as_the_network_was_trained(name):
    module = {"VGG16": "vgg16", "MobileNetV2": "mobilenet_v2", "EfficientNetV2B0": "efficientnet_v2"}[name]
    image = keras.Input((2, 2, 3), dtype="uint8")
    scaled = keras.Model(image, backbones.BACKBONES[name].scale(image))(pictures(1)[:, :2, :2])
    expected = getattr(keras.applications, module).preprocess_input(pictures(1)[:, :2, :2].astype(np.float32))
    np.testing.assert_allclose(scaled, expected, atol=1e-4)


def test_cached_features_teach_the_head_what_the_whole_model_would_learn():
    whole, one = training.fit(image_transfer.build_model, VGG, rows(), rows(), seed=4)
    model, two = transfer.learn(image_transfer.build_model, VGG, rows(), rows(), seed=4)
    for a, b, variable in zip(whole.get_weights(), model.get_weights(), whole.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=variable.path)
    assert two["metrics"]["val_loss"] == pytest.approx(one["metrics"]["val_loss"], abs=1e-4)


@pytest.mark.slow
def test_features_are_remembered_for_the_same_rows_and_weights(monkeypatch):
    computed, compute = [], transfer.computed
    monkeypatch.setattr(transfer, "computed", lambda body, rows: computed.append(1) or compute(body, rows))
    train, validation, memory = rows(), rows(12), {}

    def learn(seed, **others):
        transfer.learn(image_transfer.build_model, {**VGG, "epochs": 1, **others}, train, validation, seed=seed, memory=memory)
        return len(computed)

    assert [learn(1), learn(1, head_units=4), learn(1, learning_rate=0.1)] == [2, 2, 2]
    assert learn(2) == 4  # other random weights
    train = rows()
    assert learn(2) == 6
    assert learn(2, stages=2) == 8


def test_fine_tuning_moves_the_last_layers():
    hparams = {**VGG, "fine_tune_epochs": 1, "fine_tune_layers": 2, "fine_tune_rate": 1e-3}
    frozen, _ = transfer.learn(image_transfer.build_model, {**hparams, "fine_tune_epochs": 0}, rows(), rows(), seed=4)
    model, history = transfer.learn(image_transfer.build_model, hparams, rows(), rows(), seed=4)
    before, after = (weights_of(backbones.backbone_of(each)) for each in (frozen, model))
    moved = [name for name, weights in after.items() if any(np.any(a != b) for a, b in zip(weights, before[name], strict=True))]
    assert moved == ["block5_conv2", "block5_conv3"]
    assert history["epochs"] == 3
    assert history["metrics"]["learning_rate"][-1] == pytest.approx(1e-3)


def test_fine_tuning_leaves_batch_normalisation_alone():
    network = backbones.build_backbone("MobileNetV2", SIZE, 0.35)
    backbones.unfreeze(network, 3)
    assert [layer.name for layer in network.layers if layer.trainable_weights] == ["block_16_depthwise", "block_16_project", "Conv_1"]


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    """A small network with random weights for ImageNet's classes, as one whose weights are in a file."""
    keras.utils.set_random_seed(7)
    network = backbones.build_classifier("MobileNetV2", SIZE, 0.35)
    network.set_weights([np.random.default_rng(7).normal(size=weight.shape).astype(np.float32) for weight in network.get_weights()])
    return network


def published(network: keras.Model, file: Path, rename: bool = False) -> Path:
    """Writes weights in the form of Keras 2."""
    with h5py.File(file, "w") as opened:
        names = [f"old_{layer.name}" if rename else layer.name for layer in network.layers]
        opened.attrs["layer_names"] = [name.encode() for name in names]
        for name, layer in zip(names, network.layers, strict=True):
            group = opened.create_group(name)
            weights = [f"{name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, values in zip(weights, layer.get_weights(), strict=True):
                group.create_dataset(weight, data=values)
    return file


@pytest.mark.parametrize("form", ["keras 3", "keras 2", "keras 2, other names"])
def test_weights_of_a_classifier_start_a_backbone(classifier, tmp_path, form):
    file = tmp_path / ("all.weights.h5" if form == "keras 3" else "all.h5")
    if form == "keras 3":
        classifier.save_weights(file)
    else:
        published(classifier, file, rename="other" in form)
    hparams = {**SMALL, "weights": str(file), "weights_sha256": sha256(file)}
    model = image_transfer.build_model(hparams)
    image_transfer.initialise(model, hparams)
    assert_same(backbones.backbone_of(model), classifier)


def test_the_classifier_is_exported_as_it_is(classifier, tmp_path):
    file = tmp_path / "all.weights.h5"
    classifier.save_weights(file)
    hparams = {**SMALL, "head": "imagenet", "classes": 1000, "weights": str(file), "weights_sha256": sha256(file)}
    model, history = transfer.learn(image_transfer.build_model, hparams, rows(), rows(), seed=1, initialise=image_transfer.initialise)
    assert not model.trainable_weights
    assert_same(backbones.backbone_of(model), classifier)
    assert history["epochs"] == 0
    images = pictures(24)
    logits = classifier(images.astype(np.float32) / 127.5 - 1, training=False)
    answers = model({"image": tf.constant(images)}, training=False)
    np.testing.assert_allclose(answers, keras.ops.softmax(logits), atol=1e-5)
    accuracy = np.mean(np.argmax(logits, axis=1) == np.arange(24) % 3)
    assert history["metrics"]["val_accuracy"] == [pytest.approx(accuracy)]


def test_weights_that_do_not_fit_are_refused(classifier, tmp_path):
    keras3, keras2, garbage, text = (tmp_path / name for name in ("a.weights.h5", "b.h5", "garbage.weights.h5", "garbage.h5"))
    classifier.save_weights(keras3)
    published(classifier, keras2)
    for file in (garbage, text):
        file.write_bytes(b"no weights")
    wide = backbones.build_backbone("MobileNetV2", SIZE, 0.5)
    for file, network in [(keras3, wide), (keras2, wide), (keras2, backbones.build_backbone("VGG16", SIZE)), (garbage, wide), (text, wide)]:
        with pytest.raises(
            ValueError, match=rf"expected the [\d,]+ weights of .* in .*{file.name}, .*Check that the file is for this backbone"
        ):
            backbones.load_weights(network, file, sha256(file))
    with pytest.raises(ValueError, match="could not read it: No such file"):
        backbones.load_weights(wide, tmp_path / "nowhere.h5", "")


def test_weights_that_lack_a_number_are_refused(classifier, tmp_path):
    file = published(classifier, tmp_path / "holes.h5")
    with h5py.File(file, "r+") as opened:
        opened["block_1_expand/block_1_expand/kernel:0"][0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="lacks those of 1 layers, the first of them block_1_expand"):
        backbones.load_weights(backbones.build_backbone("MobileNetV2", SIZE, 0.35), file, sha256(file))


def test_a_file_that_changed_since_the_run_began_is_refused(classifier, tmp_path):
    file = tmp_path / "all.weights.h5"
    classifier.save_weights(file)
    with pytest.raises(ValueError, match=f"to have the sha256 0, received {sha256(file)}: it has changed"):
        backbones.load_weights(backbones.build_backbone("MobileNetV2", SIZE, 0.35), file, "0")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"backbone": "VGG17"}, "there is no backbone 'VGG17'. Known: VGG16, MobileNetV2, EfficientNetV2B0"),
        ({"backbone": "VGG16"}, "expected width 1.0 for VGG16, which comes in one width, received 0.35"),
        ({"image_size": 31}, "expected image_size to be at least 32, received 31"),
        ({"head": "old"}, "there is no head 'old'. Known: new, imagenet"),
        ({"head": "imagenet"}, "expected 1000 classes for the head imagenet, received 3"),
    ],
)
def test_models_that_cannot_be_are_refused(others, message):
    with pytest.raises(ValueError, match=message):
        image_transfer.build_model({**SMALL, **others})


def test_the_search_covers_the_defaults_and_only_known_hyperparameters():
    hp = keras_tuner.HyperParameters()
    assert set(image_transfer.search_space(hp)) <= set(MODEL.hparams)
    ranges = {parameter.name: parameter for parameter in hp.space}
    assert MODEL.hparams["head_units"] in ranges["head_units"].values
    for name in ("dropout", "learning_rate"):
        assert ranges[name].min_value <= MODEL.hparams[name] <= ranges[name].max_value


def test_trials_of_a_search_learn_as_the_trainer_does(classifier, tmp_path, monkeypatch):
    """From the weights of the file, on pixels in whole bytes, and from features that are computed once."""
    file = tmp_path / "all.weights.h5"
    classifier.save_weights(file)
    hparams = {**SMALL, "epochs": 1, "weights": str(file), "weights_sha256": sha256(file)}
    asked = []
    monkeypatch.setattr(image_transfer.training, "run", lambda *_, **given: asked.append(given))
    monkeypatch.setattr(image_transfer.tuning, "search", lambda *_, **given: asked.append(given))
    image_transfer.run_fn(None)
    image_transfer.tuner_fn(None)
    trainer, search = asked
    assert trainer["dtypes"] == search["dtypes"] == {"image": "uint8"}
    count, compute, split = [], transfer.computed, (rows(), rows())
    monkeypatch.setattr(transfer, "computed", lambda body, rows: count.append(1) or compute(body, rows))
    for units in (8, 4):
        given = {**hparams, "head_units": units}
        model, _ = search["learn"](image_transfer.build_model, given, *split, seed=1, strategy="single", initialise=search["initialise"])
        assert_same(backbones.backbone_of(model), classifier)
    assert len(count) == 2


def test_mobilenet_names_the_photos(real_data, monkeypatch):
    monkeypatch.setenv("DARSENA_DATA", str(real_data))
    path, digest = imagenet.weights_file("imagenet", "MobileNetV2", 1.0)
    hparams = {**MODEL.with_preset("classifier").hparams, "weights": str(path), "weights_sha256": digest}
    model = image_transfer.build_model(hparams)
    image_transfer.initialise(model, hparams)
    with (real_data / "photos/labels.csv").open(newline="") as file:
        photos = list(csv.DictReader(file))
    pixels = decode_pictures(tf.constant([(real_data / "photos" / photo["file"]).read_bytes() for photo in photos]), hparams["image_size"])
    names = imagenet.class_names()
    named = [names[place] for place in np.argmax(model({"image": pixels}, training=False), axis=1)]
    wrong = {photo["file"]: name for photo, name in zip(photos, named, strict=True) if name not in photo["accepted_labels"].split(";")}
    assert len(photos) == 15 and wrong == {}
