"""Which versions have which labels (`stable`, `canary`), and what they had before.

One file, `<root>/serving/<model>/labels.json`, holds the labels that a server reads and every change ever made: it is replaced as a
whole, so that a label never moves unrecorded.

    {"labels": {"stable": 3},
     "history": [{"time": "…", "label": "stable", "version": 3, "before": 2, "how": "promote", "forced": false, "reason": ""}, …]}
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError, ExitCode, UsageError
from pipelines.common.layout import lineage_path, serving_dir, versions

FILE = "labels.json"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
PROMOTE, ROLLBACK = "promote", "rollback"


class NotBlessed(DarsenaError):
    """A version that no pipeline blessed."""

    exit_code = ExitCode.NOT_BLESSED


@dataclasses.dataclass(frozen=True)
class Change:
    """A label's way from one version to another.

    Attributes:
        time: of the change, UTC, ISO 8601.
        label: its name.
        version: that has it from then on.
        before: that had it; None if none did.
        how: PROMOTE or ROLLBACK.
        forced: whether the version is not known to be blessed.
        reason: given by whoever changed it.
    """

    time: str
    label: str
    version: int
    before: int | None
    how: str
    forced: bool = False
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labels of a model now, and all changes, oldest first."""

    labels: dict[str, int]
    history: tuple[Change, ...]


def read(root: Path, model: str) -> Labels:
    """The labels of a model.

    Raises:
        DarsenaError: the file is damaged.
    """
    path = serving_dir(root, model) / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Labels(dict(found["labels"]), tuple(Change(**change) for change in found["history"]))
    except FileNotFoundError:
        return Labels({}, ())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DarsenaError(
            f"expected the labels of {model} in {path}, could not read them ({type(error).__name__}: {error}). "
            "Restore the file, or delete it to begin without labels."
        ) from error


def promote(root: Path, model: str, label: str, version: int | None, reason: str, force: bool) -> Change:
    """Gives a label to a version.

    Args:
        root: of the runs.
        model: its name.
        label: to give.
        version: that gets it; None for the latest.
        reason: to record.
        force: whether a version that no pipeline blessed may have it.

    Raises:
        UsageError: the label is none, there is no such version, or `force` comes without a reason.
        NotBlessed: no pipeline blessed the version.
    """
    if not NAME.fullmatch(label):
        raise UsageError(f"expected a label of letters, digits, '_', '-' and '.', such as stable, received {label!r}.")
    if force and not reason.strip():
        raise UsageError("expected a reason with --force, received none: it is recorded. Add --reason TEXT.")
    chosen = chosen_version(root, model, version)
    blessed = is_blessed(root, model, chosen)
    if not blessed and not force:
        raise NotBlessed(
            f"expected a version that a pipeline blessed, received version {chosen} of {model}, which has no record of that. "
            "Promote another one, or this one with --force --reason TEXT."
        )
    with changing(root, model):
        found = read(root, model)
        return record(root, model, found, Change(now(), label, chosen, found.labels.get(label), PROMOTE, not blessed, reason))


def chosen_version(root: Path, model: str, version: int | None, label: str = "") -> int:
    """The number of a pushed version: the one given, that with the label, or the latest.

    Raises:
        UsageError: there is no such version or label, or both were given.
    """
    folder, there = serving_dir(root, model), versions(root, model)
    if not there:
        raise UsageError(f"expected a pushed version of {model} under {folder}, found none. Make one with: darsena run {model}")
    if label:
        if version is not None:
            raise UsageError("expected either --version or --label, received both.")
        labels = read(root, model).labels
        if label not in labels:
            raise UsageError(f"expected --label to be one of {model}'s labels ({', '.join(sorted(labels)) or 'none'}), received {label!r}.")
        version = labels[label]
    number = there[-1] if version is None else version
    if number not in there:
        raise UsageError(f"expected the version to be one of {', '.join(map(str, there))}, which are in {folder}, received {number}.")
    return number


def rollback(root: Path, model: str, label: str, reason: str) -> Change:
    """Gives a label back to the version that had it before; once more, to the one before that.

    Raises:
        UsageError: there is no such label, it has been on one version only, or the version before is gone.
    """
    with changing(root, model):
        found = read(root, model)
        held = versions_of(found.history, label)
        if not held:
            known = ", ".join(sorted(found.labels)) or "none"
            raise UsageError(f"expected --label to be one of {model}'s labels ({known}), received {label!r}.")
        if len(held) == 1:
            raise UsageError(f"expected an earlier version with the label {label}, it was on version {held[0]} only.")
        target = held[-2]
        if target not in versions(root, model):
            raise UsageError(f"expected version {target} of {model}, which had the label {label} before, it is gone. Promote another one.")
        return record(root, model, found, Change(now(), label, target, found.labels.get(label), ROLLBACK, False, reason))


def versions_of(history: Sequence[Change], label: str) -> list[int]:
    """Versions that a label was promoted to and not taken back from, oldest first; the last one has it."""
    held: list[int] = []
    for change in history:
        if change.label == label and change.how == ROLLBACK:
            held.pop()
        elif change.label == label and held[-1:] != [change.version]:
            held.append(change.version)
    return held


def is_blessed(root: Path, model: str, version: int) -> bool:
    """Whether a pipeline pushed the version, which it does with blessed ones only; a folder that someone copied there has no record."""
    try:
        found = json.loads(lineage_path(root, model, version).read_text(encoding="utf-8"))
        return bool(found["version"] == version)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def record(root: Path, model: str, found: Labels, change: Change) -> Change:
    """Writes a change; the caller holds the lock."""
    labels = {**found.labels, change.label: change.version}
    content: dict[str, Any] = {"labels": labels, "history": [dataclasses.asdict(each) for each in (*found.history, change)]}
    path = serving_dir(root, model) / FILE
    staged = path.with_name(f".{FILE}-{os.getpid()}")
    try:
        with staged.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise DarsenaError(f"expected to write {path}, received: {error.strerror or error}. Nothing was changed.") from error
    return change


@contextlib.contextmanager
def changing(root: Path, model: str) -> Iterator[None]:
    """Keeps others from changing the labels at the same time."""
    folder = serving_dir(root, model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{FILE}.lock").open("w")
    except OSError as error:
        raise DarsenaError(f"expected to write in {folder}, received: {error.strerror or error}. Nothing was changed.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def now() -> str:
    """The time, as records have it."""
    return datetime.datetime.now(datetime.UTC).isoformat()
