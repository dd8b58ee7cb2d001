"""Word vectors by negative sampling, skip-gram or CBOW, computed over whole blocks of a text.

T. Mikolov and others, "Distributed Representations of Words and Phrases and their Compositionality", 2013: a word's vector is to tell
its neighbours from words drawn at random; a window's width is drawn anew for each word, and frequent words are often passed over. The
text is taken as one sequence, without the words outside the vocabulary, in blocks. Two things are done otherwise than in the original
C code, so that a block is a few products of matrices instead of a loop over pairs: the neighbours at each distance are the block
itself, moved by so many places, so that each word's vectors are fetched once a block; and the words drawn at random are shared by the
block and weighted, so that the expected gradient is the same.
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


@dataclasses.dataclass(frozen=True)
class Settings:
    """How word vectors are learned.

    Attributes:
        skip_gram: whether a word tells each neighbour, or (CBOW) the mean of its neighbours tells the word.
        window: the farthest neighbour.
        negatives: how many negative words a positive pair counts as.
        shared: how many of them are drawn for a block.
        sample: frequency above which words are passed over more often; 0 to take all.
        block: words at a time.
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
        int32 [2, block]: words and rows; the last block ends in words -1 that do not count.
    """
    kept = np.random.default_rng([seed, epoch]).random(len(text)) < keep[text]
    found = np.stack([text[kept], rows[kept]]).astype(np.int32)
    for at in range(0, found.shape[1], settings.block):
        part = found[:, at : at + settings.block]
        yield np.pad(part, ((0, 0), (0, settings.block - part.shape[1])), constant_values=-1)


def block_loss(words: tf.Tensor, contexts: tf.Tensor, negatives: tf.Tensor, near: tf.Tensor, settings: Settings) -> tf.Tensor:
    """The loss of a block, summed over its pairs.

    Args:
        words: vectors of the block's words, float32 [block, units].
        contexts: their vectors as neighbours, float32 [block, units].
        negatives: vectors as neighbours of words that were drawn, float32 [shared, units].
        near: whether the word so many places on, counted from 1, is in the window of a word, and the other way round; float32
            [window, 2, block].
        settings: of the training.

    Returns:
        A scalar.
    """
    each = settings.negatives / settings.shared
    if settings.skip_gram:
        loss, pairs = tf.zeros([]), tf.zeros_like(near[0, 0])
        for step in range(1, settings.window + 1):
            pairs += near[step - 1, 0] + tf.roll(near[step - 1, 1], step, axis=0)
            on = tf.roll(contexts, -step, axis=0)
            back = tf.roll(words, -step, axis=0)
            loss += tf.reduce_sum(near[step - 1, 0] * tf.nn.softplus(-tf.reduce_sum(words * on, axis=1)))
            loss += tf.reduce_sum(near[step - 1, 1] * tf.nn.softplus(-tf.reduce_sum(back * contexts, axis=1)))
        apart = tf.reduce_sum(tf.nn.softplus(words @ tf.transpose(negatives)), axis=1)
        return loss + each * tf.reduce_sum(pairs * apart)
    total, count = tf.zeros_like(words), tf.zeros_like(near[0, 0])
    for step in range(1, settings.window + 1):
        on, back = near[step - 1, 0], tf.roll(near[step - 1, 1], step, axis=0)
        total += on[:, None] * tf.roll(words, -step, axis=0) + back[:, None] * tf.roll(words, step, axis=0)
        count += on + back
    middle = total / tf.maximum(count, 1.0)[:, None]
    there = tf.cast(count > 0, tf.float32)
    apart = tf.reduce_sum(tf.nn.softplus(middle @ tf.transpose(negatives)), axis=1)
    return tf.reduce_sum(there * (tf.nn.softplus(-tf.reduce_sum(middle * contexts, axis=1)) + each * apart))


def windows(block: tf.Tensor, widths: tf.Tensor, window: int) -> tf.Tensor:
    """Which words are neighbours.

    Args:
        block: words and rows, int32 [2, block], see `blocks`.
        widths: of each word's window, int32 [block], 1 to `window`.
        window: the widest.

    Returns:
        float32 [window, 2, block]: whether the word so many places on is in the window of a word, and the word in that one's.
    """
    words, rows = block[0], block[1]
    size = tf.shape(words)[0]
    place = tf.range(size)
    found = []
    for step in range(1, window + 1):
        both = (place < size - step) & (tf.roll(rows, -step, 0) == rows) & (words >= 0) & (tf.roll(words, -step, 0) >= 0)
        found.append(tf.stack([both & (widths >= step), both & (tf.roll(widths, -step, 0) >= step)]))
    return tf.cast(tf.stack(found), tf.float32)


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
    vectors.scatter_sub(tf.IndexedSlices(rate * gradients * tf.math.rsqrt(tf.gather(squares, rows) + 1e-10)[:, None], rows))


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
        """Learns from a block, int32 [2, block], at a learning rate; returns the summed loss and the number of words that count, [2]."""
        settings = self._settings
        seed = tf.stack([tf.constant(self._seed, tf.int64), self.steps.assign_add(1)])
        widths = tf.random.stateless_uniform([settings.block], seed, 1, settings.window + 1, tf.int32)
        draws = tf.random.stateless_uniform([settings.shared], seed)
        chosen = tf.minimum(tf.searchsorted(self._cumulative, draws), tf.shape(self._cumulative)[0] - 1)
        words = tf.maximum(block[0], 0)
        near = windows(block, widths, settings.window)
        given = tf.gather(self.vectors, words), tf.gather(self._contexts, words), tf.gather(self._contexts, chosen)
        loss, gradients = self._gradients(*given, near)
        descend(self.vectors, self._vector_squares, words, gradients[0], rate)
        both = tf.concat([words, chosen], axis=0), tf.concat(gradients[1:], axis=0)
        descend(self._contexts, self._context_squares, *both, rate)
        return tf.stack([loss, tf.reduce_sum(tf.cast(block[0] >= 0, tf.float32))])

    @tf.function(jit_compile=True)
    def _gradients(self, words: tf.Tensor, contexts: tf.Tensor, negatives: tf.Tensor, near: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The loss of a block and its gradients by the vectors."""
        with tf.GradientTape() as tape:
            tape.watch([words, contexts, negatives])
            loss = block_loss(words, contexts, negatives, near, self._settings)
        return loss, tape.gradient(loss, [words, contexts, negatives])


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
    total = max(1.0, settings.epochs * float(keep[text].sum()) / settings.block)
    for epoch in range(progress.done, settings.epochs):
        sums = tf.zeros(2)
        for block in blocks(text, rows, keep, settings, seed, epoch):
            rate = settings.rate * max(1e-4, 1 - float(trainer.steps.numpy()) / total)
            sums += trainer.step(tf.constant(block), tf.constant(rate, tf.float32))
        progress.end_epoch({"loss": float(sums[0] / tf.maximum(sums[1], 1.0))})
    return trainer.vectors.numpy(), progress.history(len(text))
