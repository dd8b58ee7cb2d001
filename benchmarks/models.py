"""`make bench-models`: every model on its full data against its reference figure.

    python -m benchmarks.models [MODEL[:PRESET] …] [--root bench_root] [--again | --no-runs] [--write docs/models.md]

It takes hours on two cores, and resumes where it stopped: a figure that was measured is kept under the root until `--again`, or
until the row's hyperparameters or data change. The full data comes from where `darsena run --data full` finds it ($DARSENA_DATA, or
the download cache); the pictures of the transfer rows from $DARSENA_DATA alone.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.arguments import row_arguments
from benchmarks.machine import DARSENA, commit, machine
from benchmarks.rows import ROWS, Row
from pipelines.common.layout import load_model
from reporting.evaluation import read_evaluation


@dataclasses.dataclass(frozen=True)
class Measured:
    """What came of a row; kept as JSON.

    Attributes:
        key: what the figure depends on.
        value, low, high: of the metric, with its 95% interval (None for a share of photographs).
        reference: the figure to reach.
        verdict: of the run.
        note: what differs from the original data.
        examples: in the test split.
        training_seconds, run_seconds: of the training, and of the whole run.
        megabytes: of the float32 and the int8 TFLite model, where there are these.
        date, commit: when, and of what code.
    """

    key: dict[str, Any]
    value: float
    low: float | None
    high: float | None
    reference: float
    verdict: str
    note: str
    examples: int
    training_seconds: float
    run_seconds: float
    megabytes: list[float | None]
    date: str
    commit: str


def kept(row: Row, root: Path) -> Measured | None:
    """The figure of a row that was measured before, if nothing that it depends on has changed since."""
    file = measured_file(row, root)
    found = Measured(**json.loads(file.read_text())) if file.is_file() else None
    return found if found and found.key == key(row) else None


def measured_file(row: Row, root: Path) -> Path:
    """Where the figure of a row is kept."""
    return root / "measured" / f"{row.name.replace(':', '-')}.{row.metric}.json"


def key(row: Row) -> dict[str, Any]:
    """What the figure of a row depends on, beside the code: the hyperparameters, but for those that are off."""
    name, _, preset = row.name.partition(":")
    return {"hparams": {name: value for name, value in load_model(name).with_preset(preset).hparams.items() if value}}


def measure(row: Row, root: Path) -> Measured:
    """The figure of a row, by a run now."""
    name, _, preset = row.name.partition(":")
    # Each row in a root of its own: a preset is not to be held to what another one serves.
    home = root / row.name.replace(":", "-")
    command = [DARSENA, "run", name, "--root", str(home), "--json", *(("--preset", preset) if preset else ())]
    # An environment has no full data: it gives as much as is asked of it.
    usual = "full" if load_model(name).with_preset(preset).data.releases else "sample"
    command += ["--data", str(row.prepare(root / "data")) if row.prepare else usual]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"bench-models: {' '.join(command)} ended with {done.returncode}.")
    measured = describe(row, json.loads(done.stdout), home)
    # A run that another row of the same model made is answered from the cache: what it took then counts.
    others = [found for other in ROWS if other.name == row.name and other is not row and (found := kept(other, root))]
    measured = dataclasses.replace(measured, run_seconds=max([measured.run_seconds, *(other.run_seconds for other in others)]))
    file = measured_file(row, root)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dataclasses.asdict(measured), indent=1))
    return measured


def describe(row: Row, record: dict, root: Path) -> Measured:
    """A run as a row of the table."""
    outputs = {name: Path(uris[0]) for node in record["nodes"] for name, uris in node["outputs"].items()}
    overall = read_evaluation(outputs["evaluation"]).overall.metrics
    if row.metric == "accepted":
        value, low, high = pictures.accepted(record, root), None, None
    else:
        value, low, high = dataclasses.astuple(overall[row.metric])
    exports = {export["name"]: export["bytes"] / 1e6 for export in json.loads((outputs["exports"] / "exports.json").read_text())["exports"]}
    return Measured(
        key=key(row),
        value=value,
        low=low,
        high=high,
        reference=row.reference if isinstance(row.reference, float) else row.reference(record),
        verdict=record["verdict"],
        note=record["config"]["data_note"],
        examples=int(overall["example_count"].value),
        training_seconds=json.loads((outputs["model_run"] / "history.json").read_text())["seconds"],
        run_seconds=record["seconds"],
        megabytes=[exports.get("float32"), exports.get("int8")],
        date=str(datetime.date.today()),
        commit=commit(),
    )


def lines(row: Row, measured: Measured) -> Iterator[str]:
    """The cells of a row."""
    met = measured.value <= measured.reference if row.at_most else measured.value >= measured.reference
    yield f"`{row.name}`"
    interval = f" ({number(measured.low)} – {number(measured.high)})" if measured.low is not None and measured.high is not None else ""
    yield f"{row.metric.replace('_', ' ')} {number(measured.value)}{interval}"
    yield f"{'≤' if row.at_most else '≥'} {number(measured.reference)}: {row.about}"
    short = abs(measured.value - measured.reference)
    yield "yes" if met else f"**no**, by {number(short)}" + (f": {row.reason}" if row.reason else "")
    yield measured.verdict + (f"; {measured.note}" if measured.note else "")
    yield f"{measured.examples:,}"
    yield f"{measured.training_seconds:,.0f} s of {measured.run_seconds:,.0f} s"
    yield " / ".join("–" if size is None else f"{size:.2f}" for size in measured.megabytes)
    yield f"{measured.date}, {measured.commit}"


def written(row: Row, file: Path | None) -> str:
    """The line of a row that was measured elsewhere, as the file has it."""
    start = f"| `{row.name}` | {row.metric.replace('_', ' ')} "
    known = file.read_text().splitlines() if file and file.is_file() else []
    return next((line for line in known if line.startswith(start)), f"{start}not measured yet |" + " |" * (len(COLUMNS) - 2))


def number(value: float | None) -> str:
    """A metric or an error in dollars."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


COLUMNS = (
    "model",
    "test split, with 95% interval",
    "reference",
    "met",
    "verdict",
    "test examples",
    "training, of the whole run",
    "TFLite float32 / int8, MB",
    "measured, at commit",
)


def main() -> None:
    """The command line, see the head of this module."""
    arguments = row_arguments(__doc__, [row.name for row in ROWS])
    chosen = [row for row in ROWS if not arguments.names or row.name in arguments.names]
    table = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    root = arguments.root
    for row in chosen:
        found = None if arguments.again else kept(row, root)
        if found is None and not arguments.no_runs:
            found = measure(row, root)
        table.append(f"| {' | '.join(lines(row, found))} |" if found else written(row, arguments.write))
        print(table[-1], flush=True)
    if arguments.write and len(chosen) == len(ROWS):
        head = f"# Models on their full data\n\n`make bench-models`; seed 42; {machine()}, no GPU.\n\n"
        arguments.write.write_text(head + "\n".join(table) + "\n")


if __name__ == "__main__":
    main()
