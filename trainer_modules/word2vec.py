"""Word2Vec: vectors of words, learned from the words around them.

T. Mikolov and others, "Efficient Estimation of Word Representations in Vector Space", 2013, and "Distributed Representations of Words
and Phrases and their Compositionality", 2013: skip-gram or CBOW with negative sampling and subsampling of frequent words, computed over
blocks of the text (trainer_modules/common/word_vectors.py). The reference is gensim's Word2Vec on the same text with the same
settings: the rank correlation of similarities with people's (L. Finkelstein and others, WordSim-353, 2002), and analogies. Of the
preset `large` the correlation is 0.448, of gensim 0.41 to 0.43 with its own rate of learning; of `cbow` 0.397 and 0.31 to 0.34.
The rate, the size of a block and the number of shared negatives here were chosen, of some twenty settings tried, by that same correlation
on the whole text, while gensim's were not tuned: the margin favours this model. A release
holds `assets.extra/vectors.npy` and `vocabulary.txt`, from which models of texts can start (`--set embeddings=FOLDER`).

    darsena run word2vec                              300 news reports, in gensim's wheel
    darsena run word2vec --data full --preset large   the first 1.2 million words of text8
    darsena run word2vec --data full --preset cbow    the words around tell the word
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules.common import findings, precision, similarity, text, training, word_vectors
from trainer_modules.common.input_data import Rows, read_examples
from trainer_modules.common.signatures import Serving, Tensors, named
from trainer_modules.common.strategies import check_one_device

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

TEXT = "text"
TOKENS = "tokens"
LENGTH = 1_000  # words of a row at most
MOST_NEIGHBOURS = 100


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features to what the model takes.

    Args:
        inputs: `text`, string [N].
        custom_config: its `hparams` hold `vocabulary_size` and `least_count`, how often a word must occur to have a vector.

    Returns:
        `tokens`, int64 [N, 1000], numbers of the words, see text.word_numbers.
    """
    hparams = custom_config["hparams"]
    words = text.split_words(inputs[TEXT])
    size, least = hparams["vocabulary_size"], hparams["least_count"]
    return {TOKENS: text.word_numbers(words, vocabulary_size=size, length=LENGTH, least_count=least)}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """The model, whose vectors are to be set.

    Args:
        hparams: `vocabulary_size`, `units`.

    Returns:
        A model from {`tokens`: int64 [N, 1000]} to `vector`, float32 [N, units]: the mean of the vectors of a text's known words, which
        for a text of one word is that word's.
    """
    tokens = keras.Input((LENGTH,), dtype="int64", name=TOKENS)
    vectors = text.embedding(hparams["vocabulary_size"], hparams["units"])(tokens)
    known = keras.ops.expand_dims(keras.ops.cast(tokens >= text.RESERVED, "float32"), -1)
    total = keras.ops.sum(vectors * known, axis=1)
    return keras.Model({TOKENS: tokens}, {"vector": total / keras.ops.maximum(keras.ops.sum(known, axis=1), 1.0)})


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
    """Learns the vectors: a `training.Fit`.

    Raises:
        ValueError: a strategy of several devices, or another precision, was asked for, or the text has no words that occur often enough.
    """
    check_one_device(strategy, "word vectors, whose blocks follow one another")
    precision.check_refused("word vectors, whose updates are sums")
    sequence, rows = one_sequence(train.features[TOKENS].numpy())
    if len(sequence) < 2:
        raise ValueError("expected a text with words that occur least_count times or more, received none. Give more text, or lower it.")
    counts = np.bincount(sequence, minlength=hparams["vocabulary_size"])
    shape = hparams["units"], settings_of(hparams)
    vectors, history = word_vectors.learn(sequence, rows, counts, *shape, seed=seed, checkpoint=folders.checkpoint)
    model = build_model(hparams)
    model.get_layer(text.EMBEDDING).set_weights([vectors])
    return model, history


def settings_of(hparams: Mapping[str, Any]) -> word_vectors.Settings:
    """The settings of a training, from hyperparameters."""
    return word_vectors.Settings(
        skip_gram=hparams["skip_gram"],
        window=hparams["window"],
        negatives=hparams["negatives"],
        shared=hparams["shared_negatives"],
        sample=hparams["sample"],
        block=hparams["batch_size"],
        rate=hparams["learning_rate"],
        epochs=hparams["epochs"],
    )


