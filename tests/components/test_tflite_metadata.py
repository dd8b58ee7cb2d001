import hashlib
import io
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.tflite_exporter import converters, description
from components.tflite_exporter.interpreter import answer
from components.tflite_exporter.metadata import LABELS, VOCABULARY, Attached, Described, ModelDescription, attach
from tests.components.conftest import GOLDEN_IMAGES
from tests.tflite_metadata import read_metadata

ABOUT = {"name": "tiny", "description": "tells noise – apart", "version": "1+abc", "author": "someone", "license": "CC0-1.0"}
CLASSES = ("tug", "ferry", "фрегат")


def described(*inputs: Described, labels: tuple[str, ...] = CLASSES) -> ModelDescription:
    attached = Attached("labels.txt", "the class of each column", LABELS, labels)
    output = Described("probabilities", "of each class", (0.0,), (1.0,), attached=(attached,))
    return ModelDescription(**ABOUT, inputs=inputs, outputs=(output,))


IMAGE = Described("image", "pixels", (0.0,), (255.0,), picture=(4, 4, 2))


@pytest.fixture(scope="module")
def plain(trained, tmp_path_factory):
    """A file without metadata."""
    return converters.float32(trained.saved_model, tmp_path_factory.mktemp("plain"), {})


@pytest.fixture
def file(plain, tmp_path):
    return Path(tmp_path / "model.tflite").write_bytes(plain.read_bytes()) and tmp_path / "model.tflite"


def test_metadata_are_read_back(file):
    attach(file, described(IMAGE))
    found = read_metadata(file)
    assert {name: found[name] for name in ABOUT} == ABOUT
    assert found["parser"] == "1.0.0"
    assert found["inputs"]["image"] == {
        "name": "image",
        "description": "pixels",
        "mean": [0.0],
        "std": [1.0],
        "low": [0.0],
        "high": [255.0],
        "picture": (4, 4, 2),
        "files": {},
    }
    assert found["outputs"]["probabilities"]["files"] == {"labels.txt": (2, list(CLASSES))}
    assert found["outputs"]["probabilities"]["picture"] is None


def test_channels_scales_and_words(file):
    words = Attached("words.txt", "words", VOCABULARY, ("[PAD]", "[UNK]", "ship"))
    attach(file, described(Described("image", "", (-1.0,), (2.5,), mean=(1.5, 2.5), std=(0.5, 0.25), attached=(words,))))
    image = read_metadata(file)["inputs"]["image"]
    assert (image["mean"], image["std"], image["low"], image["high"]) == ([1.5, 2.5], [0.5, 0.25], [-1.0], [2.5])
    assert image["files"] == {"words.txt": (5, ["[PAD]", "[UNK]", "ship"])}
    assert read_metadata(file)["parser"] == "1.0.1"


