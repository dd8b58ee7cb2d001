"""Runs that are killed at random points, that come two at a time, and that find the disk full or the metadata locked."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import REPOSITORY
from pipelines.common.layout import metadata_path, runs, versions
from reliability.section import Row, Section
from reliability.stand_ins import NO_DISK, small_disk

# One of rows, one of pictures, one of texts.
MODELS = ("house_prices", "mnist_softmax", "sms_spam")
LOOK_SECONDS = 0.002
ROOM = 512 << 20

TEXT = """
A run of real data is killed with `kill -9` at a random moment of a random node, or just after it, and started again. Harm is done
where the next run does not end `blessed and pushed`; where a node that had ended runs again; where an execution stays `RUNNING` in ML
Metadata; where a version is pushed twice, or lost. A training is killed so too, and must go on from its last epoch and give the answers
of one that nobody disturbed, to 1e-6. What TFX alone leaves behind is counted right after each kill. Then two runs under one root, a
metadata file that another program keeps locked, and a disk that fills up at a random node: the run must end with one line that names the
cause, and the next one come through.
"""


def measure(full: bool, folder: Path) -> Section:
    """200 kills, or 3; 20 of trainings, or 1; 10 disks, or 1."""
    with victims() as victim:
        kills = [Kills(model, folder / model) for model in MODELS]
        for number in range(200 if full else 3):
            kills[number % len(kills)].kill(victim, number)
        rows = [
            total(kills),
            trainings(victim, folder / "training", 20 if full else 1),
            two_at_a_time(victim, folder / "two"),
            locked(victim, kills[0].root),
            full_disk(victim, folder / "disk", 10 if full else 1),
        ]
    return Section("Crashes", TEXT, rows)


class Victim:
    """A process that runs `darsena` in forks of it: see reliability/victim.py."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def start(self, events: Path, *arguments: object) -> int:
        """Starts a run; its process id."""
        events.parent.mkdir(parents=True, exist_ok=True)
        events.unlink(missing_ok=True)
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"arguments": [str(each) for each in arguments], "events": str(events)}) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Waits for the run to end; its exit code."""
        return int(self._line())

    def run(self, events: Path, *arguments: object) -> int:
        """A whole run; its exit code."""
        self.start(events, *arguments)
        return self.end()

    def kill(self, events: Path, is_time: Callable[[], bool], seconds: float, *arguments: object) -> int:
        """A run that is killed so many seconds after it is time, or that ends before; its exit code."""
        process = self.start(events, *arguments)
        while not (has_come := is_time()) and is_there(process):
            time.sleep(LOOK_SECONDS)
        if has_come:
            time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return self.end()

    def _line(self) -> str:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("expected an answer of reliability.victim, it has ended")
        return line


@contextlib.contextmanager
def victims() -> Iterator[Victim]:
    """The process that forks."""
    command = [sys.executable, "-m", "reliability.victim"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdin and process.stdout
        while "ready" not in process.stdout.readline():
            pass
        try:
            yield Victim(process)
        finally:
            process.stdin.close()


def told(events: Path) -> list[str]:
    """What a run has told so far; a line that is cut is left out."""
    return events.read_text().split("\n")[:-1] if events.exists() else []


def is_there(process: int) -> bool:
    """Whether a process runs still."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@dataclasses.dataclass
