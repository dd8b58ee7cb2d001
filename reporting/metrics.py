"""Views of the numbers that decide: gates, metrics by slice, the confusion matrix."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reporting import figures, formats
from reporting.evaluation import Confusion, Evaluation, Slice, Value, read_evaluation
from reporting.record import Record, Unreadable, folder

View = dict[str, Any]
# That a confusion matrix is drawn for.
MOST_CLASSES = 50


def gate_bound(gate: Mapping[str, Any]) -> str:
    """What a gate asks for: "≥ 0.9000"."""
    operator = {">=": "≥", "<=": "≤"}.get(gate["operator"], gate["operator"])
    return f"{operator} {formats.metric(gate['bound'])}"


def gate_kind(gate: Mapping[str, Any]) -> str:
    """Where the bound of a gate comes from."""
    return "the served model's, less the tolerance" if gate["kind"] == "change" else "the model's gate"


def interval_text(low: float | None, high: float | None) -> str:
    """The ends of a 95% interval, "" if there is none."""
    return "" if low is None or high is None else f"{formats.metric(low)} – {formats.metric(high)}"


def gates(run: Record) -> View:
    """Bounds that the model is held to."""
    if not run["gates"]:
        raise Unreadable("No gate was reached: the run has no metrics.")
    rows = []
    for gate in run["gates"]:
        numbers = [gate.get(key) for key in ("value", "low", "high", "bound")]
        scale = _scale([number for number in numbers if number is not None])
        name = f"{gate['metric']} {formats.metric(gate['value'])}, asked for {gate_bound(gate)}"
        rows.append(
            {
                "metric": formats.title(gate["metric"]),
                "kind": gate_kind(gate),
                "bound": gate_bound(gate),
                "value": formats.metric(gate["value"]),
                "interval": interval_text(gate.get("low"), gate.get("high")),
                "figure": figures.interval(name, gate["value"], gate.get("low"), gate.get("high"), scale, bound=gate["bound"]),
                "passed": gate["passed"],
            }
        )
    return {"rows": rows}


def evaluation(run: Record) -> View:
    """Metrics overall and by slice, and the confusion matrix."""
    return evaluation_view(read_evaluation(folder(run, "evaluation")), run.get("label", ""), run.get("class_names") or [])


def evaluation_view(found: Evaluation, label: str, class_names: Sequence[str]) -> View:
    """The evaluation as tables and pictures.

    Args:
        found: what TFMA found.
        label: the feature whose slices are the classes.
        class_names: in the order of the model's outputs; empty to show numbers.
    """
    names = [name for name in found.overall.metrics if name != "example_count"]
    scales = {name: scale_of([part.metrics[name] for part in (found.overall, *found.slices) if name in part.metrics]) for name in names}

    def cells(part: Slice) -> list[View | None]:
        return [_metric_cell(name, slice_name(part, label, class_names), part.metrics.get(name), scales[name]) for name in names]

    slices = [{"name": slice_name(part, label, class_names), "examples": _examples(part), "cells": cells(part)} for part in found.slices]
    overall = [
        {"metric": formats.title(name), "cell": cell, "served": part.value if (part := found.overall.baseline.get(name)) else None}
        for name, cell in zip(names, cells(found.overall), strict=True)
    ]
    return {
        "examples": _examples(found.overall),
        "overall": overall,
        "served": bool(found.overall.baseline),
        "columns": [(formats.title(name), scales[name]) for name in names],
        "slices": slices,
        "confusion": None if found.confusion is None else confusion_view(found.confusion, class_names),
    }


def confusion_view(confusion: Confusion, class_names: Sequence[str]) -> View:
    """The heat map and the errors made most often."""
    count = max(len(confusion.counts), len(class_names))
    names = [class_names[index] if index < len(class_names) else str(index) for index in range(count)]
    padding = count - len(confusion.counts)
    counts = [row + [0.0] * padding for row in confusion.counts] + [[0.0] * count] * padding
    errors = [(cell, i, j) for i, row in enumerate(counts) for j, cell in enumerate(row) if i != j and cell]
    errors.sort(key=lambda error: -error[0])
    right = sum(counts[index][index] for index in range(count))
    total = sum(map(sum, counts)) + sum(confusion.unanswered)
    shown = most_frequent(counts)
    axis = [names[index] for index in shown]
    cells = [[counts[i][j] for j in shown] for i in shown]
    return {
        "figure": figures.heat_map(f"Confusion matrix: {formats.number(right)} of {formats.number(total)} right", cells, axis, axis),
        "shown": len(shown),
        "classes": count,
        "right": right,
        "total": total,
        "unanswered": sum(confusion.unanswered),
        "errors": [(names[i], names[j], cell, cell / (sum(counts[i]) or 1.0)) for cell, i, j in errors[:8]],
    }


def most_frequent(counts: Sequence[Sequence[float]]) -> Sequence[int]:
    """The classes that a picture of a confusion matrix has room for: all, or those that occur and are predicted most often."""
    if len(counts) <= MOST_CLASSES:
        return range(len(counts))
    seen = [sum(row) + sum(column) for row, column in zip(counts, zip(*counts, strict=True), strict=True)]
    return sorted(sorted((index for index, number in enumerate(seen) if number), key=lambda index: -seen[index])[:MOST_CLASSES])


def slice_name(part: Slice, label: str, class_names: Sequence[str]) -> str:
    """ "label = 3 (three)": the value of each feature, with the class's name where it is a class's number and has another name."""
    texts = []
    for feature, value in part.features:
        named = class_names[int(value)] if feature == label and value.isdecimal() and int(value) < len(class_names) else value
        texts.append(f"{feature} = {value}" + (f" ({named})" if named != value else ""))
    return ", ".join(texts)


def _metric_cell(metric: str, where: str, value: Value | None, scale: tuple[float, float]) -> View | None:
    if value is None:
        return None
    text = interval_text(value.low, value.high)
    label = f"{metric} {where} {formats.metric(value.value)}" + (f", interval {text}" if text else "")
    return {"value": value.value, "interval": text, "figure": figures.interval(label, value.value, value.low, value.high, scale)}


def _examples(part: Slice) -> float | None:
    count = part.metrics.get("example_count")
    return None if count is None else count.value


def scale_of(values: Sequence[Value]) -> tuple[float, float]:
    """Ends of a track with all values and their intervals on it."""
    return _scale([end for value in values for end in (value.low, value.value, value.high) if end is not None])


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a track with all values on it; it stays within 0 and 1 where all values do."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    step = 10.0 ** math.floor(math.log10((high - low) or abs(high) or 1.0))
    start, end = math.floor(low / step) * step, math.ceil(high / step) * step
    return (max(start, 0.0) if low >= 0 else start), (min(end, 1.0) if high <= 1 else end)
