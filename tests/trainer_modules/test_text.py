"""Texts to numbers of words, and word vectors to start from."""

import types

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from tests import texts
from tests.transform_fixture import analyse
from trainer_modules.common import text

SCHEMA = """
feature { name: "text" type: BYTES presence { min_fraction: 1.0 min_count: 1 } shape {} }
feature { name: "label" type: INT presence { min_fraction: 1.0 min_count: 1 } shape {} }
"""


def words(*values: str | bytes, **options: bool) -> list[list[str]]:
    return [[word.decode() for word in row] for row in text.split_words(tf.constant(values), **options).to_list()]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", []),
        (" \t\n\u2028 ", []),
        ("A film, a GREAT film.", ["a", "film", "a", "great", "film"]),
        ("One.<br /><br />Two<br>three</i>", ["one", "two", "three"]),
        ("I <3 it; a<b and c>d", ["i", "<", "3", "it", "a", "<", "b", "and", "c", ">", "d"]),
        ("Don't, don’t and don`t", ["don't", "don't", "and", "don't"]),
        ("'Tis the dogs' “rock'n'roll” 'a' 'b'", ["tis", "the", "dogs", "rock'n'roll", "a", "b"]),
        ("Really?! £1,000 10/10", ["really", "?", "!", "£", "1", "000", "10", "10"]),
        ("ÉCOLE naïve Straße ΣΊΣΥΦΟΣ МИР", ["école", "naïve", "straße", "σίσυφος", "мир"]),
        ("cafe\u0301 soft\u00adhyphen", ["cafe\u0301", "softhyphen"]),
        ("so😀😀 ❤\ufe0f 👩\u200d👧", ["so", "😀", "😀", "❤", "👩", "👧"]),
        (b"bad \xff\xfebytes\x00 and nul\x80", ["bad", "bytes", "and", "nul"]),
    ],
)
def test_words_of_known_texts(given, expected):
    assert words(given) == [expected]


def test_masked_digits_keep_the_form_of_a_number():
    assert words("Call 07781 482-36 now, ٣ times", mask_digits=True) == [["call", "00000", "000", "00", "now", "0", "times"]]


class Numbered:
    """A text feature analysed over the texts with known words.

    Attributes:
        transform: Transform's output.
    """

    def __init__(self, folder, **options):
        def preprocessing_fn(inputs):
            return {"tokens": text.word_numbers(text.split_words(inputs["text"]), **options)}

        self.transform, _ = analyse(preprocessing_fn, SCHEMA, [texts.example(row, 0) for row in texts.TEXTS], folder)
        self.folder = folder
        self._layer = self.transform.transform_features_layer()

    def numbers(self, *values):
        batch = tf.io.parse_example([texts.example(value, 0) for value in values], self.transform.raw_feature_spec())
        return self._layer(batch)["tokens"].numpy().tolist()


@pytest.fixture(scope="module")
def first_four(tmp_path_factory):
    return Numbered(tmp_path_factory.mktemp("first"), vocabulary_size=100, length=4)


def test_numbers_follow_frequency_and_texts_get_one_length(first_four):
    vocabulary = [word.decode() for word in first_four.transform.vocabulary_by_name(text.VOCABULARY)]
    assert {word: number for number, word in enumerate(vocabulary, 2)} == texts.NUMBERS
    found = first_four.numbers("Good film", "", "film film film film good", "BAD! unheard")
    assert found == [[4, 2, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2], [3, 6, 1, 0]]


def test_the_last_words_may_be_kept_and_those_beyond_the_vocabulary_are_unknown(tmp_path):
    last_three = Numbered(tmp_path, vocabulary_size=4, length=3, keep="last")
    assert last_three.numbers("film film film bad good", "bad", "") == [[2, 3, 1], [3, 0, 0], [0, 0, 0]]


def test_another_end_is_refused():
    with pytest.raises(ValueError, match="first or the last words of a text to be kept, received 'middle'"):
        text.word_numbers(text.split_words(tf.constant(["a"])), vocabulary_size=10, length=2, keep="middle")


# Word vectors