class Kills:
    """Runs of one model under one root, each with another seed, so that it trains anew.

    Attributes:
        model: its name.
        root: of the runs.
        seconds: how long each node took when nobody disturbed it; filled by the first run.
        killed, ended, unfinished: how many runs were killed, had ended before, and left an execution RUNNING.
        problems: what did harm.
    """

    model: str
    root: Path
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    killed: int = 0
    ended: int = 0
    unfinished: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)

    def kill(self, victim: Victim, number: int) -> None:
        """Kills a run at a random point, and has it run again."""
        chance, events = random.Random(number), self.root / "events"
        command = ["run", self.model, "--root", self.root, "--bless", "--reason", "another seed may do worse", "--seed"]
        if not self.seconds:
            self._expect(victim.run(events, *command, 0) == 0, "the first run did not end well")
            self.seconds = {node["id"]: node["seconds"] for node in runs(self.root, self.model)[-1]["nodes"]}
        node = chance.choice(sorted(self.seconds))
        before = versions(self.root, self.model)
        started, seconds = f"{node} started", chance.uniform(0, 1.1 * self.seconds[node])
        code = victim.kill(events, lambda: started in told(events), seconds, *command, number + 1)
        self.killed += code == -signal.SIGKILL
        self.ended += code == 0
        self.unfinished += bool(running(self.root, self.model))
        had_ended = {event.partition(" ")[0] for event in told(events) if event.endswith((" complete", " cached"))}
        where = f"after a kill in {node} (number {number})"
        self._expect(victim.run(events, *command, number + 1) == 0, f"the run {where} did not end well")
        states = {record["id"]: record["state"] for record in runs(self.root, self.model)[-1]["nodes"]}
        again = {name for name in had_ended if states.get(name) != "cached"}
        self._expect(not again, f"{', '.join(sorted(again))} ran again {where}")
        self._expect(not running(self.root, self.model), f"an execution stayed RUNNING {where}")
        self._expect(len(versions(self.root, self.model)) == len(before) + 1, f"versions {versions(self.root, self.model)} {where}")

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(f"{self.model}: {problem}")


def running(root: Path, model: str) -> list[int]:
    """Executions that are RUNNING in ML Metadata."""
    query = "SELECT id FROM Execution WHERE last_known_state = 2"
    with contextlib.closing(sqlite3.connect(metadata_path(root, model), timeout=30)) as store:
        return [row[0] for row in store.execute(query)]


def total(kills: list[Kills]) -> Row:
    """The row on kills of runs."""
    problems = [problem for each in kills for problem in each.problems]
    killed, ended, unfinished = (sum(getattr(each, name) for each in kills) for name in ("killed", "ended", "unfinished"))
    found = "; ".join(problems) or f"{killed} killed, {ended} had ended just before"
    naive = f"{unfinished} of {killed} left an execution RUNNING for good"
    return Row(f"`kill -9` of runs of {', '.join(f'`{model}`' for model in MODELS)}", killed + ended, len(problems), naive, found)


def trainings(victim: Victim, root: Path, kills: int) -> Row:
    """The row on kills in the midst of a training."""
    model, chance, epochs = MODELS[0], random.Random(3), 40
    command = ["run", model, "--set", f"epochs={epochs}", "--bless", "--reason", "trained for long", "--root"]
    undisturbed = root / "undisturbed"
    victim.run(undisturbed / "events", *command, undisturbed)
    wanted = golden(undisturbed, model)
    problems, resumed = [], []
    for number in range(kills):
        disturbed = root / str(number)
        is_time = functools.partial(logged, disturbed, f"epoch {chance.randrange(1, epochs)} of")
        victim.kill(disturbed / "events", is_time, chance.uniform(0, 0.02), *command, disturbed)
        code = victim.run(disturbed / "events", *command, disturbed)
        went_on = last_log(disturbed).partition("going on after epoch ")[2].partition(",")[0]
        resumed.append(int(went_on or 0))
        if code or any(np.abs(wanted[name] - found).max() > 1e-6 for name, found in golden(disturbed, model).items()):
            problems.append(f"number {number}: other answers")
        shutil.rmtree(disturbed)
    found = "; ".join(problems) or f"went on after epochs {', '.join(map(str, sorted(resumed)))} of {epochs}, with the same answers"
    lost = f"all {sum(resumed):,} epochs would have been lost" if resumed else ""
    return Row("`kill -9` in the midst of a training", kills, len(problems) + resumed.count(0), lost, found)


def logged(root: Path, words: str) -> bool:
    """Whether the log of the last run has these words."""
    return words in last_log(root)


