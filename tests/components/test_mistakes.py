import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import channel, standard_artifacts

from components.artifacts import Section
from components.mistakes import executor
from components.mistakes.component import Mistakes
from components.mistakes.executor import Mistake
from tests.components.conftest import TEST_IMAGES, TEST_LABELS, Holder, artifact, save_holder, write_records


def test_the_worst_come_first_and_right_answers_never():
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.9, 0.1], [1.0, 0.0], [0.45, 0.55]])
    labels = np.array([0, 0, 0, 1, 1])
    found, wrong = executor.worst_mistakes(probabilities, labels, count=2)
    assert wrong == 3
    assert found == [Mistake(row=3, true=1, predicted=0, probability=1.0), Mistake(row=1, true=0, predicted=1, probability=0.9)]


def test_the_loss_is_of_the_true_class_not_the_confidence_of_the_wrong_one():
    found, _ = executor.worst_mistakes(np.array([[0.3, 0.7, 0.0], [0.05, 0.5, 0.45]]), np.array([0, 0]), count=2)
    assert [mistake.row for mistake in found] == [1, 0]


def test_one_column_is_the_probability_of_class_one():
    found, wrong = executor.worst_mistakes(np.array([[0.9], [0.8], [0.3]]), np.array([0, 1, 1]), count=5)
    assert wrong == 2
    assert [(mistake.row, mistake.true, mistake.predicted) for mistake in found] == [(0, 0, 1), (2, 1, 0)]
    assert [mistake.probability for mistake in found] == pytest.approx([0.9, 0.7])


def test_a_label_that_is_no_class_is_an_error():
    with pytest.raises(ValueError, match="expected labels from 0 to 1, received 0 to 2"):
        executor.worst_mistakes(np.full([2, 2], 0.5), np.array([0, 2]), count=1)


def test_pictures_of_the_worst_with_captions(trained, tmp_path):
    examples = artifact(standard_artifacts.Examples, trained.examples)
    examples.split_names = '["train", "test"]'
    executor.Executor().Do(
        {"examples": [examples], "model": [artifact(standard_artifacts.Model, trained.root / "model")]},
        {"mistakes": [artifact(Section, tmp_path)]},
        {"split": "test", "label": "label", "class_names": '["zero", "one", "two"]', "count": 5},
    )
    section = json.loads((tmp_path / "section.json").read_text())

    answer = tf.saved_model.load(str(trained.saved_model)).signatures["raw"]
    probabilities = answer(image=tf.constant(TEST_IMAGES))["probabilities"].numpy()
    predicted = probabilities.argmax(1)
    loss = np.where(predicted == TEST_LABELS, 0, -np.log(probabilities[np.arange(100), TEST_LABELS]))
    worst = np.argsort(-loss)[:5]
    names = ["zero", "one", "two"]
    assert section["pictures"] == [
        {
            "file": f"{place}.png",
            "caption": f"true {names[TEST_LABELS[row]]}, predicted {names[predicted[row]]} ({probabilities[row, predicted[row]]:.2f})",
        }
        for place, row in enumerate(worst, start=1)
    ]
    for place, row in enumerate(worst, start=1):
        picture = np.asarray(Image.open(tmp_path / f"{place}.png"))
        np.testing.assert_array_equal(picture, TEST_IMAGES[row].repeat(4, axis=0).repeat(4, axis=1))
    assert section["tables"] == [] and section["text"].startswith(f"{(loss > 0).sum()} of 100 examples")


def test_an_input_that_holds_no_picture_is_an_error(trained, tmp_path):
    with pytest.raises(ValueError, match=r"expected an input 'photo' with pictures, .* received \{'image': 'uint8\[10, 4, 4\]'\}"):
        executor.write_section(trained.saved_model, trained.examples / "Split-test", tmp_path, "label", [], 10, image="photo")


class _Texts(Holder):
    """Takes texts; says "b" to all."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def decode(self, examples):
        spec = {"text": tf.io.FixedLenFeature([], tf.string), "size": tf.io.FixedLenFeature([2], tf.float32)}
        return tf.io.parse_example(examples, spec)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text"), tf.TensorSpec([None, 2], tf.float32, name="size")])
    def serve(self, text, size):
        return {"probabilities": tf.tile([[0.25, 0.75]], [tf.shape(text)[0], 1]) + 0 * size}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples):
        return self.serve(**self.decode(examples))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return save_holder(_Texts(None), tmp_path_factory.mktemp("texts") / "saved_model")


def text_example(text: str, label: str) -> bytes:
    features = {
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])),
        "size": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, 2])),
        "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[label.encode()])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_inputs_without_pictures_make_a_table(texts, tmp_path):
    write_records(tmp_path / "split" / "data", [text_example("right", "b"), text_example("wröng" * 100, "a")])
    executor.write_section(texts, tmp_path / "split", tmp_path, "label", ["a", "b"], 10)
    section = json.loads((tmp_path / "section.json").read_text())
    (table,) = section["tables"]
    assert table["columns"] == ["true", "predicted", "probability", "size", "text"]
    assert table["rows"] == [["a", "b", "0.75", "[0.5 2. ]", ("wröng" * 100)[:119] + "…"]]
    assert section["pictures"] == [] and section["text"].startswith("1 of 2 examples")


def test_a_class_name_that_is_unknown_is_an_error(texts, tmp_path):
    write_records(tmp_path / "data", [text_example("x", "c")])
    with pytest.raises(ValueError, match=re.escape("expected 'label' to be one of ['a', 'b'], received 'c'")):
        executor.write_section(texts, tmp_path, tmp_path, "label", ["a", "b"], 10)
    with pytest.raises(ValueError, match="expected examples with the feature 'answer'"):
        executor.write_section(texts, tmp_path, tmp_path, "answer", ["a", "b"], 10)


def test_a_model_without_mistakes_says_so(texts, tmp_path):
    write_records(tmp_path / "split" / "data", [text_example("right", "b")])
    executor.write_section(texts, tmp_path / "split", tmp_path, "label", ["a", "b"], 10)
    section = json.loads((tmp_path / "section.json").read_text())
    assert (section["text"], section["pictures"], section["tables"]) == ("0 of 1 examples are taken for another class.", [], [])


def test_the_component_passes_its_parameters_on():
    component = Mistakes(
        examples=channel.Channel(standard_artifacts.Examples),
        model=channel.Channel(standard_artifacts.Model),
        label="label",
        count=3,
        code_fingerprint="abc",
    )
    expected = {"label": "label", "class_names": "[]", "split": "test", "count": 3, "code_fingerprint": "abc"}
    assert {name: value for name, value in component.exec_properties.items() if value is not None} == expected
    assert component.outputs["mistakes"].type is Section


def test_the_largest_errors_of_a_regressor_come_first_with_their_sign():
    predicted, true = np.array([1.0, 5.0, 2.5, 100.0]), np.array([1.0, 2.0, 4.5, 99.5])
    off, text = executor.largest_errors(predicted, true, count=2)
    assert off == [(1, ["2", "5", "+3"]), (2, ["4.5", "2.5", "-2"])]
    assert text == "Half of 4 predictions are off by at most 1.25, nine in ten by at most 2.7. These 2 are furthest off."


def test_encoded_pictures_are_drawn_small():
    file = io.BytesIO()
    Image.new("RGB", (640, 320), (255, 0, 0)).save(file, "JPEG")
    (picture,) = executor._pictures({"image": np.array([file.getvalue()], object)}, None)
    assert picture.size == (224, 112)
    assert picture.getpixel((100, 50))[0] > 240
    assert executor._pictures({"text": np.array([b"no picture"], object)}, None) is None
