"""Pushes that are killed, that come all at once, or that find no room, while a server looks for versions and clients ask it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import multiprocessing
import random
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from benchmarks.serving.servers import local_addresses
from components.pusher import publication
from reliability.section import Row, Section
from reliability.stand_ins import NO_DISK, half_plus, is_signed, public_keys, small_disk

MODEL = "line"
KINDS = 8  # models that are pushed in turn
BALLAST = 4 << 20
PER_SECOND = 50
KEPT = 3  # versions that stay, lest the disk fill up

TEXT = f"""
`kill -9` comes at a random moment of a push (times are even over what a push takes), while the local server looks for versions every 50 ms
and a client asks it {PER_SECOND} times a second. Each version says in its answers which one it is. Harm is done by a version in its place
that is not whole and signed, by an answer that is not that version's, and by any error of the server. The naive version copies into place.
Of pushes at once, harm is done by two that get one number, or one that is lost; the naive version names them by the second, as
TFX's Pusher does. On a disk that is full, or read-only, harm is done by an error that does not name the cause, by a push that leaves
anything, and by one that does not come through once there is room.
"""


def measure(full: bool, folder: Path) -> Section:
    """500 kills, or 50; 100 pushes at once; a full and a read-only disk."""
    models = [half_plus(folder / "models" / str(kind), float(kind), BALLAST) for kind in range(KINDS)]
    light = half_plus(folder / "light", 0.0)
    rows = [*killed(models, folder, 500 if full else 50), at_once(light, folder, 100), *without_room(models[0], folder)]
    return Section("Pushes", TEXT, rows)


def context() -> ForkServerContext:
    """Processes that are there in a moment, as what a push needs is imported already."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["components.pusher.publication", "model_signing.signing", "model_signing.hashing"])
    return found


def push(model: Path, serving_dir: Path, uri: str, answers: SimpleQueue[Any] | None = None) -> None:
    """A push as the Pusher does it; tells the version, or the error."""
    try:
        told: Any = publication.publish(model, serving_dir, uri, {}, lambda extras: None).version
    except publication.PushFailed as error:
        told = str(error)
    if answers is not None:
        answers.put(told)


def naive_push(model: Path, serving_dir: Path, uri: str) -> None:
    """A push that copies into place."""
    shutil.copytree(model, serving_dir / str(max(publication.versions(serving_dir), default=0) + 1))


def killed(models: list[Path], folder: Path, kills: int) -> list[Row]:
    """The row on kills."""
    base, chance, (key,) = folder / "served", random.Random(7), public_keys()
    served = base / MODEL
    push(models[0], served, "0")
    known = {1: 0}
    incomplete = unfinished = 0
    seconds = how_long(push, models, folder / "timed")
    with local_addresses(base, MODEL, "--poll-seconds", "0.05", "--trust", str(key)) as (address, _), asking(address) as asked:
        for number in range(1, kills + 1):
            before = set(publication.versions(served))
            interrupted(push, (models[number % KINDS], served, str(number)), chance.uniform(0, 1.2 * seconds))
            for version in set(publication.versions(served)) - before:
                incomplete += not is_whole(served / str(version), version)
                known[version] = number % KINDS
            unfinished += len(before) == len(publication.versions(served))
            prune(served)
        # What the last kill left is cleaned up by the next push.
        push(models[1], served, "last")
        known[max(publication.versions(served))] = 1
    left = [path.name for path in served.iterdir() if not path.name.isdigit()]
    wrong = sum(abs(y - (0.5 + known.get(version, -100))) > 1e-5 for version, y in asked.answers)
    naive = naive_kills(models, folder / "naive", kills)
    through, versions = kills - unfinished, len({version for version, _ in asked.answers})
    found = f"{through} came through before the kill; {len(asked.answers):,} answers of {versions} versions, {len(asked.errors)} errors"
    harmed = incomplete + wrong + len(asked.errors) + len(left)
    return [Row("`kill -9` during a push, the server looking and clients asking", kills, harmed, naive, found)]


def how_long(act: Callable[..., None], models: list[Path], served: Path) -> float:
    """Seconds that a push takes in a process of its own, once it has begun."""
    taken = []
    served.mkdir()
    for number in range(5):
        process = begun(act, (models[number], served, f"timed-{number}"))
        started = time.perf_counter()
        process.join()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def interrupted(act: Callable[..., None], arguments: tuple[Any, ...], seconds: float) -> None:
    """Begins a push and kills it after so many seconds."""
    process = begun(act, arguments)
    process.join(seconds)
    process.kill()
    process.join()


def begun(act: Callable[..., None], arguments: tuple[Any, ...]) -> BaseProcess:
    """A process whose push begins now."""
    begins, tells = context().Pipe(duplex=False)
    process = context().Process(target=tell_and, args=(tells, act, arguments))
    process.start()
    begins.recv()
    return process


