"""Runs of several models side by side: those that were evaluated on the same examples in one group, with what their metrics show."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reporting import figures, formats
from reporting.evaluation import Value, read_evaluation
from reporting.html import environment, write_page
from reporting.metrics import interval_text, scale_of
from reporting.record import Record, Unreadable, folder, read_json

View = dict[str, Any]

SAVED_MODEL = "SavedModel"
# Words in the names of metrics that no gate tells the direction of.
_HIGHER = re.compile("accuracy|auc|precision|recall|score|correlation")
_LOWER = re.compile("error|loss|entropy")


@dataclasses.dataclass(frozen=True)
class Export:
    """Size (bytes) and latency (ms for one example) of one form of a model; None where it was not measured."""

    bytes: int | None
    latency_ms: float | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a comparison shows of a run.

    Attributes:
        name: the model, with its preset: "model:preset".
        run_id: of the run.
        verdict: how it ended.
        data: "sample", "full" or "path".
        note: what to say beside every figure on that data.
        reader: the node that read and split the data.
        fingerprint: of the raw data.
        examples: of the test split.
        metrics: on the test split, by TFMA's name.
        higher_is_better: by the same names, for those whose direction is known.
        parameters: numbers that the model learned.
        training_seconds: of its training.
        exports: by name, the SavedModel first.
    """

    name: str
    run_id: str
    verdict: str
    data: str
    note: str
    reader: str
    fingerprint: str
    examples: int
    metrics: dict[str, Value]
    higher_is_better: dict[str, bool]
    parameters: int | None
    training_seconds: float | None
    exports: dict[str, Export]


def read_entry(run: Record) -> Entry:
    """Reads what a run left behind.

    Args:
        run: the record of a run that evaluated a model.

    Raises:
        Unreadable: its evaluation or its data's fingerprint is missing or damaged. Other things may be missing.
    """
    metrics = dict(read_evaluation(folder(run, "evaluation")).overall.metrics)
    config = run.get("config", {})
    if "example_count" not in metrics or not config.get("data_fingerprint"):
        raise Unreadable(f"Expected run {run['run_id']} of {run['model']} to tell its data and number of test examples. Run it again.")
    examples = int(metrics.pop("example_count").value)
    preset = config.get("preset", "")
    history = _optional(run, "model_run", "history.json")
    return Entry(
        name=run["model"] + (f":{preset}" if preset else ""),
        run_id=run["run_id"],
        verdict=run["verdict"],
        data=config.get("data", ""),
        note=config.get("data_note", ""),
        reader=next((node["id"] for node in run["nodes"] if "examples" in (node.get("outputs") or {})), ""),
        fingerprint=config["data_fingerprint"],
        examples=examples,
        metrics=metrics,
        higher_is_better=directions(run, list(metrics)),
        parameters=history.get("parameters"),
        training_seconds=history.get("seconds"),
        exports=_exports(_optional(run, "exports", "exports.json")),
    )


def directions(run: Record, names: Sequence[str]) -> dict[str, bool]:
    """Whether higher is better, as the run's gates say or else the names themselves; a metric that neither tells of is left out."""
    gates = {formats.title(gate["metric"]).casefold(): gate["operator"].startswith(">") for gate in run.get("gates", [])}
    found = {}
    for name in names:
        title = formats.title(name).casefold()
        if title in gates:
            found[name] = gates[title]
        elif _LOWER.search(name) or _HIGHER.search(name):
            found[name] = not _LOWER.search(name)
    return found


def groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries that were evaluated on the same examples: the same raw data, split by the same reader into as many test examples."""
    found: dict[tuple[str, str, int], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.fingerprint, entry.reader, entry.examples), []).append(entry)
    return list(found.values())


def group_view(entries: Sequence[Entry]) -> View:
    """One group as tables, pictures and sentences.

    Args:
        entries: of models that were evaluated on the same examples.

    Returns:
        `title`, `examples`, `data`, `note`, `reader`; `metrics`: those that all have, each with a row per model in the order of
        `entries`, and what the rows show; `others`: titles of metrics that only some have; `models`: sizes, latencies and training.
    """
    first = entries[0]
    common = [name for name in first.metrics if all(name in entry.metrics for entry in entries)]
    others = sorted({formats.title(name) for entry in entries for name in entry.metrics if name not in common})
    return {
        "title": f"{first.examples:,} test examples of {'your own' if first.data == 'path' else f'the {first.data}'} data",
        "examples": first.examples,
        "data": first.data,
        "note": first.note,
        "reader": first.reader,
        "metrics": [metric_view(name, entries) for name in common],
        "others": others,
        "exports": list(dict.fromkeys(name for entry in entries for name in entry.exports)),
        "models": entries,
    }


def metric_view(name: str, entries: Sequence[Entry]) -> View:
    """A metric of all models of a group."""
    values = [(entry.name, entry.metrics[name]) for entry in entries]
    scale = scale_of([value for _, value in values])
    title = formats.title(name)
    rows = []
    for model, value in values:
        text = interval_text(value.low, value.high)
        label = f"{title} of {model} {formats.metric(value.value)}" + (f", interval {text}" if text else "")
        track = figures.interval(label, value.value, value.low, value.high, scale)
        rows.append({"model": model, "value": value, "interval": text, "figure": track})
    higher = entries[0].higher_is_better.get(name)
    label = f"{title}: {', '.join(f'{model} {formats.metric(value.value)}' for model, value in values)}"
    return {
        "name": name,
        "title": title,
        "direction": {True: "higher is better", False: "lower is better", None: ""}[higher],
        "scale": scale,
        "rows": rows,
        "figure": figures.interval_bars(label, [(model, value.value, value.low, value.high) for model, value in values]),
        "conclusion": conclusion(values, higher),
    }


def conclusion(values: Sequence[tuple[str, Value]], higher: bool | None) -> str:
    """What the intervals say of the differences between models; "" for a single one.

    Two intervals may overlap although the difference is more than chance: its own 95% interval has the root of the sum of their
    squared half widths as its half width, as if the models had been measured on examples of their own. Since they were measured on the
    same, whose common part of the noise cancels, that errs on the side of calling a difference chance.

    Args:
        values: (model, its value) each.
        higher: whether a higher value is better; None if that is not known.
    """
    if len(values) < 2:
        return ""
    if any(value.low is None or value.high is None for _, value in values):
        return "Without intervals, whether the differences are chance cannot be told."
    if higher is None:
        pairs = [f"{a} and {b}" for at, (a, one) in enumerate(values) for b, other in values[at + 1 :] if overlap(one, other)]
        return f"Intervals overlap: {', '.join(pairs)}." if pairs else "No intervals overlap."
    best, top = (max if higher else min)(values, key=lambda pair: pair[1].value)
    near = [(model, value) for model, value in values if model != best and overlap(value, top)]
    chance = [model for model, value in near if abs(value.value - top.value) <= math.hypot(half_width(value), half_width(top))]
    if chance:
        return f"{best} has the best value, but its interval overlaps that of {' and '.join(chance)}: the difference may be chance."
    if near:
        names = " and ".join(model for model, _ in near)
        return f"{best} is best: its interval overlaps that of {names}, but the difference is more than chance."
    return f"{best} is best: its interval overlaps no other."


def overlap(one: Value, other: Value) -> bool:
    """Whether two values' intervals have a point in common."""
    assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
    return one.low <= other.high and other.low <= one.high


def half_width(value: Value) -> float:
    """Half of the width of a value's interval."""
    assert value.low is not None and value.high is not None
    return (value.high - value.low) / 2


def write_comparison(entries: Sequence[Entry], path: Path) -> None:
    """Writes the comparison as one HTML file, like a run's report, in one step.

    Args:
        entries: of the models, in the order in which to show them.
        path: of the HTML file.
    """
    views = [group_view(group) for group in groups(entries)]
    write_page(path, environment().get_template("comparison.html.j2").render(entries=entries, groups=views))


def _optional(run: Record, output: str, file: str) -> dict[str, Any]:
    """A JSON file of an output that the run may lack."""
    try:
        found: dict[str, Any] = read_json(folder(run, output) / file)
    except Unreadable:
        return {}
    return found


def _exports(found: dict[str, Any]) -> dict[str, Export]:
    """The SavedModel, under that name, and the exports by theirs."""
    reference = [dict(found["reference"], name=SAVED_MODEL)] if found.get("reference") else []
    return {row["name"]: Export(row.get("bytes"), row.get("latency_ms")) for row in (*reference, *found.get("exports", []))}
