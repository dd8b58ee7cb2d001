"""Word vectors: their loss by loops over pairs, their signatures on vectors made by hand, gensim as the reference."""

import numpy as np
import pytest
import tensorflow as tf
from gensim.models import KeyedVectors, Word2Vec
from gensim.test.utils import datapath

from pipelines.word2vec import MODEL
from tests import killed, texts
from tests.contract import Case, check_saved, prepare
from trainer_modules import word2vec as module
from trainer_modules.common import similarity, text, training, word_vectors
from trainer_modules.common.input_data import Rows

WORDS = ["king", "queen", "man", "woman", "apple"]
HPARAMS = {**MODEL.hparams, "vocabulary_size": 7, "units": 4, "least_count": 1, "shared_negatives": 8, "batch_size": 32, "epochs": 4}


def settings(**others) -> word_vectors.Settings:
    given = {"skip_gram": True, "window": 2, "negatives": 3, "shared": 4, "sample": 0.0, "block": 6, "rate": 0.1, "epochs": 1}
    return word_vectors.Settings(**{**given, **others})


def test_contract(tmp_path):
    lines = ["king queen", "The king, the man!", "a woman", "apple apple apple king queen king"] * 4
    case = Case(
        module=module,
        schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
        examples=[texts.example(line, 0) for line in lines],
        transformed={"tokens": np.pad([[2, 5], [4, 2]], ((0, 0), (0, 998)))[:1]},
        hparams={**HPARAMS, "vocabulary_size": 20, "least_count": 8},
        label="",
        complete=True,
        transform_hparams=MODEL.transform_hparams,
    )
    prepared = prepare(case, tmp_path)
    # king 12, apple 12, queen 8, the 8; others occur four times.
    assert set(np.unique(prepared.rows.features["tokens"])) == {0, 1, 2, 3, 4, 5}
    model = module.build_model(case.hparams)
    check_saved(model, prepared, case.examples, tmp_path, MODEL.export_formats)