def build_model(hparams):
    tokens = keras.Input((2,), dtype="int64", name="tokens")
    x = text.embedding(6, hparams["embedding_units"])(tokens)
    model = keras.Model({"tokens": tokens}, keras.layers.Dense(1)(keras.ops.mean(x * text.present(tokens), axis=1)))
    model.compile(optimizer="adam", loss="mse")
    return model


def write_vectors(folder, names, vectors):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)


@pytest.mark.parametrize("place", [".", "assets.extra"])
def test_known_words_start_from_their_vectors_and_others_as_seeded(tmp_path, place):
    write_vectors(tmp_path / place, ["été", "good", "elsewhere"], np.arange(9, dtype=np.float64).reshape(3, 3))
    names, vectors = text.read_vectors(tmp_path)
    assert names == ["été", "good", "elsewhere"]
    keras.utils.set_random_seed(4)
    model = build_model({"embedding_units": 3})
    (seeded,) = model.get_layer(text.EMBEDDING).get_weights()
    text.starting_from(names, vectors, ["good", "film", "été"])(model, {})
    (table,) = model.get_layer(text.EMBEDDING).get_weights()
    np.testing.assert_array_equal(table[2], [3, 4, 5])
    np.testing.assert_array_equal(table[4], [0, 1, 2])
    np.testing.assert_array_equal(table[[0, 1, 3, 5]], seeded[[0, 1, 3, 5]])


def test_vectors_of_another_width_are_told(tmp_path):
    write_vectors(tmp_path, ["good"], np.zeros((1, 5), np.float32))
    initialise = text.starting_from(*text.read_vectors(tmp_path), ["good"])
    with pytest.raises(ValueError, match=r"expected word vectors of embedding_units = 3 dimensions, received 5\. Set embedding_units=5\."):
        initialise(build_model({"embedding_units": 3}), {})


@pytest.mark.parametrize(
    ("names", "vectors", "message"),
    [
        (["a", "b"], np.zeros((3, 2), np.float32), r"received float32 \[3, 2\] and 2 words"),
        (["a"], np.zeros((1, 2), np.int64), r"received int64 \[1, 2\]"),
        (["a"], np.full((1, 2), np.nan, np.float32), "not finite"),
        (["a"], np.array([[{}]], dtype=object), "allow_pickle=False"),
    ],
)
def test_files_that_are_no_word_vectors_are_told(tmp_path, names, vectors, message):
    write_vectors(tmp_path, names, vectors)
    with pytest.raises(ValueError, match=rf"expected word vectors in {tmp_path}.*{message}") as caught:
        text.read_vectors(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_word_vectors_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"expected word vectors in .*No such file .*Set embeddings to a folder that has both"):
        text.read_vectors(tmp_path / "nowhere")


def fn_args(folder, transform_folder):
    hparams = {"embeddings": str(folder) if folder else "", "embedding_units": 2}
    return types.SimpleNamespace(custom_config={"hparams": hparams}, transform_graph_path=str(transform_folder))


def test_the_hyperparameter_embeddings_names_the_vectors_of_the_vocabulary(tmp_path, first_four):
    write_vectors(tmp_path / "vectors", ["film"], np.array([[7.0, 8.0]], np.float32))
    model = build_model({"embedding_units": 2})
    text.initialisation(fn_args(tmp_path / "vectors", first_four.folder))(model, {})
    (table,) = model.get_layer(text.EMBEDDING).get_weights()
    np.testing.assert_array_equal(table[2], [7, 8])
    assert np.abs(table[3]).max() < 1
    assert text.initialisation(fn_args("", first_four.folder)) is None


def test_a_search_keeps_the_width_that_vectors_have(tmp_path):
    def search_space(hp):
        return {"embedding_units": hp.Choice("embedding_units", [32, 64]), "dropout": hp.Float("dropout", 0.0, 0.5)}

    assert text.with_width(search_space, fn_args("", tmp_path)) is search_space
    found = text.with_width(search_space, fn_args("somewhere", tmp_path))(keras_tuner.HyperParameters())
    assert found == {"embedding_units": 2, "dropout": 0.0}
