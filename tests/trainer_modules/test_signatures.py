"""The serving signatures against TFT's own layer and the Keras model, with analysers and a vocabulary in the graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.transform_fixture import analyse
from trainer_modules.common import serving_transform, signatures
from trainer_modules.common.decoding import decode_pixels

SCHEMA = """
default_environment: "TRAINING" default_environment: "SERVING"
feature { name: "image" type: BYTES presence { min_fraction: 1.0 } shape {} image_domain {} }
feature { name: "colour" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "weight" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "label" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
"""
CLASSES = ("cup", "crane", "été")
COLOURS = ["red", "green", "red", "blue", "red", "green"]


def preprocessing_fn(inputs):
    pixels = tf.cast(decode_pixels("image", inputs["image"], (2, 3)), tf.float32)
    return {
        "image": pixels - tft.mean(pixels),
        "colour": tft.compute_and_apply_vocabulary(inputs["colour"], num_oov_buckets=1),
        "weight": tft.scale_to_z_score(inputs["weight"]),
        "label": inputs["label"],
    }


def example(image, colour, weight, label=None):
    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()])),
        "colour": tf.train.Feature(bytes_list=tf.train.BytesList(value=[colour.encode()])),
        "weight": tf.train.Feature(float_list=tf.train.FloatList(value=[weight])),
    }
    if label is not None:
        features["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (len(COLOURS), 2, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exported(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("signatures")
    rows = [example(image, colour, float(i), i % 2) for i, (image, colour) in enumerate(zip(images, COLOURS, strict=True))]
    transform, schema = analyse(preprocessing_fn, SCHEMA, rows, folder / "transform")
    inputs = {
        "image": keras.Input((2, 3), name="image"),
        "colour": keras.Input((), name="colour", dtype="int64"),
        "weight": keras.Input((), name="weight"),
    }
    keras.utils.set_random_seed(1)
    parts = [
        keras.layers.Flatten()(inputs["image"]),
        keras.layers.Embedding(5, 2)(inputs["colour"]),
        keras.layers.Reshape((1,))(inputs["weight"]),
    ]
    model = keras.Model(inputs, keras.layers.Dense(3, name="scores")(keras.layers.Concatenate()(parts)))
    serving = serving_transform.ServingTransform(transform, serving_transform.serving_feature_spec(schema))
    signatures.export(model, serving, folder / "model", CLASSES)
    layer = transform.transform_features_layer()
    return model, layer, tf.saved_model.load(str(folder / "model")).signatures


@pytest.fixture(scope="module")
def expected(exported, images):
    """What the Keras model says of TFT's own layer's output."""
    model, layer, _ = exported
    raw = {
        "image": tf.constant([image.tobytes() for image in images]),
        "colour": tf.constant(COLOURS),
        "weight": tf.range(6, dtype=tf.float32),
    }
    return model(layer(raw)).numpy()


def test_examples_signature_runs_the_transform_graph(exported, expected, images):
    rows = [example(image, colour, float(i)) for i, (image, colour) in enumerate(zip(images, COLOURS, strict=True))]
    got = exported[2]["serving_default"](examples=tf.constant(rows))["scores"]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_named_tensors_enter_where_features_are_decoded(exported, expected, images):
    signature = exported[2]["raw"]
    specs = {name: (spec.dtype, spec.shape.as_list()) for name, spec in signature.structured_input_signature[1].items()}
    assert specs == {"image": (tf.uint8, [None, 2, 3]), "colour": (tf.string, [None]), "weight": (tf.float32, [None])}
    got = signature(image=tf.constant(images), colour=tf.constant(COLOURS), weight=tf.range(6, dtype=tf.float32))["scores"]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_top_classes_are_named_the_likeliest_first(exported, expected, images):
    got = exported[2]["top_classes"](image=tf.constant(images), colour=tf.constant(COLOURS), weight=tf.range(6, dtype=tf.float32))
    order = np.argsort(-expected, axis=1)
    assert [[name.decode() for name in names] for names in got["labels"].numpy()] == [[CLASSES[place] for place in row] for row in order]
    np.testing.assert_allclose(got["scores"], np.take_along_axis(expected, order, axis=1), atol=1e-6)


def test_classify_names_all_classes(exported, expected, images):
    rows = [example(image, colour, float(i)) for i, (image, colour) in enumerate(zip(images, COLOURS, strict=True))]
    got = exported[2]["classify"](inputs=tf.constant(rows))
    assert got["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * len(rows)
    np.testing.assert_allclose(got["scores"], expected, atol=1e-6)
    assert "regress" not in exported[2]


@pytest.mark.parametrize(
    ("given", "name", "outputs"),
    [
        ({"class_names": ("no", "yes")}, "classify", {"classes": [[b"no", b"yes"]] * 2, "scores": [[0.75, 0.25], [0.5, 0.5]]}),
        ({"regression": True}, "regress", {"outputs": [[0.25], [0.5]]}),
    ],
)
def test_one_output_is_of_the_second_of_two_classes_or_a_number(given, name, outputs, tmp_path):
    x = keras.Input((1,), name="x")
    serving = serving_transform.OwnInputs(
        {"x": tf.TensorSpec([None, 1], tf.float32)}, lambda count, random: {"x": random.random((count, 1))}
    )
    signatures.export(keras.Model({"x": x}, keras.layers.Rescaling(0.25)(x)), serving, tmp_path, **given)
    loaded = tf.saved_model.load(str(tmp_path)).signatures
    rows = [tf.train.Example() for _ in range(2)]
    for row, value in zip(rows, (1.0, 2.0), strict=True):
        row.features.feature["x"].float_list.value.append(value)
    got = loaded[name](inputs=tf.constant([row.SerializeToString() for row in rows]))
    assert {key: value.numpy().tolist() for key, value in got.items()} == outputs
    assert {"classify", "regress", "top_classes"} & set(loaded) == {name}


def test_decode_gives_the_inputs_of_raw(exported, images):
    rows = [example(image, colour, float(i)) for i, (image, colour) in enumerate(zip(images, COLOURS, strict=True))]
    got = exported[2]["decode"](examples=tf.constant(rows))
    np.testing.assert_array_equal(got["image"], images)
    assert [colour.decode() for colour in got["colour"].numpy()] == COLOURS
    np.testing.assert_array_equal(got["weight"], np.arange(6, dtype=np.float32))


def test_an_image_of_another_size_is_refused(exported, images):
    with pytest.raises(tf.errors.InvalidArgumentError):
        exported[2]["serving_default"](examples=tf.constant([example(images[0][:, :2], "red", 0.0)]))


def test_an_unknown_word_goes_to_the_out_of_vocabulary_bucket(exported, images):
    model, layer, loaded = exported
    named = {"image": tf.constant(images[:1]), "weight": tf.constant([0.0])}
    unknown = loaded["raw"](colour=tf.constant(["mauve"]), **named)["scores"]
    raw = {"image": tf.constant([images[0].tobytes()]), "colour": tf.constant(["also unknown"]), "weight": tf.constant([0.0])}
    np.testing.assert_allclose(unknown, model(layer(raw)), atol=1e-6)


MISSING_SCHEMA = """
default_environment: "TRAINING" default_environment: "SERVING"
feature { name: "income" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "place" type: BYTES presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "age" type: FLOAT presence { min_fraction: 1.0 } shape {} }
"""


def imputing_fn(inputs):
    income = tft.sparse_tensor_to_dense_with_shape(inputs["income"], [None, 1], default_value=-1.0)
    place = tft.sparse_tensor_to_dense_with_shape(inputs["place"], [None, 1], default_value="nowhere")
    return {
        "income.filled": income,
        "place.length": tf.cast(tf.strings.length(place), tf.float32),
        "age": tf.reshape(inputs["age"], [-1, 1]),
    }


def row(**features):
    kinds = {float: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=[v]))}
    as_bytes = lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v.encode()]))  # noqa: E731
    found = {name: kinds.get(type(value), as_bytes)(value) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString()


@pytest.fixture(scope="module")
def imputing(tmp_path_factory):
    """A SavedModel that answers with its three transformed features."""
    folder = tmp_path_factory.mktemp("imputing")
    rows = [row(income=1.0, place="sea", age=3.0), row(age=4.0)]
    transform, schema = analyse(imputing_fn, MISSING_SCHEMA, rows, folder / "transform")
    inputs = {name: keras.Input((1,), name=name) for name in ("income.filled", "place.length", "age")}
    model = keras.Model(inputs, keras.layers.Concatenate(name="all")(list(inputs.values())))
    serving = serving_transform.ServingTransform(transform, serving_transform.serving_feature_spec(schema))
    signatures.export(model, serving, folder / "model")
    return tf.saved_model.load(str(folder / "model")).signatures


def test_absent_features_of_examples_are_filled(imputing):
    rows = [row(income=2.5, age=1.0), row(place="hill", age=2.0), row(age=3.0)]
    got = imputing["serving_default"](examples=tf.constant(rows))["all"]
    np.testing.assert_array_equal(got, [[2.5, 7, 1], [-1, 4, 2], [-1, 7, 3]])


def test_nan_and_empty_texts_of_a_request_are_missing(imputing):
    specs = {name: (spec.dtype, spec.shape.as_list()) for name, spec in imputing["raw"].structured_input_signature[1].items()}
    assert specs == {"income": (tf.float32, [None]), "place": (tf.string, [None]), "age": (tf.float32, [None])}
    got = imputing["raw"](income=tf.constant([2.5, np.nan, np.nan]), place=tf.constant(["", "hill", ""]), age=tf.constant([1.0, 2.0, 3.0]))[
        "all"
    ]
    np.testing.assert_array_equal(got, [[2.5, 7, 1], [-1, 4, 2], [-1, 7, 3]])


def test_decode_makes_dense_inputs_of_examples_with_gaps(imputing):
    got = imputing["decode"](examples=tf.constant([row(income=2.5, age=1.0), row(place="hill", age=2.0)]))
    np.testing.assert_array_equal(got["income"], [2.5, np.nan])
    assert got["place"].numpy().tolist() == [b"", b"hill"]


def test_transformed_features_enter_by_names_that_signatures_take(imputing):
    features = imputing["transform"](examples=tf.constant([row(income=2.5, age=1.0)]))
    assert set(features) == {"income_filled", "place_length", "age"}
    np.testing.assert_array_equal(imputing["model"](**features)["all"], [[2.5, 7, 1]])


def test_an_integer_that_may_be_missing_is_refused(tmp_path):
    schema_text = MISSING_SCHEMA.replace('"income" type: FLOAT', '"income" type: INT')
    transform, schema = analyse(
        lambda inputs: {"age": inputs["age"] + tf.cast(tf.size(inputs["income"].values), tf.float32)},
        schema_text,
        [row(age=1.0)],
        tmp_path / "t",
    )
    with pytest.raises(ValueError, match="expected income, which may be missing, to be FLOAT or BYTES in the schema, received int64"):
        serving_transform.ServingTransform(transform, serving_transform.serving_feature_spec(schema))
