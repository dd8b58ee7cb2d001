"""The model card: what the model is for, what it learned from, how well it does and where it falls short.

In the spirit of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019); everything in it comes from the run.
"""

from collections.abc import Mapping
from typing import Any

from reporting import formats
from reporting.record import Record

_DATA = {"sample": "the embedded sample", "full": "the full data set", "path": "the user's own data"}


def model_card(run: Record, statistics: Mapping[str, Any] | None, evaluation: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    """Headings with their statements.

    Args:
        run: the record.
        statistics, evaluation: views of these sections, None where the run has none.
    """
    config = run.get("config", {})
    source = _DATA.get(config.get("data", ""), str(config.get("data", "unknown data")))
    source += f" ({config['data_note']})" if config.get("data_note") else ""
    return [
        ("Model", [f"{run['model']}: {run.get('learns', '')}.", _version(run)]),
        (
            "Intended use",
            [f"Inputs like those it learned from, where it {run.get('learns', 'answers')}.", f"Reference: {run['reference']}."],
        ),
        ("Data", [f"Trained and evaluated on {source}, in separate splits." if evaluation else f"From {source}.", *_sizes(statistics)]),
        ("Metrics", _metrics(evaluation)),
        ("Limits", limits(run, source, evaluation)),
    ]


def limits(run: Record, source: str, evaluation: Mapping[str, Any] | None) -> list[str]:
    """What these figures do not show, and where the model is weakest."""
    found = [f"The figures hold for {source}; on inputs from elsewhere the model was not evaluated."] if evaluation else []
    if run["verdict"] != "blessed and pushed":
        found.append(f"Not released: {run['verdict']}.")
    found += [
        f"Missed the gate {gate['metric']} {gate['operator']} {formats.number(gate['bound'])}."
        for gate in run["gates"]
        if not gate["passed"]
    ]
    if evaluation is None:
        return [*found, "It was not evaluated in this run."]
    weakest = _weakest(run, evaluation)
    if weakest:
        found.append(weakest)
    by = sorted({part["name"].split(" = ")[0] for part in evaluation["slices"]})
    found.append(
        f"Reported by {', '.join(by)} only; differences between other groups of examples were not measured."
        if by
        else "No slices: differences between groups of examples were not measured."
    )
    return found


def _version(run: Record) -> str:
    pushed = run.get("pushed")
    return f"Version {pushed['version']}, made in run {run['run_id']}." if pushed else f"Run {run['run_id']}; not pushed."


def _sizes(statistics: Mapping[str, Any] | None) -> list[str]:
    if statistics is None:
        return ["Its statistics are not available."]
    return ["Examples: " + ", ".join(f"{formats.number(count)} {split}" for split, count in statistics["examples"].items()) + "."]


def _metrics(evaluation: Mapping[str, Any] | None) -> list[str]:
    if evaluation is None:
        return ["None: the run did not evaluate a model."]
    return [
        f"{row['metric']}: {formats.metric(row['cell']['value'])}"
        + (f" (95% interval {row['cell']['interval']})" if row["cell"]["interval"] else "")
        + "."
        for row in evaluation["overall"]
    ]


def _weakest(run: Record, evaluation: Mapping[str, Any]) -> str | None:
    """The slice with the worst value of the first gate's metric."""
    gate = next((gate for gate in run["gates"] if gate["kind"] == "value"), None)
    titles = [title for title, _ in evaluation["columns"]]
    if gate is None or formats.title(gate["metric"]) not in titles:
        return None
    column = titles.index(formats.title(gate["metric"]))
    values = [(part["cells"][column], part["name"]) for part in evaluation["slices"] if part["cells"][column] is not None]
    if not values:
        return None
    worst = min if gate["operator"].startswith(">") else max
    cell, name = worst(values, key=lambda pair: pair[0]["value"])
    interval = f" ({cell['interval']})" if cell["interval"] else ""
    return f"Weakest at {name}: {titles[column].lower()} {formats.metric(cell['value'])}{interval}."