def test_the_file_answers_as_before_and_has_the_same_bytes_each_time(plain, file, tmp_path):
    attach(file, described(IMAGE))
    before, _ = answer(plain, {"image": GOLDEN_IMAGES})
    after, _ = answer(file, {"image": GOLDEN_IMAGES})
    np.testing.assert_array_equal(after["probabilities"], before["probabilities"])
    again = tmp_path / "again.tflite"
    again.write_bytes(plain.read_bytes())
    attach(again, described(IMAGE))
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert [info.date_time for info in zipfile.ZipFile(file).infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_a_model_of_other_inputs_is_refused(file):
    with pytest.raises(ValueError, match=r"expected the inputs or outputs \['picture'\], received \['image'\]"):
        attach(file, described(Described("picture", "", (0.0,), (1.0,))))


def test_a_line_is_found_although_values_are_missing_and_cut_off():
    x = np.linspace(-3, 40, 200).astype(np.float32)
    y = (x - np.float32(7.5)) / np.float32(2.5)
    y[-5:] = 8
    x[20] = np.nan
    mean, std = description.line(x, y)
    assert (mean, std) == (pytest.approx(7.5, abs=1e-4), pytest.approx(2.5, abs=1e-4))
    assert description.line(x, np.log1p(x + 3)) is None
    assert description.line(np.full(9, 2.0), np.arange(9.0)) is None


class Signature:
    """Stands for a signature of a SavedModel."""

    def __init__(self, call, **specs):
        self.call, self.structured_input_signature = call, ((), specs)

    def __call__(self, examples):
        return {
            name: tf.constant(values)
            for name, values in self.call([tf.train.Example.FromString(each) for each in examples.numpy()]).items()
        }


WORDS = ["ship", "sea", "rope"]


def transformed(examples):
    features = [example.features.feature for example in examples]
    lengths = np.array([each["length"].float_list.value[0] for each in features], np.float32)
    texts = [each["note"].bytes_list.value[0].decode().split() for each in features]
    numbers = [[WORDS.index(word) + 2 if word in WORDS else 1 for word in text] for text in texts]
    pictures = [np.asarray(Image.open(io.BytesIO(each["photo"].bytes_list.value[0]))) for each in features]
    return {
        "x": ((lengths - 30) / 4)[:, np.newaxis],
        "x_squared": (lengths**2)[:, np.newaxis],
        "tokens": np.array([(row + [0] * 3)[:3] for row in numbers]),
        "pixels": np.array([picture[:2, :5] / np.float32(127.5) - 1 for picture in pictures], np.float32),
    }


def decoded(examples):
    features = [example.features.feature for example in examples]
    lengths = np.array([each["length"].float_list.value[0] for each in features], np.float32)
    texts = {name: np.array([each[name].bytes_list.value[0] for each in features], object) for name in ("note", "photo")}
    return {"length": lengths, "note": texts["note"], "photo": texts["photo"]}


@pytest.fixture
def found(tmp_path):
    """The description of a model of a number, a text and a picture."""
    (tmp_path / "words").write_text("ship\nsea\nrope\n")
    (tmp_path / "others").write_text("alpha\nbeta\n")
    stream = io.BytesIO()
    Image.new("RGB", (5, 2), (9, 200, 30)).save(stream, "PNG")
    records = []
    for row in range(40):
        example = tf.train.Example()
        example.features.feature["length"].float_list.value[:] = [row * 1.5]
        example.features.feature["note"].bytes_list.value[:] = [b"sea rope"]
        example.features.feature["photo"].bytes_list.value[:] = [stream.getvalue()]
        records.append(example.SerializeToString())
    raw = Signature(None, note=tf.TensorSpec([None], tf.string))
    model = Signature(None, **dict.fromkeys(("x", "x_squared", "tokens", "pixels")))
    signatures = {"raw": raw, "model": model, "decode": Signature(decoded), "transform": Signature(transformed)}
    outputs = {"probability": np.array([[0.2], [0.9]], np.float32), "count": np.array([3, 7])}
    loaded = types.SimpleNamespace(signatures=signatures)
    made = description.describe(ABOUT, loaded, tmp_path, records, outputs, ("calm", "storm"))
    return {tensor.name: tensor for tensor in (*made.inputs, *made.outputs)}


def test_the_scale_of_a_number_is_found(found):
    x = found["x"]
    assert (x.mean, x.std) == (pytest.approx((30,), abs=1e-4), pytest.approx((4,), abs=1e-4))
    assert x.description == "(x - mean) / std of length" and (x.low, x.high) == ((-7.5,), (7.125,))
    assert (found["x_squared"].mean, found["x_squared"].std) == ((0.0,), (1.0,))
    assert "no linear scale" in found["x_squared"].description


def test_the_numbers_of_words_are_found(found):
    (attached,) = found["tokens"].attached
    assert (attached.kind, attached.lines) == (VOCABULARY, ("[PAD]", "[UNK]", "ship", "sea", "rope"))


def test_the_scale_of_a_picture_is_found(found):
    pixels = found["pixels"]
    assert pixels.picture == (5, 2, 1)
    assert (pixels.mean, pixels.std) == (pytest.approx((127.5,), rel=1e-5), pytest.approx((127.5,), rel=1e-5))


def test_outputs_have_the_names_of_their_classes(found):
    (attached,) = found["probability"].attached
    assert (attached.kind, attached.lines) == (LABELS, ("storm",))
    assert found["probability"].description == "probability of storm, and not calm"
    assert found["count"].attached == () and (found["count"].low, found["count"].high) == ((3.0,), (7.0,))
    whole = description.of_output("p", np.zeros((2, 3)), CLASSES)
    assert whole.attached[0].lines == CLASSES
    assert description.of_output("p", np.zeros((2, 4)), CLASSES).attached == ()
    assert description.of_output("p", np.zeros((2, 2)), CLASSES).attached == ()
