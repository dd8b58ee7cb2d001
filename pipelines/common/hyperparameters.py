"""Hyperparameters as a user sets them: by name, of the type of their default, and within bounds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipelines.common.errors import UsageError

# What hyperparameters of these names may be; others may be any number that is not negative.
LIMITS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "dropout": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "epochs": (lambda value: value >= 1, "at least 1"),
    "batch_size": (lambda value: value >= 1, "at least 1"),
    "learning_rate": (lambda value: value > 0, "above 0"),
    "schedule": (lambda value: value in ("constant", "cosine"), "constant or cosine"),
}


def suggestion(name: str, known: list[str]) -> str:
    """The end of an "unknown name" message: the closest known name, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}."


def settings(option: str, given: Iterable[str]) -> dict[str, str]:
    """What was typed as NAME=VALUE after a repeatable option, by name.

    Raises:
        UsageError: one is not NAME=VALUE, or a name is set twice.
    """
    found: dict[str, str] = {}
    for setting in given:
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise UsageError(f"expected {option} NAME=VALUE, received {setting!r}.")
        if name in found:
            raise UsageError(f"expected one value for {name}, received {found[name]} and {value}.")
        found[name] = value
    return found


def overridden(model: str, defaults: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    """A model's hyperparameters with `name=value` overrides applied.

    Args:
        model: name, for messages.
        defaults: of the hyperparameters, by name.
        overrides: names and values as typed.

    Returns:
        All hyperparameters, the overridden ones converted to the type of their default.

    Raises:
        UsageError: a name is unknown, or a value is not of the default's type or out of bounds.
    """
    merged = dict(defaults)
    for name, text in overrides.items():
        if name not in merged:
            raise UsageError(f"{model} has no hyperparameter {name!r}. {suggestion(name, list(merged))}")
        kind = type(merged[name])
        try:
            merged[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
            if kind is float and not math.isfinite(merged[name]):
                raise ValueError(text)
        except (ValueError, KeyError):
            raise UsageError(f"expected {name} to be of type {kind.__name__} (default {merged[name]}), received {text!r}.") from None
        holds, bounds = LIMITS.get(name, (lambda value: isinstance(value, str) or value >= 0, "at least 0"))
        if not holds(merged[name]):
            raise UsageError(f"expected {name} to be {bounds}, received {text!r}.")
    return merged
