"""Word vectors by negative sampling, skip-gram or CBOW, computed over whole blocks of a text.

T. Mikolov and others, "Distributed Representations of Words and Phrases and their Compositionality", 2013: a word's vector is to tell
its neighbours from words drawn at random; a window's width is drawn anew for each word, and frequent words are often passed over. The
text is taken as one sequence, without the words outside the vocabulary, in blocks.

Two things are done otherwise than in the original C code, so that a block is a few products of matrices instead of a loop over pairs:
a part of the block is multiplied with all words around it, and pairs outside the windows do not count; and the words drawn at random
are shared by a part and weighted, so that the expected gradient is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer_modules.common.progress import Progress

POWER = 0.75  # of frequencies, in the distribution of negative words
PART = 32  # words of a block that are multiplied with those around them at once; as many as the window, if that is wider


@dataclasses.dataclass(frozen=True)
class Settings:
    """How word vectors are learned.

    Attributes:
        skip_gram: whether a word tells each neighbour, or (CBOW) the mean of its neighbours tells the word.
        window: the farthest neighbour.
        negatives: how many negative words a positive pair counts as.
        shared: how many of them are drawn for a part of a block.
        sample: frequency above which words are passed over more often; 0 to take all.
        block: words at a time, rounded up to whole parts.
        rate: the learning rate at the start; it falls linearly to a ten-thousandth.
        epochs: passes over the text.
    """

    skip_gram: bool
    window: int
    negatives: int
    shared: int
    sample: float
    block: int
    rate: float
    epochs: int

    @property
    def part(self) -> int:
        """Words of a part of a block."""
        return max(PART, self.window)

    @property
    def size(self) -> int:
        """Words of a block."""
        return -(-self.block // self.part) * self.part


def keep_probabilities(counts: np.ndarray, sample: float) -> np.ndarray:
    """With what probability each word is not passed over, as the original code has it: sqrt(t/f) + t/f at a frequency f above t.

    Args:
        counts: of the words, [words].
        sample: the frequency t; 0 to take all.
    """
    if not sample:
        return np.ones(len(counts))
    ratio = sample * counts.sum() / np.maximum(counts, 1)
    return np.minimum(1.0, np.sqrt(ratio) + ratio)


def blocks(text: np.ndarray, rows: np.ndarray, keep: np.ndarray, settings: Settings, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The text of an epoch in blocks: words that are not passed over, and the rows (texts) that they are from.

    Args:
        text: numbers of words, int [words].
        rows: number of the text that each is from, [words].
        keep: see keep_probabilities, by number of word.
        settings: of the training.
        seed: of the training.
        epoch: its number; both decide what is passed over.

    Yields:
        int32 [2, size]: words and rows; the last block ends in words -1 that do not count.
    """
    kept = np.random.default_rng([seed, epoch]).random(len(text)) < keep[text]
    found = np.stack([text[kept], rows[kept]]).astype(np.int32)
    for at in range(0, found.shape[1], settings.size):
        part = found[:, at : at + settings.size]
        yield np.pad(part, ((0, 0), (0, settings.size - part.shape[1])), constant_values=-1)


def in_parts(sequence: tf.Tensor, settings: Settings) -> tf.Tensor:
    """A block's numbers, [size], or vectors, [size, units], by parts: [parts, part, …]."""
    return tf.reshape(sequence, [-1, settings.part, *sequence.shape[1:]])


def around(parts: tf.Tensor, window: int) -> tf.Tensor:
    """Parts of a sequence with so many places of the parts before and after; the first follows the last.

    Args:
        parts: [parts, part] or [parts, part, units].
        window: how many places, at most `part`.

    Returns:
        [parts, window + part + window, …].
    """
    return tf.concat([tf.roll(parts[:, -window:], 1, 0), parts, tf.roll(parts[:, :window], -1, 0)], axis=1)


def folded(wide: tf.Tensor, window: int) -> tf.Tensor:
    """The transpose of `around`, [parts, part, units]: places that stand in several parts are summed."""
    inner = wide[:, window:-window]
    rest = tf.zeros_like(inner[:, window:])
    after, before = tf.roll(wide[:, :window], -1, 0), tf.roll(wide[:, -window:], 1, 0)
    return inner + tf.concat([before, rest], axis=1) + tf.concat([rest, after], axis=1)


