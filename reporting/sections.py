"""What each section of the report shows, made from the run's record and artifacts."""

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reporting import data, figures, formats, graph
from reporting.metrics import gate_bound
from reporting.record import Record, Unreadable, file_within, folder, read_bytes, read_json

View = dict[str, Any]

_TONES = {"blessed and pushed": "good", "not blessed": "warn", "failed": "bad"}
# What the content of a picture's file begins with, after so many bytes, by its type.
_SIGNATURES = (("image/png", 0, b"\x89PNG\r\n\x1a\n"), ("image/gif", 0, b"GIF87a"), ("image/gif", 0, b"GIF89a"), ("video/mp4", 4, b"ftyp"))


def header(run: Record) -> View:
    """The verdict and the numbers that matter most."""
    pushed = run.get("pushed") or {}
    facts = [
        (formats.title(gate["metric"]), formats.metric(gate["value"]), gate_bound(gate)) for gate in run["gates"] if gate["kind"] == "value"
    ]
    facts.append(("Run time", formats.seconds(run.get("seconds")), f"{len(run['nodes'])} nodes"))
    version = f"version {pushed['version']}" if pushed else "not pushed"
    facts.append(("Served", version, "" if pushed else "nothing new is served"))
    return {"tone": _TONES.get(run["verdict"], "neutral"), "facts": facts}


def run_graph(run: Record) -> View:
    """The graph, and its nodes as a table."""
    rows = [
        {
            "id": node["id"],
            "state": node["state"],
            "icon": graph.icon(node["state"]),
            "seconds": node.get("seconds"),
            "error": node.get("error"),
        }
        for node in run["nodes"]
    ]
    return {"figure": graph.picture(run["nodes"]), "rows": rows}


def statistics(run: Record) -> View:
    """Numbers of examples, and the statistics of each feature by split."""
    found = data.read_statistics(folder(run, "statistics"))
    features = []
    for feature in found.features:
        names = list(dict.fromkeys(name for split in feature.splits for name in split.values))
        pictures = [(split.split, _distribution(feature.name, split)) for split in feature.splits if _varies(split)]
        features.append({"name": feature.name, "kind": feature.kind, "names": names, "splits": feature.splits, "pictures": pictures})
    return {"examples": found.examples, "features": features}


def _varies(split: data.FeatureInSplit) -> bool:
    """Whether there is more than one value to draw."""
    return len(split.top) > 1 or (bool(split.buckets) and split.buckets[0][0] < split.buckets[-1][1])


def _distribution(name: str, split: data.FeatureInSplit) -> str:
    label = f"Distribution of {name} in {split.split}"
    return figures.histogram(label, split.buckets) if split.buckets else figures.bars(label, split.top)


def anomalies(run: Record) -> View:
    """What ExampleValidator found."""
    return {"rows": data.read_anomalies(folder(run, "anomalies"))}


def training(run: Record) -> View:
    """Curves of each metric over the epochs, training against validation."""
    history = read_json(folder(run, "model_run") / "history.json")
    metrics: dict[str, list[float]] = history["metrics"]
    charts = []
    for name, values in sorted(metrics.items(), key=lambda metric: metric[0] != "loss"):
        if name.startswith("val_") and name.removeprefix("val_") in metrics:
            continue
        split, name = ("validation", name.removeprefix("val_")) if name.startswith("val_") else ("training", name)
        series = {split: [_finite(value) for value in values]}
        if f"val_{name}" in metrics:
            series["validation"] = [_finite(value) for value in metrics[f"val_{name}"]]
        last = {key: formats.metric(points[-1]) for key, points in series.items() if points}
        label = f"{formats.title(name)} by epoch; at the end " + ", ".join(f"{key} {value}" for key, value in last.items())
        charts.append({"title": formats.title(name), "figure": figures.line_chart(label, series), "last": last})
    speed = history.get("examples_per_second")
    facts = [
        ("Epochs", formats.number(history.get("epochs"))),
        ("Training time", formats.seconds(history.get("seconds"))),
        ("Examples per second", f"{speed:,.0f}" if speed else formats.ABSENT),
    ]
    if "parameters" in history:
        facts.append(("Parameters", formats.number(history["parameters"])))
    asked = run.get("config", {}).get("hparams", {})
    tuned = {name: value for name, value in history.get("hparams", {}).items() if asked.get(name, value) != value}
    return {"charts": charts, "facts": facts, "tuned": tuned}


def _finite(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def extras(run: Record) -> list[View]:
    """Sections that artifacts bring along as `section.json`."""
    found = []
    for node in run["nodes"]:
        for uris in (node.get("outputs") or {}).values():
            found += [_extra(Path(uri), node["id"]) for uri in uris if Path(uri, "section.json").is_file()]
    return found


def _extra(base: Path, node: str) -> View:
    try:
        section = read_json(base / "section.json")
        pictures = [_picture(base, picture) for picture in section.get("pictures", [])]
        tables = [
            {"title": table.get("title", ""), "columns": list(table["columns"]), "rows": [list(row) for row in table["rows"]]}
            for table in section.get("tables", [])
        ]
        return {
            "title": str(section.get("title", node)),
            "text": section.get("text", ""),
            "pictures": pictures,
            "tables": tables,
            "problem": "",
        }
    except (LookupError, TypeError, AttributeError, Unreadable) as problem:
        return {"title": node, "text": "", "pictures": [], "tables": [], "problem": f"Could not use {base / 'section.json'}: {problem}"}


def _picture(base: Path, picture: Mapping[str, Any]) -> View:
    """A picture, still or moving, as a data URI, or what is wrong with it."""
    view: View = {
        "caption": str(picture.get("caption", "")),
        "wide": bool(picture.get("wide")),
        "source": None,
        "video": False,
        "problem": "",
    }
    try:
        content = read_bytes(file_within(base, str(picture["file"])))
    except Unreadable as problem:
        return view | {"problem": str(problem)}
    kind = next((kind for kind, offset, signature in _SIGNATURES if content[offset:].startswith(signature)), None)
    if kind is None:
        return view | {"problem": f"Expected a PNG, a GIF or an MP4: {picture['file']}"}
    return view | {"source": f"data:{kind};base64," + base64.b64encode(content).decode(), "video": kind.startswith("video/")}


def exports(run: Record) -> View:
    """The exports and the SavedModel that they were made from."""
    found = read_json(folder(run, "exports") / "exports.json")
    rows = [dict(export) for export in found["exports"]]
    if not rows:
        raise Unreadable(f"No exports were made: {found.get('reason') or 'none were asked for'}.")
    reference = dict(found["reference"]) if found.get("reference") else None
    largest = max((row.get("bytes") or 0 for row in (*rows, reference or {})), default=0)
    return {"rows": rows, "reference": reference, "largest": largest}


def validation(run: Record) -> View:
    """What the C++ loader answered."""
    return read_json(folder(run, "validation") / "validation.json")
