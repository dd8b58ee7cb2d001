"""Words per second of training word vectors: Darsena's beside gensim's, on the same text with the same settings."""

from __future__ import annotations

import collections
import lzma
import statistics
import time

import numpy as np
import tensorflow as tf

from benchmarks.machine import seconds, table
from benchmarks.references import gensim_model
from pipelines.common.downloads import full_data
from pipelines.common.layout import load_model
from trainer_modules.common import text, word_vectors
from trainer_modules.word2vec import settings_of

LINE = 1_000


def page(rounds: int) -> str:
    """The section of the page."""
    model = load_model("word2vec")
    words = read_words()
    found = []
    for preset in ("large", "cbow"):
        hparams = model.with_preset(preset).hparams
        texts = [words[at : at + LINE] for at in range(0, len(words), LINE)]
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(hparams["epochs"] * len(words) / darsena(words, hparams))
            started = time.perf_counter()
            gensim_model(texts, hparams, seed=1)
            theirs.append(hparams["epochs"] * len(words) / (time.perf_counter() - started))
        one, other = statistics.median(ours), statistics.median(theirs)
        found.append([f"`word2vec:{preset}`", f"{one:,.0f}", f"{other:,.0f}", f"{one / other:.2f}"])
    moved, share = moving()
    why = (
        "CBOW is slower than gensim's: a word costs gensim six products of vectors there, against 36 with skip-gram. Darsena fetches as "
        f"many vectors and writes as many back for either: {1e3 * moved:.1f} ms of a block of CBOW, {share:.0%} of its time."
    )
    head = f"## Word vectors\n\n{len(words):,} words of text8, whole trainings with the vocabulary and all compilation included."
    return f"{head}\n\n{table(['model', 'Darsena, words/s', 'gensim, words/s', 'ratio'], found)}\n\n{why}"


def read_words() -> list[str]:
    """The words of the full data."""
    (file,), _ = full_data(load_model("word2vec").data, None)
    content = file.read_bytes()
    return (lzma.decompress(content) if file.suffix == ".xz" else content).decode("utf-8").split()


def moving() -> tuple[float, float]:
    """How long fetching vectors and writing them back takes for a block of CBOW, in seconds, and its share of the whole step."""
    hparams = load_model("word2vec").with_preset("cbow").hparams
    settings, random = settings_of(hparams), np.random.default_rng(0)
    counts = (1e6 / np.arange(2, hparams["vocabulary_size"] + 2)).astype(np.int64)
    trainer = word_vectors.Trainer(counts, hparams["units"], settings, 1)
    drawn = random.choice(len(counts), settings.size, p=counts / counts.sum()).astype(np.int32)
    block, rate = tf.constant(np.stack([drawn, np.zeros_like(drawn)])), tf.constant(0.01)
    vectors, squares = tf.Variable(trainer.vectors), tf.Variable(tf.ones(len(counts)))

    @tf.function
    def move() -> tf.Tensor:
        for _ in range(3):  # words, and, as neighbours, words and drawn words
            rows = tf.gather(vectors, block[0])
            word_vectors.descend(vectors, squares, block[0], rows, rate)
        return rows

    alone, whole = (
        statistics.median(seconds(act) for _ in range(50)) for act in (lambda: move().numpy(), lambda: trainer.step(block, rate).numpy())
    )
    return alone, alone / whole


def darsena(words: list[str], hparams: dict) -> float:
    """Seconds of a training, the count of the vocabulary and the compilation of the step included, as gensim's vocabulary is."""
    started = time.perf_counter()
    found = collections.Counter(words)
    listed = [word for word, count in found.most_common(hparams["vocabulary_size"] - text.RESERVED) if count >= hparams["least_count"]]
    numbers = {word: number for number, word in enumerate(listed)}
    tokens = np.array([numbers.get(word, -1) for word in words])
    rows = np.arange(len(words))[tokens >= 0] // LINE
    tokens = tokens[tokens >= 0]
    counts = np.bincount(tokens, minlength=len(listed))
    word_vectors.learn(tokens, rows, counts, hparams["units"], settings_of(hparams), seed=1, checkpoint=None)
    return time.perf_counter() - started
