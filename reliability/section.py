"""What a section reports: which faults were injected, how many did harm, and what they did to a naive version."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of fault.

    Attributes:
        fault: what was injected, in a few words.
        injected: how many times.
        harmed: how many of these got through: something bad came out, or something good was lost. Must be 0.
        naive: what the same faults did to a version without the mechanism, with its count ("31 of 50 left half a version that was
            served"); how that version differs is said in the section's text.
        found: figures and remarks beside the counts.
    """

    fault: str
    injected: int
    harmed: int
    naive: str = ""
    found: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """The outcome of a module of this package.

    Attributes:
        title: its heading.
        text: what was done and how the naive version differs, in Markdown.
        rows: one per kind of fault.
    """

    title: str
    text: str
    rows: list[Row]


# Each module has one: `full` asks for the counts of `make reliability-full` rather than those of `make test-reliability`; the folder
# is empty, and removed afterwards.
Measure = Callable[[bool, Path], Section]
