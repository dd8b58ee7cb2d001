"""`make bench-serving`: a model in process, the local server, KServe's and MLServer's Python servers, side by side in one run.

    python -m benchmarks.serving [--model mnist_lenet …] [--repeat 5] [--seconds 1.5] [--write docs/serving_speed.md]

Every server is started at the beginning; each case goes through all of them in turn, so often as `--repeat` says, and the medians
count. Clients and servers share this machine's cores. A model is one of 28x28 pictures; it is run on its sample the first time.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.machine import DARSENA, REPOSITORY, commit, machine, table
from benchmarks.serving.load import Speed
from benchmarks.serving.servers import IN_PROCESS, PEERS, Way, in_process, local, peer
from benchmarks.serving.swap import swaps

ROOT = REPOSITORY / "bench_root/serving"
CASES = [(rows, clients) for rows in (1, 32) for clients in (1, 4, 16)]
PEER_NAMES = {"kserve": "KServe", "mlserver": "MLServer"}
SWAPS = 10
INTRODUCTION = """\
# Speed of serving

`make bench-serving`: requests per second, and the middle and the 99th percentile of the latencies in milliseconds, medians of rounds
that went through all servers in turn. Clients and servers shared the machine, so a server's figure is of what the clients left of
it; "in process" is threads that call the model, nothing between. Requests are prepared, answers are not read. KServe {kserve} and
MLServer {mlserver} serve the same SavedModel as the custom model that their documentation describes, each in an environment of its
own with the same TensorFlow, over the open inference protocol.
{machine}, {date}, commit {commit}.
"""

Speeds = Mapping[str, Mapping[tuple[int, int], Speed]]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="mnist_lenet and mnist_mlp by default")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--write", type=Path, help="also write the tables, with date, machine and commit, to this file")
    arguments = parser.parse_args()
    sections = [section(model, arguments.repeat, arguments.seconds) for model in arguments.model or ("mnist_lenet", "mnist_mlp")]
    versions = {name: (PEERS / f"{name}.in").read_text().split("\n")[0].split("==")[1] for name in PEER_NAMES}
    text = INTRODUCTION.format(machine=machine(), date=datetime.date.today(), commit=commit(), **versions)
    text = "\n".join([text, *sections])
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


def section(model: str, repeat: int, seconds: float) -> str:
    """The tables of one model."""
    saved_model = pushed(model)
    with tempfile.TemporaryDirectory(prefix="darsena-bench-") as scratch:
        with contextlib.ExitStack() as servers:
            speeds = measured(started(servers, saved_model, model, Path(scratch)), repeat, seconds)
        first, usual = zip(*swaps(saved_model, model, Path(scratch), SWAPS), strict=True)
    ratios = [one / other for one, other in zip(first, usual, strict=True)]
    swap = (
        f"The first request that a new version answered, {SWAPS} swaps under load: {statistics.median(first):.2f} ms, "
        f"{statistics.median(ratios):.2f} × the median before it (at most {max(ratios):.2f} ×)."
    )
    rows = [[way, *(cell(found[case]) for case in CASES)] for way, found in speeds.items()]
    columns = [
        "requests/s (p50, p99 ms)",
        *(f"{rows} row{'s' * (rows > 1)}, {clients} client{'s' * (clients > 1)}" for rows, clients in CASES),
    ]
    middle = statistics.median(ratios)
    goals = [*goals_of(speeds), ["first request after a swap / p50", f"{middle:.2f}", "≤ 3", met(middle <= 3)]]
    goal_table = table(["goal", "measured", "bound", "met"], goals)
    return f"## {model}\n\n{repeat} rounds of {seconds:g} s.\n\n{table(columns, rows)}\n\n{swap}\n\n{goal_table}\n"


def pushed(model: str) -> Path:
    """The SavedModel of a sample run, in `bench_root/serving`."""
    folder = ROOT / "serving" / model
    if not folder.is_dir():
        subprocess.run([DARSENA, "run", model, "--data", "sample", "--root", str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    return max(path for path in folder.iterdir() if path.name.isdigit())


def started(running: contextlib.ExitStack, saved_model: Path, model: str, scratch: Path) -> dict[str, Way]:
    """Every way to ask the model, checked to give the same answers."""
    ways: dict[str, Way] = {}
    ways[IN_PROCESS], wanted = running.enter_context(in_process(saved_model))
    base = saved_model.parents[1]
    groups = {"local": local(base, model), "local, batching": local(base, model, "--batching")}
    for name, title in PEER_NAMES.items():
        (scratch / name).mkdir()
        groups[title] = peer(name, saved_model, scratch / name)
    for title, group in groups.items():
        for protocol, (way, ask) in running.enter_context(group).items():
            np.testing.assert_allclose(ask(), wanted, atol=1e-5, err_msg=f"{title} by {protocol}")
            ways[f"{title}, {protocol}"] = way
    return ways


def measured(ways: Mapping[str, Way], repeat: int, seconds: float) -> Speeds:
    """Medians by way and case."""
    rounds: dict[str, dict[tuple[int, int], list[Speed]]] = {way: {case: [] for case in CASES} for way in ways}
    for _ in range(repeat):
        for case in CASES:
            for name, way in ways.items():
                rounds[name][case].append(way(*case, seconds))
    return {name: {case: median(found) for case, found in cases.items()} for name, cases in rounds.items()}


def median(speeds: list[Speed]) -> Speed:
    """Of each figure by itself."""
    return Speed(*(statistics.median(getattr(speed, field) for speed in speeds) for field in ("per_second", "p50", "p99")))


def goals_of(speeds: Speeds) -> list[list[str]]:
    """Rows for what is to be reached."""
    ratio = speeds["local, gRPC"][32, 4].per_second / speeds[IN_PROCESS][32, 4].per_second
    rows = [["32 rows, 4 clients: local gRPC / in process, requests/s", f"{ratio:.2f}", "≥ 0.6", met(ratio >= 0.6)]]
    for title in PEER_NAMES.values():
        for protocol in ("gRPC", "REST"):
            ours, theirs = (speeds[f"{name}, {protocol}"][1, 16] for name in ("local", title))
            rate, late = ours.per_second / theirs.per_second, ours.p99 / theirs.p99
            rows.append([f"1 row, 16 clients, {protocol}: local / {title}, requests/s", f"{rate:.2f}", "> 1", met(rate > 1)])
            rows.append(["the same, p99", f"{late:.2f}", "< 1", met(late < 1)])
    return rows


def met(reached: bool) -> str:
    """A cell."""
    return "yes" if reached else "**no**"


def cell(speed: Speed) -> str:
    """The figures of a case."""
    return f"{speed.per_second:,.0f} ({speed.p50:.2f}, {speed.p99:.2f})"


if __name__ == "__main__":
    main()