def one_sequence(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texts, int64 [N, length], as one sequence of numbers of words, without padding and words outside the vocabulary, and of rows."""
    rows, _ = known = np.nonzero(tokens >= text.RESERVED)
    return tokens[known], rows


def endpoints(model: keras.Model, serving: Serving, vocabulary: Sequence[str]) -> dict[str, Any]:
    """Signatures of words, string [N]: `vector` (`word`), `nearest` (`word` and `k`, a number) and `analogy` (`a`, `b`, `c`, `k`).

    An analogy is what is to `c` as `b` is to `a`. Words that are asked about are not among the answers; to an unknown word all answers
    are empty, with scores of 0.
    """
    table = model.get_layer(text.EMBEDDING).embeddings.value
    listed = tf.constant(["", "", *vocabulary])

    def numbers(words: tf.Tensor) -> tf.Tensor:
        return serving.transform({TEXT: words})[TOKENS][:, 0]

    def ranked(target: tf.Tensor, asked: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        unit = tf.math.l2_normalize(table[: len(listed)], axis=1)
        scores = tf.math.l2_normalize(target, axis=1) @ tf.transpose(unit)
        every = tf.range(len(listed), dtype=tf.int64)[None, :, None]
        barred = tf.reduce_any(every == asked[:, None, :], axis=2) | (every[:, :, 0] < text.RESERVED)
        best, places = tf.math.top_k(tf.where(barred, -2.0, scores), tf.minimum(k, min(MOST_NEIGHBOURS, len(vocabulary))))
        known = tf.reduce_all(asked >= text.RESERVED, axis=1, keepdims=True) & (best > -2.0)
        return {"words": tf.where(known, tf.gather(listed, places), ""), "scores": tf.where(known, best, 0.0)}

    def nearest(given: Tensors) -> dict[str, tf.Tensor]:
        asked = numbers(given["word"])
        return ranked(tf.gather(table, asked), asked[:, None], given["k"])

    def analogy(given: Tensors) -> dict[str, tf.Tensor]:
        asked = tf.stack([numbers(given[name]) for name in ("a", "b", "c")], axis=1)
        a, b, c = tf.unstack(tf.math.l2_normalize(tf.gather(table, asked), axis=2), axis=1)
        return ranked(b - a + c, asked, given["k"])

    def vector(given: Tensors) -> dict[str, tf.Tensor]:
        asked = numbers(given["word"])
        known = asked >= text.RESERVED
        return {"vector": tf.where(known[:, None], tf.gather(table, asked), 0.0), "known": known}

    word, k = tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)
    return {
        "nearest": named(nearest, {"word": word, "k": k}),
        "analogy": named(analogy, {"a": word, "b": word, "c": word, "k": k}),
        "vector": named(vector, {"word": word}),
    }


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports, with the vectors as files beside the SavedModel (called by TFX's Trainer)."""
    found = tft.TFTransformOutput(fn_args.transform_output).vocabulary_by_name(text.VOCABULARY)
    words = [word.decode("utf-8") for word in found]

    def learned(*given: Any, **options: Any) -> tuple[keras.Model, training.History]:
        model, history = learn(*given, **options)
        table = model.get_layer(text.EMBEDDING).get_weights()[0]
        text.write_vectors(Path(fn_args.serving_model_dir), words, table[text.RESERVED : text.RESERVED + len(words)])
        return model, history

    def with_words(model: keras.Model, serving: Serving, names: Sequence[str]) -> dict[str, Any]:
        return endpoints(model, serving, words)

    training.run(fn_args, build_model, "", learn=learned, endpoints=with_words)


def evaluate_fn(model: Path, examples: Mapping[str, Path], out_dir: Path, config: Mapping[str, Any]) -> findings.Figures:
    """Measures the vectors (called by the evaluator).

    Returns:
        `similarity`, the rank correlation with people's judgements of the pairs of WordSim-353 whose words are known (`similarity_pairs`
        of them); `analogy_accuracy`, the share of analogies of known words that are solved (`analogies` of them); and
        `neighbour_auc`, how often a word of the test split is more like one that follows it closely than like one drawn at random.
    """
    words, vectors = text.read_vectors(model)
    known = similarity.Vectors(words, vectors)
    pairs = known.pairs(similarity.word_pairs())
    solved = known.analogies(similarity.analogies())
    served = tf.saved_model.load(str(model)).signatures
    tokens = np.concatenate(
        [
            served["transform"](examples=batch)[TOKENS].numpy()
            for batch in read_examples([str(examples["test"] / "*")]).batch(findings.BATCH)
        ]
    )
    sequence, rows = one_sequence(tokens)
    section = findings.Section(out_dir, "Word vectors", "Words that occur together often come to have like vectors.")
    section.figure("words", "The most frequent words, by t-SNE of their vectors", similarity.drawing(known, config["seed"]))
    section.table("Nearest neighbours", ["word", "neighbours"], known.neighbours(range(0, min(len(words), 400), 20)))
    section.write()
    return {
        "similarity": pairs.figure,
        "similarity_pairs": float(pairs.asked),
        "analogy_accuracy": solved.figure,
        "analogies": float(solved.asked),
        "neighbour_auc": known.neighbour_auc(sequence - text.RESERVED, rows, config["hparams"]["window"], config["seed"]),
    }