def tell_and(tells: Connection, act: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What such a process does."""
    tells.send(None)
    act(*arguments)


def is_whole(version_dir: Path, version: int) -> bool:
    """Whether a version has all its files, signed."""
    try:
        return is_signed(version_dir, MODEL, version, public_keys())
    except OSError:
        return False


def prune(served: Path) -> None:
    """Removes old versions, as a user may: out of sight first."""
    for version in publication.versions(served)[:-KEPT]:
        hidden = served / f".old-{version}"
        (served / str(version)).rename(hidden)
        shutil.rmtree(hidden)


def naive_kills(models: list[Path], served: Path, kills: int) -> str:
    """How many kills of a push that copies into place left part of a version there."""
    chance, seconds, harmed = random.Random(7), how_long(naive_push, models, served.with_name("naive-timed")), 0
    wanted = publication.content_sha256(models[0])
    for number in range(kills):
        served.mkdir()
        interrupted(naive_push, (models[0], served, str(number)), chance.uniform(0, 1.2 * seconds))
        harmed += any(publication.content_sha256(path) != wanted for path in served.iterdir())
        shutil.rmtree(served)
    return f"{harmed} of {kills} left part of a version in its place"


@dataclasses.dataclass
class Asked:
    """What a client heard: (version, y) of each answer, and errors."""

    answers: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def asking(address: str) -> Iterator[Asked]:
    """A client that asks for x = 1, so many times a second, while the block lasts."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(inputs={"x": tf.make_tensor_proto([1.0])})
    request.model_spec.name = MODEL
    asked, done = Asked(), threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(address) as channel:
            predict = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                request_serializer=predict_pb2.PredictRequest.SerializeToString,
                response_deserializer=predict_pb2.PredictResponse.FromString,
            )
            started = time.perf_counter()
            for number in itertools.count(1):
                if done.wait(max(0.0, started + number / PER_SECOND - time.perf_counter())):
                    return
                try:
                    answer = predict(request, timeout=10)
                    asked.answers.append((answer.model_spec.version.value, float(tf.make_ndarray(answer.outputs["y"])[0])))
                except grpc.RpcError as error:
                    asked.errors.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield asked
    finally:
        done.set()
        thread.join()


def at_once(model: Path, folder: Path, count: int) -> Row:
    """The row on pushes at once: processes that all wait for one signal."""
    served = folder / "at-once" / MODEL
    made = context()
    go, answers = made.Event(), made.SimpleQueue()
    processes = [made.Process(target=push_when, args=(go, model, served, str(number), answers)) for number in range(count)]
    for process in processes:
        process.start()
    started = time.perf_counter()
    go.set()
    told = [answers.get() for _ in processes]
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    numbers = [answer for answer in told if isinstance(answer, int)]
    lost = len(numbers) - len(set(numbers) & set(publication.versions(served)))
    broken = sum(not is_whole(served / str(version), version) for version in publication.versions(served))
    found = f"{len(set(numbers))} versions, {count - len(numbers)} refusals, {seconds:.1f} s"
    return Row("pushes of other processes at one time", count, lost + broken, naive_at_once(model, folder / "by-second", count), found)


def push_when(go: Any, model: Path, serving_dir: Path, uri: str, answers: SimpleQueue[Any]) -> None:
    """A push that waits for the signal."""
    go.wait()
    push(model, serving_dir, uri, answers)


def naive_at_once(model: Path, served: Path, count: int) -> str:
    """How many of as many pushes are lost where a version is named by the second, and one that is there is not copied again."""
    served.mkdir()
    for _ in range(count):
        place = served / str(int(time.time()))
        if not place.exists():
            shutil.copytree(model, place)
    return f"{count - len(list(served.iterdir()))} of {count} lost, and reported as pushed"


def without_room(model: Path, folder: Path) -> list[Row]:
    """The rows on a disk that is full, and on one that is read-only."""
    with small_disk(folder / "disk", int(1.5 * BALLAST)) as there:
        if not there:
            return [Row("a push on a full and on a read-only disk", 0, 0, found=NO_DISK)]
        served = folder / "disk" / MODEL
        push(model, served, "first")
        full = refused_and_resumed(model, served, "No space left on device", lambda: shutil.rmtree(served / "1"))
        naive = naive_on_full(model, folder / "disk/naive")
        subprocess.run(["mount", "-o", "remount,ro", str(folder / "disk")], check=True)
        read_only = refused_and_resumed(model, served, "Read-only file system", lambda: make_room(folder / "disk", served))
    return [
        Row("a push on a full disk", 1, full, naive, "one line, nothing left, the next push came through"),
        Row("a push on a read-only disk", 1, read_only, "", "one line, nothing changed, the next push came through"),
    ]


def refused_and_resumed(model: Path, served: Path, cause: str, mend: Callable[[], object]) -> int:
    """1 if a push that can't succeed does harm, or the one after things are mended does not come through; else 0."""
    before = sorted(path.name for path in served.iterdir())
    try:
        publication.publish(model, served, "second", {}, lambda extras: None)
    except publication.PushFailed as error:
        told = cause in str(error) and "\n" not in str(error)
    else:
        told = False
    unchanged = sorted(path.name for path in served.iterdir()) == before
    mend()
    after = publication.publish(model, served, "third", {}, lambda extras: None)
    return 0 if told and unchanged and after.new and is_whole(after.path, after.version) else 1


def make_room(disk: Path, served: Path) -> None:
    """The disk can be written again, and has room for one more."""
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    for version in publication.versions(served):
        shutil.rmtree(served / str(version))


def naive_on_full(model: Path, served: Path) -> str:
    """What a push that copies into place leaves on a disk that is full."""
    served.mkdir()
    with contextlib.suppress(OSError, shutil.Error):
        naive_push(model, served, "")
    left = sum(file.stat().st_size for file in served.rglob("*") if file.is_file())
    shutil.rmtree(served)
    return f"left {left / publication_size(model):.0%} of a version in its place"


def publication_size(model: Path) -> int:
    """Bytes of a model's files."""
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