def test_windows_are_symmetric_and_end_with_the_text():
    given = settings(block=64)
    block = np.full((2, 64), -1)
    block[:, 30:36] = [[5, 6, 7, 8, 9, -1], [0, 0, 0, 1, 1, -1]]
    widths = np.full(64, 2)
    widths[30], widths[32] = 1, 1
    near = word_vectors.neighbours(tf.constant(block, tf.int32), tf.constant(widths, tf.int32), given).numpy()
    # Of the words 30 to 34, those in their windows; columns start two places before the part.
    found = {place: sorted(np.flatnonzero(near[place // 32, place % 32]) + 32 * (place // 32) - 2) for place in range(64)}
    assert {place: others for place, others in found.items() if others} == {30: [31], 31: [30, 32], 32: [31], 33: [34], 34: [33]}


@pytest.mark.parametrize(("skip_gram", "window"), [(True, 3), (True, 20), (False, 3), (False, 40)])
def test_loss_and_gradients_of_a_block_are_those_of_its_pairs(skip_gram, window):
    random = np.random.default_rng(0)
    given = settings(skip_gram=skip_gram, block=70, window=window)
    size = given.size
    rows, widths = np.arange(size) // 30, random.integers(1, window + 1, size)
    numbers = np.where(np.arange(size) < 70, 5, -1)
    words, contexts = (tf.constant(random.normal(size=(size, 3)), tf.float32) for _ in range(2))
    negatives = tf.constant(random.normal(size=(4 * size // given.part, 3)), tf.float32)
    near = word_vectors.neighbours(tf.constant(np.stack([numbers, rows]), tf.int32), tf.constant(widths, tf.int32), given)
    found, gradients = word_vectors.gradients(words, contexts, negatives, near, given)
    with tf.GradientTape() as tape:
        tape.watch([words, contexts, negatives])
        expected = tf.zeros([])
        for center in range(70):
            span = range(max(0, center - widths[center]), min(69, center + widths[center]) + 1)
            around = [other for other in span if other != center and rows[other] == rows[center]]
            drawn = negatives[4 * (center // given.part) :][:4]
            for other in around if skip_gram else around[:1]:
                asked = words[center] if skip_gram else tf.reduce_mean(tf.gather(words, around), axis=0)
                told = contexts[other if skip_gram else center]
                expected += tf.nn.softplus(-tf.reduce_sum(asked * told))
                expected += 3 / 4 * tf.reduce_sum(tf.nn.softplus(tf.linalg.matvec(drawn, asked)))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    for one, other in zip(gradients, tape.gradient(expected, [words, contexts, negatives]), strict=True):
        np.testing.assert_allclose(one, tf.convert_to_tensor(other), rtol=1e-5, atol=1e-5)


def test_frequent_words_are_passed_over_as_gensim_does():
    model = Word2Vec([["a"] * 900 + ["b"] * 90 + ["c"] * 10], min_count=1, sample=1e-3, vector_size=2, epochs=1)
    expected = [model.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in "abc"]
    np.testing.assert_allclose(word_vectors.keep_probabilities(np.array([900, 90, 10]), 1e-3), expected, rtol=1e-4)


def test_blocks_hold_the_text_in_order():
    sequence, rows = np.arange(10) % 4, np.arange(10) // 5
    found = np.concatenate(list(word_vectors.blocks(sequence, rows, np.ones(4), settings(), 1, 0)), axis=1)
    assert found[0].tolist() == [*sequence, *[-1] * 22] and found[1].tolist() == [*rows, *[-1] * 22]
    kept = np.concatenate(list(word_vectors.blocks(np.zeros(10_000, int), np.zeros(10_000, int), np.array([0.3]), settings(), 1, 0)), 1)
    assert (kept[0] == 0).sum() == pytest.approx(3_000, abs=150)


def test_a_row_that_is_met_twice_takes_both_steps_at_the_rate_of_their_sum():
    vectors, squares = tf.Variable(tf.zeros([2, 2])), tf.Variable(tf.zeros(2))
    word_vectors.descend(vectors, squares, tf.constant([1, 1]), tf.constant([[2.0, 0.0], [0.0, 4.0]]), tf.constant(0.5))
    np.testing.assert_allclose(squares, [0, 10], rtol=1e-6)
    np.testing.assert_allclose(vectors, [[0, 0], [-1 / np.sqrt(10), -2 / np.sqrt(10)]], rtol=1e-5)


@pytest.fixture(scope="module")
def rows():
    tokens = np.random.default_rng(0).integers(0, 7, (40, module.LENGTH))
    tokens[:, 20:] = 0
    return Rows({"tokens": tf.constant(tokens)}, tf.zeros(40), 40)


def test_a_killed_training_ends_as_an_uninterrupted_one(rows, tmp_path):
    whole, expected = module.learn(module.build_model, HPARAMS, rows, rows, seed=3)
    folders = training.Folders(tmp_path / "state")
    with killed.after(2):
        module.learn(module.build_model, HPARAMS, rows, rows, seed=3, folders=folders)
    resumed, history = module.learn(module.build_model, HPARAMS, rows, rows, seed=3, folders=folders)
    np.testing.assert_allclose(resumed.get_weights()[0], whole.get_weights()[0], atol=1e-6)
    assert history["metrics"]["loss"] == pytest.approx(expected["metrics"]["loss"], abs=1e-5)


def test_several_devices_and_a_text_without_words_are_refused(rows):
    with pytest.raises(ValueError, match="expected --strategy auto or single"):
        module.learn(module.build_model, HPARAMS, rows, rows, seed=3, strategy="mirrored")
    empty = Rows({"tokens": tf.ones([2, module.LENGTH], tf.int64)}, tf.zeros(2), 2)
    with pytest.raises(ValueError, match="words that occur least_count times"):
        module.learn(module.build_model, HPARAMS, empty, empty, seed=3)


class Lookup:
    """Stands for the Transform graph: the number of a text's only word."""

    def transform(self, given):
        places = tf.argmax(tf.cast(given["text"][:, None] == tf.constant(WORDS), tf.int64), axis=1) + text.RESERVED
        known = tf.reduce_any(given["text"][:, None] == tf.constant(WORDS), axis=1)
        return {"tokens": tf.where(known, places, text.UNKNOWN)[:, None]}


def test_signatures_on_vectors_made_by_hand():
    model = module.build_model(HPARAMS)
    vectors = [[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0.2], [0, 0, 1, 0.2], [0, 0, 0, -1]]
    model.get_layer("embedding").set_weights([np.array([[0] * 4, [9] * 4, *vectors], np.float32)])
    found = module.endpoints(model, Lookup(), WORDS)
    near = found["nearest"](word=tf.constant(["king", "none"]), k=tf.constant(2))
    assert near["words"].numpy()[0].tolist() == [b"man", b"queen"] and near["words"].numpy()[1].tolist() == [b"", b""]
    np.testing.assert_allclose(near["scores"][0], [1 / np.sqrt(2 * 1.04), 0.5], rtol=1e-5)
    solved = found["analogy"](a=tf.constant(["man"]), b=tf.constant(["king"]), c=tf.constant(["woman"]), k=tf.constant(1))
    assert solved["words"].numpy().tolist() == [[b"queen"]]
    vector = found["vector"](word=tf.constant(["woman", "none"]))
    np.testing.assert_allclose(vector["vector"], [vectors[3], [0] * 4])
    assert vector["known"].numpy().tolist() == [True, False]


def test_figures_are_gensims():
    pairs, questions = similarity.word_pairs(), similarity.analogies()
    words = sorted({word for pair in pairs[:80] for word in pair[:2]} | {word for question in questions[:60] for word in question})
    vectors = np.random.default_rng(0).normal(size=(len(words), 3)).astype(np.float32)
    reference = KeyedVectors(3)
    reference.add_vectors(words, vectors)
    ours = similarity.Vectors(words, vectors)
    found = ours.pairs(pairs)
    assert found.figure == pytest.approx(reference.evaluate_word_pairs(datapath("wordsim353.tsv"))[1].statistic, abs=1e-6)
    assert found.asked >= 80
    score, _ = reference.evaluate_word_analogies(datapath("questions-words.txt"))
    assert ours.analogies(questions).figure == pytest.approx(score, abs=1e-3)


def test_neighbours_are_told_from_random_words():
    vectors = similarity.Vectors(["a", "b", "c", "d"], np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32))
    pairs = np.random.default_rng(0).integers(0, 2, 2_000)
    sequence = np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()
    assert vectors.neighbour_auc(sequence, np.arange(4_000) // 2, 1, seed=0) > 0.6
    assert vectors.neighbour_auc(np.random.default_rng(1).integers(0, 4, 4_000), np.zeros(4_000), 2, seed=0) == pytest.approx(0.5, abs=0.03)
