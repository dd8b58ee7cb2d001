"""A server that is told to stop while clients ask it, and one that runs for long: none of its answers may be lost, nor its memory grow."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.serving.servers import local_process
from reliability.clients import MODEL, Clients, Outcome, ask_quickly, ask_steadily, outcome
from reliability.pushes import prune, push
from reliability.section import Row, Section
from reliability.stand_ins import half_plus, public_keys

PER_SECOND = 50
TURNS = 9000  # of the loop that an answer waits for: about 20 ms
CONSTANT = 3.0
BALLAST = 16 << 20
GROWTH = 0.05
WARM_UP_SWAPS = 2
KEEPS_WHAT_IT_LETS_GO = (
    "-c",
    "from serving.store import ModelStore; ModelStore._collect = lambda self: None; from serving.__main__ import main; main()",
)

TEXT = f"""
A server is told to stop (SIGTERM) while clients ask it {PER_SECOND} times a second in each of three ways: gRPC, REST on connections that
are kept, REST on a connection each. An answer takes about 20 ms. Harm is done by a request from before the signal that
does not get the right answer, and by one from after it that is lost, rather than answered or refused because nobody listens any more. The
naive version is a server that ends at once (SIGKILL).

Then one server is asked in all these ways for batches of 1 to 512 rows, every tenth request one that it must refuse, while new versions of
a model of {BALLAST >> 20} MB replace each other. Harm is done by a wrong answer, and by memory (the resident set) that grows by more than
{GROWTH:.0%} after the first {WARM_UP_SWAPS} versions. The naive version leaves those that it let go to Python's own collector.
"""


def measure(full: bool, folder: Path) -> Section:
    """20 stops, or 3; 200,000 requests and 20 versions, or 10,000 and 4."""
    return Section(
        "Service under load", TEXT, [stopped(folder, 20 if full else 3), endured(folder, *((200_000, 20) if full else (10_000, 4)))]
    )


def stopped(folder: Path, rounds: int) -> Row:
    """The row on stops."""
    base = folder / "stopped"
    half_plus(base / MODEL / "1", CONSTANT, turns=TURNS)
    ends = [asyncio.run(stop(base, signal.SIGTERM)) for _ in range(rounds)]
    naive = [asyncio.run(stop(base, signal.SIGKILL)) for _ in range(rounds)]
    lost, requests = sum(len(end.lost) for end in ends), sum(len(end.outcomes) for end in ends)
    without = f"{sum(len(end.lost) for end in naive)} requests lost in {sum(bool(end.lost) for end in naive)} of {rounds} stops"
    late = sum(outcome.begun > end.signalled and not outcome.error for end in ends for outcome in end.outcomes)
    seconds = max(end.seconds for end in ends)
    found = f"of {requests:,} requests {late:,} from after the signal were answered too; ended in {seconds:.1f} s at most{reasons(ends)}"
    return Row(f"SIGTERM while clients ask {PER_SECOND} times a second", rounds, lost, without, found)


@dataclasses.dataclass(frozen=True)
class End:
    """How a server ended.

    Attributes:
        outcomes: of all requests.
        signalled: when it was told, of `time.perf_counter`.
        seconds: until it had ended.
    """

    outcomes: list[Outcome]
    signalled: float
    seconds: float

    @property
    def lost(self) -> list[Outcome]:
        """What it should have answered, and did not."""
        return [one for one in self.outcomes if one.error and not (one.refused and one.begun > self.signalled)]


async def stop(base: Path, number: signal.Signals) -> End:
    """Starts a server, and sends it a signal while it is asked."""
    with local_process(base, MODEL) as (server, grpc_address, rest_address):
        async with Clients(grpc_address, rest_address) as clients:
            for way, ask in clients.ways.items():
                await outcome(way, ask, [CONSTANT])  # connects
            ended = asyncio.Event()
            asking = asyncio.create_task(ask_steadily(clients, PER_SECOND, ended, CONSTANT))
            await asyncio.sleep(random.uniform(0.5, 1.0))
            signalled = time.perf_counter()
            server.send_signal(number)
            await asyncio.to_thread(server.wait)
            seconds = time.perf_counter() - signalled
            ended.set()
            return End(await asking, signalled, seconds)


def reasons(ends: Sequence[End]) -> str:
    """What the clients were told of requests that were lost, with how often."""
    told = collections.Counter(f"{one.way}: {one.error}" for end in ends for one in end.lost)
    return "".join(f"; {count} × {reason}" for reason, count in told.most_common(3))


def endured(folder: Path, requests: int, swaps: int) -> Row:
    """The row on memory."""
    models = [half_plus(folder / "models" / str(kind), float(kind), BALLAST) for kind in range(2)]
    run = asyncio.run(endure(folder / "endured", models, requests, swaps))
    naive = asyncio.run(endure(folder / "naive", models, requests, swaps, KEEPS_WHAT_IT_LETS_GO))
    wrong = [one for one in run.outcomes if one.error]
    found = f"{run}, {requests / run.seconds:,.0f} requests/s{f'; {wrong[0].error}' if wrong else ''}"
    harmed = len(wrong) + (run.growth > GROWTH)
    return Row(f"{requests:,} requests and {swaps} new versions", requests, harmed, str(naive), found)


@dataclasses.dataclass(frozen=True)
class Run:
    """A server's life.

    Attributes:
        outcomes: of all requests.
        megabytes: its memory after the warm-up, and after each version from then on.
        seconds: that it was asked, warm-up excepted.
    """

    outcomes: list[Outcome]
    megabytes: list[float]
    seconds: float

    @property
    def growth(self) -> float:
        """Of the memory, as a part of what it was after the warm-up."""
        return self.megabytes[-1] / self.megabytes[0] - 1

    def __str__(self) -> str:
        return f"{self.megabytes[0]:,.0f} MB, then {self.megabytes[-1]:,.0f} MB ({self.growth:+.1%}), at most {max(self.megabytes):,.0f} MB"


async def endure(base: Path, models: Sequence[Path], requests: int, swaps: int, program: Sequence[str] = ("-m", "serving")) -> Run:
    """Asks a server while versions come; before each next one its memory is looked at."""
    (key,) = public_keys()
    served = base / MODEL
    await asyncio.to_thread(push, models[0], served, "0")
    options = ("--poll-seconds", "0.2", "--trust", str(key))
    with local_process(base, MODEL, *options, program=program) as (server, grpc_address, rest_address):
        async with Clients(grpc_address, rest_address) as clients:
            outcomes: list[Outcome] = []
            megabytes = []
            started = 0.0
            for number in range(1, WARM_UP_SWAPS + swaps + 1):
                if number == WARM_UP_SWAPS + 1:
                    started = time.perf_counter()
                    outcomes = []
                asked = asyncio.create_task(ask_quickly(clients, requests // swaps, range(len(models))))
                await asyncio.to_thread(push, models[number % len(models)], served, str(number))
                outcomes += await asked
                await collected(server)
                if number >= WARM_UP_SWAPS:
                    megabytes.append(psutil.Process(server.pid).memory_info().rss / 1e6)
                prune(served)
            return Run(outcomes, megabytes, time.perf_counter() - started)


async def collected(server: subprocess.Popen[str]) -> None:
    """Waits until the version that was replaced had time to go."""
    await asyncio.sleep(1)
