"""Texts from small grammars, for embedded samples: rules that expand into each other, chosen by a seeded generator.

A rule's name maps to its alternatives, texts in which {name} stands for an alternative of that rule.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

Rules = Mapping[str, Sequence[str]]
REFERENCE = re.compile(r"\{([\w-]+)\}")
TYPOS = ("swap", "drop", "double")
TRIES = 100


def expand(rules: Rules, text: str, random_: random.Random) -> str:
    """A text with every {name} replaced by an alternative of that rule, expanded in turn; a rule that is used twice is chosen twice.

    Args:
        rules: alternatives by name; those listed twice are chosen twice as often.
        text: what to expand.
        random_: decides between alternatives.
    """
    while REFERENCE.search(text):
        text = REFERENCE.sub(lambda match: random_.choice(rules[match[1]]), text)
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def sentence(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def misspelt(text: str, share: float, random_: random.Random) -> str:
    """The text with letters swapped, dropped or doubled inside about that share of its words of five letters and more."""

    def mistake(match: re.Match) -> str:
        word = match[0]
        if random_.random() >= share:
            return word
        place = random_.randrange(1, len(word) - 2)
        kind = random_.choice(TYPOS)
        if kind == "swap":
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        return word[:place] + (word[place] * 2 if kind == "double" else "") + word[place + 1 :]

    return re.sub(r"[a-z]{5,}", mistake, text)


def distinct(make: Callable[[int], str], count: int) -> Iterator[str]:
    """So many different texts, without regard to case and white space: one that was there before is made anew.

    Args:
        make: from the number of a text, counted from 0, to a text.
        count: how many.

    Raises:
        RuntimeError: the grammar is too poor for so many.
    """
    seen: set[str] = set()
    for number in range(count):
        for _ in range(TRIES):
            text = make(number)
            key = " ".join(text.casefold().split())
            if key not in seen:
                break
        else:
            raise RuntimeError(f"expected a grammar that makes {count} different texts, received {number}. Add rules.")
        seen.add(key)
        yield text


def with_noise(labels: Sequence[int], share: float, random_: random.Random) -> list[int]:
    """Labels 0 and 1, about that share of them wrong, as people's labels are."""
    return [1 - label if random_.random() < share else label for label in labels]
