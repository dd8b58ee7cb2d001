"""How good word vectors are: people's judgements of pairs, analogies, and the words of a text that follow one another.

The judgements (L. Finkelstein and others, "Placing Search in Context: The Concept Revisited", 2002: WordSim-353) and the analogies
(T. Mikolov and others, 2013: questions-words) are those in gensim's wheel.
"""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainer_modules.common.findings import Figure

DRAWN = 200
NEIGHBOURS = 8
BATCH = 1024


class Score(NamedTuple):
    """A figure, and of how many pairs or questions it is."""

    figure: Figure
    asked: int


def word_pairs() -> list[tuple[str, str, float]]:
    """Pairs of words, in lower case, with the mean of people's judgements of how alike they are, 0 to 10."""
    with package_file("wordsim353.tsv").open(encoding="utf-8") as file:
        rows = csv.reader((line for line in file if not line.startswith("#")), delimiter="\t")
        return [(one.lower(), other.lower(), float(judged)) for one, other, judged in rows]


def analogies() -> list[tuple[str, str, str, str]]:
    """Questions "a is to b as c is to d", in lower case."""
    with package_file("questions-words.txt").open(encoding="utf-8") as file:
        return [(a, b, c, d) for a, b, c, d in (line.lower().split() for line in file if not line.startswith(":"))]


def package_file(name: str) -> Any:
    """A file of gensim's wheel."""
    return importlib.resources.files("gensim") / "test" / "test_data" / name


class Vectors:
    """Words and their vectors, most frequent word first.

    Args:
        words: of the vectors.
        vectors: float32 [words, units].
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray):
        self.words = list(words)
        self.units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        self._numbers = {word: number for number, word in reversed(list(enumerate(self.words)))}

    def known(self, questions: Iterable[Sequence[Any]], count: int) -> tuple[np.ndarray, list[Sequence[Any]]]:
        """Of questions whose first `count` entries are words, those that are known: numbers of words, [N, count], and the questions."""
        chosen = [question for question in questions if all(word in self._numbers for word in question[:count])]
        numbers = [[self._numbers[word] for word in question[:count]] for question in chosen]
        return np.array(numbers, np.int64).reshape(-1, count), chosen

    def pairs(self, judged: Iterable[tuple[str, str, float]]) -> Score:
        """Spearman's rank correlation of cosines with judgements, over pairs of known words; 0 for fewer than three."""
        from scipy.stats import spearmanr

        numbers, chosen = self.known(judged, 2)
        if len(chosen) < 3:
            return Score(0.0, len(chosen))
        cosines = (self.units[numbers[:, 0]] * self.units[numbers[:, 1]]).sum(axis=1)
        return Score(float(spearmanr(cosines, [pair[2] for pair in chosen]).statistic), len(chosen))

    def analogies(self, questions: Iterable[tuple[str, str, str, str]]) -> Score:
        """The share of questions of known words whose d is the word nearest to b - a + c, these three left out; 0 without any."""
        numbers, chosen = self.known(questions, 4)
        right = []
        for at in range(0, len(numbers), BATCH):
            asked = numbers[at : at + BATCH]
            a, b, c = (self.units[asked[:, column]] for column in range(3))
            scores = (b - a + c) @ self.units.T
            np.put_along_axis(scores, asked[:, :3], -np.inf, axis=1)
            right.append(scores.argmax(axis=1) == asked[:, 3])
        return Score(float(np.concatenate(right).mean()) if right else 0.0, len(chosen))

    def neighbour_auc(self, sequence: np.ndarray, rows: np.ndarray, window: int, seed: int) -> float:
        """How often a word of a text is more like one that follows it in a window than like a random word of the text.

        Args:
            sequence: numbers of words, [N].
            rows: the texts that these are from, [N].
            window: the farthest that follows.
            seed: of the random words.
        """
        from sklearn.metrics import roc_auc_score

        random = np.random.default_rng(seed)
        near, far = [], []
        for step in range(1, window + 1):
            first = np.nonzero(rows[:-step] == rows[step:])[0]
            one, other = sequence[first], sequence[first + step]
            drawn = random.choice(sequence, len(one))
            differ = (one != other) & (one != drawn)
            one = one[differ]
            near.append((self.units[one] * self.units[other[differ]]).sum(axis=1))
            far.append((self.units[one] * self.units[drawn[differ]]).sum(axis=1))
        found = np.concatenate([*near, *far])
        return float(roc_auc_score(np.arange(len(found)) < len(found) // 2, found))

    def neighbours(self, numbers: Iterable[int]) -> list[tuple[str, str]]:
        """Words by their numbers, and the words nearest to each."""
        found = []
        for number in numbers:
            order = np.argsort(-(self.units @ self.units[number]))
            nearest = [self.words[other] for other in order if other != number][:NEIGHBOURS]
            found.append((self.words[number], ", ".join(nearest)))
        return found


def drawing(vectors: Vectors, seed: int) -> Any:
    """The most frequent words in a plane, as a figure of matplotlib: t-SNE (L. van der Maaten and G. Hinton, 2008) of their vectors."""
    from matplotlib.figure import Figure as Drawing
    from sklearn.manifold import TSNE

    shown = min(DRAWN, len(vectors.words))
    perplexity = min(20.0, (shown - 1) / 3)
    points = TSNE(init="pca", metric="cosine", perplexity=perplexity, random_state=seed).fit_transform(vectors.units[:shown])
    figure = Drawing(figsize=(9, 9))
    axes = figure.subplots()
    axes.scatter(points[:, 0], points[:, 1], s=3, color="C0", alpha=0.4)
    for word, (across, up) in zip(vectors.words, points, strict=False):
        # A dollar sign would begin a formula.
        axes.annotate(word.replace("$", r"\$"), (across, up), fontsize=7)
    axes.set_axis_off()
    return figure
