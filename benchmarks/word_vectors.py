"""Words per second of training word vectors: Darsena's beside gensim's, on the same text with the same settings.

    python -m benchmarks.word_vectors TEXT [--rounds 3]

TEXT is a text file (.xz or not), such as text8. The two take turns; medians, and their ratio, are printed as a table.
"""

from __future__ import annotations

import argparse
import collections
import lzma
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.references import gensim_model
from pipelines.common.layout import load_model
from trainer_modules.common import text, word_vectors
from trainer_modules.word2vec import settings_of

LINE = 1_000


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    content = arguments.text.read_bytes()
    words = (lzma.decompress(content) if arguments.text.suffix == ".xz" else content).decode("utf-8").split()
    print("| model | Darsena, words/s | gensim, words/s | ratio |\n|---|---|---|---|")
    for preset in ("large", "cbow"):
        hparams = load_model("word2vec").with_preset(preset).hparams
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(darsena(words, hparams))
            started = time.perf_counter()
            gensim_model([words[at : at + LINE] for at in range(0, len(words), LINE)], hparams, seed=1)
            theirs.append(hparams["epochs"] * len(words) / (time.perf_counter() - started))
        one, other = statistics.median(ours), statistics.median(theirs)
        print(f"| `word2vec:{preset}` | {one:,.0f} | {other:,.0f} | {one / other:.2f} |", flush=True)
    print(f"\n{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}; medians of {arguments.rounds}.")


def darsena(words: list[str], hparams: dict) -> float:
    """Words per second, the count of the vocabulary and the compilation of the step included, as gensim's vocabulary is."""
    started = time.perf_counter()
    found = collections.Counter(words)
    listed = [word for word, count in found.most_common(hparams["vocabulary_size"] - text.RESERVED) if count >= hparams["least_count"]]
    numbers = {word: number for number, word in enumerate(listed)}
    tokens = np.array([numbers.get(word, -1) for word in words])
    rows = np.arange(len(words))[tokens >= 0] // LINE
    tokens = tokens[tokens >= 0]
    counts = np.bincount(tokens, minlength=len(listed))
    word_vectors.learn(tokens, rows, counts, hparams["units"], settings_of(hparams), seed=1, checkpoint=None)
    return hparams["epochs"] * len(words) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
