"""`make bench-scale`, second part: how the cost of a run grows with its data.

    python -m benchmarks.growth [--root bench_root] [--sizes 1 4 16 64]

Runs the regression of house prices, one epoch, on 1, 4, 16 and 64 times 5,000 generated rows, each in a process of its own, and takes
for every node its seconds and the most memory that the process held meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import alone, table

MODEL, ROWS, SEED = "house_prices", 5_000, 1
SIZES = (1, 4, 16, 64)
NODES = ("TableExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator")
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def run(rows: int, root: Path) -> dict[str, Any]:
    """One run on so many rows, in this process.

    Returns:
        `verdict`, and for each of NODES `seconds` and `megabytes`.
    """
    from pipelines.common import runs
    from pipelines.common.config import RunConfig
    from pipelines.common.data import resolve_data
    from pipelines.common.datasets import housing
    from pipelines.common.layout import load_model

    model = load_model(MODEL)
    data = root / f"rows-{rows}"
    data.mkdir(parents=True, exist_ok=True)
    with (data / "districts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([housing.COLUMNS, *housing.generated_rows(rows, SEED)])
    found = resolve_data(model.data, str(data), root)
    config = RunConfig(root=root / f"root-{rows}", data=found, hparams=model.with_overrides({"epochs": "1"}), cache=False)
    peaks = Peaks()
    record = runs.execute(model, config, lambda _: contextlib.nullcontext(peaks))
    seconds = {node["id"]: node["seconds"] for node in record["nodes"]}
    return {"verdict": record["verdict"], **{node: {"seconds": seconds[node], "megabytes": peaks.megabytes[node]} for node in NODES}}


@dataclasses.dataclass
class Peaks:
    """A run's progress that notes the most memory held while each node ran.

    Attributes:
        megabytes: resident, by node.
    """

    megabytes: dict[str, float] = dataclasses.field(default_factory=dict)

    def started(self, node_id: str) -> None:
        """Linux forgets the peak so far."""
        CLEAR.write_text("5")

    def finished(self, node_id: str, state: str, seconds: float, note: str = "") -> None:
        """Notes the peak."""
        peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        self.megabytes[node_id] = int(peak.split()[1]) / 1024


def measured(sizes: list[int], root: Path) -> dict[int, dict[str, Any]]:
    """Every size in a process of its own."""
    return {size: alone("benchmarks.growth", "--root", root, "--one", size * ROWS) for size in sizes}


def lines(found: dict[int, dict[str, Any]]) -> Iterator[list[str]]:
    """A line for each node: seconds and MB by size, and the exponent of growth between the last two sizes."""
    sizes = list(found)
    for node in NODES:
        seconds = [found[size][node]["seconds"] for size in sizes]
        memory = [f"{found[size][node]['megabytes']:,.0f}" for size in sizes]
        growth = math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])
        yield [node, *(f"{value:.3g}" for value in seconds), f"{growth:.2f}", *memory]


def growth_table(sizes: list[int], root: Path) -> str:
    """The table in Markdown."""
    found = measured(sizes, root)
    names = [f"{size}×" for size in found]
    columns = ["node", *(f"s, {name}" for name in names), "exponent", *(f"MB, {name}" for name in names)]
    return table(columns, list(lines(found)))


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=lambda path: Path(path).absolute(), default=Path("bench_root/growth").absolute())
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        with contextlib.redirect_stdout(sys.stderr):
            found = run(arguments.one, arguments.root)
        print(json.dumps(found))
    else:
        print(growth_table(arguments.sizes, arguments.root))


if __name__ == "__main__":
    main()