def neighbours(block: tf.Tensor, widths: tf.Tensor, settings: Settings) -> tf.Tensor:
    """Which words are in the window of which.

    Args:
        block: words and rows, int32 [2, size], see `blocks`.
        widths: of each word's window, int32 [size], 1 to the widest.
        settings: of the training.

    Returns:
        float32 [parts, part, window + part + window]: 1 where the second word, of those `around` a part, is in the window of the first.
    """
    words, rows, widths, places = (in_parts(each, settings) for each in (block[0], block[1], widths, tf.range(settings.size)))
    others, their_rows = (around(each, settings.window)[:, None] for each in (words, rows))
    their_places = places[:, None, :1] + tf.range(-settings.window, settings.part + settings.window)
    words, rows, widths, places = (each[:, :, None] for each in (words, rows, widths, places))
    apart = tf.abs(places - their_places)
    within = (apart > 0) & (apart <= widths) & (their_places >= 0) & (their_places < settings.size)
    return tf.cast(within & (rows == their_rows) & (words >= 0) & (others >= 0), tf.float32)


def gradients(
    words: tf.Tensor, contexts: tf.Tensor, negatives: tf.Tensor, near: tf.Tensor, settings: Settings
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """The loss of a block, summed over its pairs, and its gradients, written out: that of softplus(-x) is sigmoid(x) - 1.

    Args:
        words: vectors of the block's words, float32 [size, units].
        contexts: their vectors as neighbours, float32 [size, units].
        negatives: vectors as neighbours of words that were drawn, `shared` for each part, float32 [parts × shared, units].
        near: see `neighbours`.
        settings: of the training.

    Returns:
        A scalar, and the gradients by `words`, `contexts` and `negatives`.
    """
    window, each, counts = settings.window, settings.negatives / settings.shared, tf.reduce_sum(near, axis=2, keepdims=True)
    parts, contexts = in_parts(words, settings), in_parts(contexts, settings)
    negatives = tf.reshape(negatives, [-1, settings.shared, words.shape[1]])
    if settings.skip_gram:
        asked, others, positive, weights = parts, around(contexts, window), near, counts
        alike = tf.matmul(asked, others, transpose_b=True)
    else:
        shares = near / tf.maximum(counts, 1.0)
        asked = tf.matmul(shares, around(parts, window))
        positive = weights = tf.cast(counts > 0, tf.float32)
        alike = tf.reduce_sum(asked * contexts, axis=2, keepdims=True)
    apart = tf.matmul(asked, negatives, transpose_b=True)
    loss = tf.reduce_sum(positive * tf.nn.softplus(-alike)) + each * tf.reduce_sum(weights * tf.nn.softplus(apart))
    by_alike, by_apart = positive * (tf.sigmoid(alike) - 1), each * weights * tf.sigmoid(apart)
    by_asked, by_negatives = tf.matmul(by_apart, negatives), tf.matmul(by_apart, asked, transpose_a=True)
    if settings.skip_gram:
        by_words = by_asked + tf.matmul(by_alike, others)
        by_contexts = folded(tf.matmul(by_alike, asked, transpose_a=True), window)
    else:
        by_words = folded(tf.matmul(shares, by_asked + by_alike * contexts, transpose_a=True), window)
        by_contexts = by_alike * asked
    units = [-1, words.shape[1]]
    return loss, (tf.reshape(by_words, units), tf.reshape(by_contexts, units), tf.reshape(by_negatives, units))


def descend(vectors: tf.Variable, squares: tf.Variable, rows: tf.Tensor, gradients: tf.Tensor, rate: tf.Tensor) -> None:
    """A step of Adagrad (J. Duchi, E. Hazan and Y. Singer, 2011) with one rate for each row: rows that are met often move less.

    Args:
        vectors: to move, [words, units].
        squares: means of squared gradients of each row so far, summed, [words].
        rows: numbers of rows, some more than once, [N].
        gradients: of these, [N, units].
        rate: of learning.
    """
    squares.scatter_add(tf.IndexedSlices(tf.reduce_mean(gradients**2, axis=1), rows))
    # scatter_nd_sub takes half the time of scatter_sub.
    vectors.scatter_nd_sub(rows[:, None], rate * gradients * tf.math.rsqrt(tf.gather(squares, rows) + 1e-10)[:, None])


class Trainer:
    """Learns two vectors of each word: as a word and as a neighbour.

    Args:
        counts: of the words in the text, [words].
        units: of a vector.
        settings: of the training.
        seed: of the vectors at the start, windows and negative words.

    Attributes:
        vectors: of the words, float32 [words, units].
        state: all variables that a step changes.
        steps: how many blocks were learned from.
    """

    def __init__(self, counts: np.ndarray, units: int, settings: Settings, seed: int):
        start = np.random.default_rng(seed).uniform(-0.5, 0.5, (len(counts), units)) / units
        self.vectors, self._contexts = tf.Variable(start.astype(np.float32)), tf.Variable(tf.zeros([len(counts), units]))
        self._vector_squares, self._context_squares = (tf.Variable(tf.zeros(len(counts))) for _ in range(2))
        self.steps = tf.Variable(0, dtype=tf.int64)
        self.state = [self.vectors, self._contexts, self._vector_squares, self._context_squares, self.steps]
        weights = counts.astype(np.float64) ** POWER
        self._cumulative = tf.constant((np.cumsum(weights) / weights.sum()).astype(np.float32))
        self._settings, self._seed = settings, seed

    @tf.function
    def step(self, block: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Learns from a block, int32 [2, size], at a learning rate; returns the summed loss and the number of words that count, [2]."""
        settings = self._settings
        seed = tf.stack([tf.constant(self._seed, tf.int64), self.steps.assign_add(1)])
        widths = tf.random.stateless_uniform([settings.size], seed, 1, settings.window + 1, tf.int32)
        draws = tf.random.stateless_uniform([settings.size // settings.part * settings.shared], seed)
        chosen = tf.minimum(tf.searchsorted(self._cumulative, draws), tf.shape(self._cumulative)[0] - 1)
        words = tf.maximum(block[0], 0)
        near = neighbours(block, widths, settings)
        given = tf.gather(self.vectors, words), tf.gather(self._contexts, words), tf.gather(self._contexts, chosen)
        loss, (by_words, by_contexts, by_negatives) = gradients(*given, near, settings)
        descend(self.vectors, self._vector_squares, words, by_words, rate)
        both = tf.concat([words, chosen], axis=0), tf.concat([by_contexts, by_negatives], axis=0)
        descend(self._contexts, self._context_squares, *both, rate)
        return tf.stack([loss, tf.reduce_sum(tf.cast(block[0] >= 0, tf.float32))])


def learn(
    text: np.ndarray, rows: np.ndarray, counts: np.ndarray, units: int, settings: Settings, *, seed: int, checkpoint: Path | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Vectors of the words of a text, learned from its checkpoint on if there is one.

    Args:
        text, rows: see blocks.
        counts: of the words, [words].
        units: of a vector.
        settings: of the training.
        seed: of all chance.
        checkpoint: folder for the state; None to keep none.

    Returns:
        The vectors, float32 [words, units], and the history, as of `training.fit_model`.

    Raises:
        FloatingPointError: the loss is no finite number.
    """
    trainer, keep = Trainer(counts, units, settings, seed), keep_probabilities(counts, settings.sample)
    progress = Progress(settings.epochs, {"state": trainer.state}, checkpoint)
    total = max(1.0, settings.epochs * float(keep[text].sum()) / settings.size)
    for epoch in range(progress.done, settings.epochs):
        sums = tf.zeros(2)
        for block in blocks(text, rows, keep, settings, seed, epoch):
            rate = settings.rate * max(1e-4, 1 - float(trainer.steps.numpy()) / total)
            sums += trainer.step(tf.constant(block), tf.constant(rate, tf.float32))
        progress.end_epoch({"loss": float(sums[0] / tf.maximum(sums[1], 1.0))})
    return trainer.vectors.numpy(), progress.history(len(text))
