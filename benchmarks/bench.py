"""`make bench`: the speeds that the README promises, measured side by side in one run, medians of five.

    python benchmarks/bench.py [--repeat 5] [--write docs/benchmarks.md]

Full MNIST comes from where `darsena run --data full` finds it ($DARSENA_DATA, or the download cache); without it those rows are
skipped and nothing is written.
"""

import argparse
import dataclasses
import datetime
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import DARSENA, REPOSITORY, commit, machine
from pipelines.common.downloads import full_data
from pipelines.common.errors import DarsenaError
from pipelines.common.layout import load_model

MODEL = "mnist_mlp"


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a measured value and the bound it is held to."""

    what: str
    value: float
    unit: str
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def timed(command: list[str], accepted: tuple[int, ...] = (0,)) -> tuple[float, str]:
    """Wall time in seconds and standard output of a command that must end with one of the accepted codes."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode not in accepted:
        sys.exit(f"bench: {' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return seconds, done.stdout


def run_model(root: Path, data: str) -> tuple[float, dict]:
    """Wall time and record of one pipeline run."""
    seconds, output = timed([DARSENA, "run", MODEL, "--data", data, "--root", str(root), "--json"], accepted=(0, 3))
    return seconds, json.loads(output)


def metrics_of(record: dict) -> dict:
    """The Trainer's history.json of a run."""
    trainer = next(node for node in record["nodes"] if node["id"] == "Trainer")
    return json.loads((Path(trainer["outputs"]["model_run"][0]) / "history.json").read_text())


def command_line(repeat: int) -> list[Row]:
    """Time of the commands that import nothing heavy."""
    rows = []
    for arguments, bound in ((["list"], 0.5), (["--help"], 0.3)):
        seconds = statistics.median(timed([DARSENA, *arguments])[0] for _ in range(repeat))
        rows.append(Row(f"`darsena {' '.join(arguments)}`", seconds, "s", bound))
    return rows


def sample(repeat: int, scratch: Path) -> list[Row]:
    """The pipeline on the embedded sample: from nothing, then again with everything cached."""
    first, second = [], []
    for number in range(repeat):
        root = scratch / f"sample-{number}"
        first.append(run_model(root, "sample")[0])
        seconds, record = run_model(root, "sample")
        again = [node["id"] for node in record["nodes"] if node["state"] != "cached"]
        if again:
            sys.exit(f"bench: expected every component of the second run to be cached, these ran: {', '.join(again)}")
        second.append(seconds)
        shutil.rmtree(root)
    return [
        Row(f"`darsena run {MODEL}` on the sample, from nothing", statistics.median(first), "s", 45),
        Row("the same again, fully cached", statistics.median(second), "s", 12),
    ]


def full(repeat: int, scratch: Path, data: Path) -> list[Row]:
    """The pipeline on full MNIST against a bare Keras script, taking turns."""
    ratios, speeds, accuracies, seconds = [], [], [], []
    for number in range(repeat):
        bare_seconds, output = timed([sys.executable, "benchmarks/bare_keras.py", str(data)])
        bare = json.loads(output.splitlines()[-1])
        root = scratch / f"full-{number}"
        pipeline_seconds, record = run_model(root, "full")
        ratios.append(pipeline_seconds / bare_seconds)
        speeds.append(metrics_of(record)["examples_per_second"] / bare["images_per_second"])
        accuracies.append(record["gates"][0]["value"])
        seconds.append((bare_seconds, pipeline_seconds))
        shutil.rmtree(root)
    bare_median, pipeline_median = (statistics.median(column) for column in zip(*seconds, strict=True))
    what = f"full MNIST, 20 epochs: pipeline ({pipeline_median:.1f} s) over bare Keras script ({bare_median:.1f} s), wall time"
    return [
        Row(what, statistics.median(ratios), "×", 2),
        Row("the same: images/s in training over the bare script's `fit`", statistics.median(speeds), "×", 0.9, at_most=False),
        Row("the same: accuracy on the official test set", statistics.median(accuracies), "", 0.978, at_most=False),
    ]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| what | median | bound | met |", "|---|---|---|---|"]
    for row in rows:
        sign = "≤" if row.at_most else "≥"
        value = f"{row.value:.4f}" if row.unit == "" else f"{row.value:.2f} {row.unit}"
        lines.append(f"| {row.what} | {value} | {sign} {row.bound:g} {row.unit} | {'yes' if row.met else '**no**'} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--write", type=Path, help="also write the table, with date, machine and commit, to this file")
    arguments = parser.parse_args()
    try:
        data = full_data(load_model(MODEL).data, None)[0][0].parent
    except DarsenaError as error:
        print(f"bench: the rows of full MNIST are skipped: {error}", file=sys.stderr)
        data = None
    with tempfile.TemporaryDirectory(prefix="darsena-bench-") as scratch:
        rows = command_line(arguments.repeat) + sample(arguments.repeat, Path(scratch))
        if data:
            rows += full(arguments.repeat, Path(scratch), data)
    print(table(rows))
    if arguments.write and data:
        about = f"{datetime.date.today()}, {machine()}, commit {commit()}"
        arguments.write.write_text(f"# Speed\n\n`make bench`: medians of {arguments.repeat}. {about}.\n\n{table(rows)}\n")
    sys.exit(any(not row.met for row in rows))


if __name__ == "__main__":
    main()