def last_log(root: Path) -> str:
    """What the libraries said in the last run."""
    return max((root / "logs").glob("run-*.log")).read_text() if any((root / "logs").glob("run-*.log")) else ""


def golden(root: Path, model: str) -> dict[str, Any]:
    """What the model of the last run answered before it was saved."""
    outputs = next(node["outputs"] for node in runs(root, model)[-1]["nodes"] if node["id"] == "Trainer")
    with np.load(Path(outputs["model_run"][0]) / "golden/outputs.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def one_line(events: Path, *words: str) -> bool:
    """Whether the error of a run is one line with these words."""
    lines = Path(f"{events}.err").read_text().strip().splitlines()
    return len(lines) == 1 and all(word in lines[0] for word in words)


def two_at_a_time(victim: Victim, root: Path) -> Row:
    """The row on a second run while the first goes on."""
    model = MODELS[0]
    with victims() as other:
        other.start(root / "first", "run", model, "--root", root)
        while "Transform started" not in told(root / "first"):
            time.sleep(LOOK_SECONDS)
        second = victim.run(root / "second", "run", model, "--root", root)
        refused = second == 1 and one_line(root / "second", "expected no other run", "Wait for it")
        first = other.end()
    harmed = int(not (refused and first == 0 and versions(root, model) == [1]))
    return Row("a second run under the root of the first", 1, harmed, found="the second stopped with one line, the first came through")


def locked(victim: Victim, root: Path) -> Row:
    """The row on a metadata file that another program keeps, of runs that were made before."""
    model = MODELS[0]
    with contextlib.closing(sqlite3.connect(metadata_path(root, model), isolation_level=None)) as store:
        store.execute("BEGIN EXCLUSIVE")
        started = time.perf_counter()
        code = victim.run(root / "events", "run", model, "--root", root)
        seconds = time.perf_counter() - started
        told_why = code == 1 and one_line(root / "events", str(metadata_path(root, model)), "locked")
        store.execute("ROLLBACK")
    resumed = victim.run(root / "events", "run", model, "--root", root) == 0
    naive = "ML Metadata: 43 s, then `Concurrent writes aborted after max number of retries`"
    return Row(
        "a metadata file that is locked", 1, int(not (told_why and resumed)), naive, f"one line after {seconds:.0f} s, then came through"
    )


def full_disk(victim: Victim, disk: Path, times: int) -> Row:
    """The row on disks that fill up at a random node."""
    fault, chance = "a disk that fills up", random.Random(5)
    nodes = [chance.choice(["StatisticsGen", "Transform", "Trainer", "Evaluator", "TFLiteExporter", "Pusher"]) for _ in range(times)]
    with small_disk(disk, ROOM) as there:
        if not there:
            return Row(fault, 0, 0, found=NO_DISK)
        problems = [problem for number, node in enumerate(nodes) for problem in fill_up(victim, disk, node, f"full-{number}")]
    return Row(fault, times, len(problems), found="; ".join(problems) or f"one line, then came through (in {', '.join(nodes)})")


def fill_up(victim: Victim, disk: Path, node: str, name: str) -> Iterator[str]:
    """What went wrong where a disk was full when a node started, and had room again for the next run."""
    model, root, filler, events = MODELS[0], disk / name, disk / "filler", disk.parent / name
    victim.start(events, "run", model, "--root", root)
    while f"{node} started" not in told(events):
        time.sleep(LOOK_SECONDS)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * (1 << 16))
    code = victim.end()
    filler.unlink()
    named = (code == 1 and one_line(events, "No space left on device")) or one_line(events, "full")
    if not named or versions(root, model):
        yield f"{node}: {Path(f'{events}.err').read_text().strip()[:200]}"
    if victim.run(events, "run", model, "--root", root) != 0 or versions(root, model) != [1]:
        yield f"{node}: the next run did not come through"
    shutil.rmtree(root)
