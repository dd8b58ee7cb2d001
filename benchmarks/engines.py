"""`make bench-engines`: a run's data work on the engines of one machine.

    python -m benchmarks.engines [--rounds 1] [--rows 5000 80000] [--write docs/engine_speed.md]

Runs the regression of house prices, one epoch, on generated rows with `--beam direct`, `multiprocess` and `flink`, each from an empty root,
then a batch of the same rows on the model of the direct run. The engines take turns; a Flink cluster of this machine runs throughout. What
they made is compared: bytes of the Examples, and the largest difference of a metric from the direct runner's.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.growth import MODEL, NODES, SEED
from benchmarks.machine import DARSENA, REPOSITORY, commit, machine, seconds, table
from pipelines.common.datasets import housing
from reporting.evaluation import read_evaluation

ENGINES = ("direct", "multiprocess", "flink")
BATCH = "`darsena batch`"


def darsena(*arguments: object) -> str:
    """What a command answers; ends the process where it fails."""
    done = subprocess.run([DARSENA, *map(str, arguments)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench: darsena {' '.join(map(str, arguments))} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def write_rows(path: Path, rows: int) -> None:
    """Generated districts as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([housing.COLUMNS, *housing.generated_rows(rows, SEED)])


def measured(engine: str, data: Path, root: Path) -> dict[str, Any]:
    """A run and a batch from an empty root, but for a cluster that is there.

    Returns:
        `seconds` by node and of the batch, `examples`, a hash of their bytes, and `metrics`.
    """
    for folder in root.glob("*"):
        if folder.name != "flink":
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    options = ("--root", root, "--beam", engine)
    record = json.loads(darsena("run", MODEL, "--data", data.parent, "--set", "epochs=1", "--json", *options))
    nodes = {node["id"]: node for node in record["nodes"]}
    batch = seconds(lambda: darsena("batch", MODEL, data, root / "answers.csv", *options))
    examples = hashlib.sha256()
    for path in sorted(Path(nodes[NODES[0]]["outputs"]["examples"][0]).rglob("data_tfrecord*")):
        examples.update(path.read_bytes())
    metrics = read_evaluation(Path(nodes["Evaluator"]["outputs"]["evaluation"][0])).overall.metrics
    return {
        "seconds": {**{node: nodes[node]["seconds"] for node in NODES}, BATCH: batch},
        "examples": examples.hexdigest(),
        "metrics": {name: metric.value for name, metric in metrics.items()},
    }


def compared(direct: dict[str, Any], other: dict[str, Any]) -> str:
    """How another engine's results differ from the direct runner's, in words."""
    same = "identical" if direct["examples"] == other["examples"] else "**different**"
    largest = max(abs(other["metrics"][name] - value) / max(abs(value), 1) for name, value in direct["metrics"].items())
    return f"Examples {same}, metrics of the two trainings within {largest:.0e}"


def section(rows: int, rounds: int, root: Path) -> Iterator[str]:
    """The table of one size, and what was compared."""
    data = root / f"rows-{rows}" / "districts.csv"
    write_rows(data, rows)
    found: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            found[engine].append(measured(engine, data, root / engine))
    yield f"## {rows:,} rows\n"
    lines = []
    for what in (*NODES, BATCH):
        medians = [statistics.median(each["seconds"][what] for each in found[engine]) for engine in ENGINES]
        lines.append([what, *(f"{value:.1f}" for value in medians), f"{medians[-1] / medians[0]:.1f}×"])
    yield table(["seconds", *(f"`{engine}`" for engine in ENGINES), "`flink` over `direct`"], lines) + "\n"
    for engine in ENGINES[1:]:
        yield f"`{engine}` against `direct`: {compared(found['direct'][0], found[engine][0])}.\n"


HEAD = """# Engines side by side

`make bench-engines`, {date}, {machine}, commit {commit}.

A run of `{model}`, one epoch, on generated rows, and a batch of the same rows: seconds, medians of {rounds} round{s} in which
the engines take turns. Flink is one JobManager, two TaskManagers and the job server on the same cores (`darsena flink up`), and every
job starts Python workers of its own there, whose imports take most of the time where the data is small. The Trainer uses no engine for
its work.

"""


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 80_000])
    parser.add_argument("--root", type=lambda path: Path(path).absolute(), default=Path("bench_root/engines").absolute())
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    darsena("flink", "up", "--root", arguments.root / "flink")
    try:
        sections = [part for rows in arguments.rows for part in section(rows, arguments.rounds, arguments.root)]
    finally:
        darsena("flink", "down", "--root", arguments.root / "flink")
    rounds = {"rounds": arguments.rounds, "s": "s" if arguments.rounds > 1 else ""}
    head = HEAD.format(date=datetime.date.today(), machine=machine(), commit=commit(), model=MODEL, **rounds)
    found = head + "\n".join(sections)
    print(found)
    if arguments.write:
        arguments.write.write_text(found)


if __name__ == "__main__":
    main()
