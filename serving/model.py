"""One model that is served: loads the versions that its settings ask for, and lets go of the others. Imports TensorFlow."""

from __future__ import annotations

import dataclasses
import logging
import re
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from serving.batching import Batching
from serving.configuration import Settings
from serving.errors import invalid
from serving.servable import LOAD_ERRORS, Servable, code_name, one_line
from serving.verification import SIGNATURE, verify

log = logging.getLogger(__name__)

VERSION = re.compile(r"[0-9]{1,18}")  # fits the int64 of the protos

Stamp = tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class VersionState:
    """What GetModelStatus says of a version.

    Attributes:
        state: LOADING, AVAILABLE, UNLOADING or END.
        error_code: "OK", or a gRPC status name where loading failed.
        error: one line, empty where nothing failed.
    """

    state: str
    error_code: str = "OK"
    error: str = ""


class Model:
    """The versions of one model. `scan` is called by one thread at a time; the rest is safe from any."""

    def __init__(
        self, name: str, settings: Settings, max_bytes: int, batching: Batching | None = None, trusted: Sequence[Path] | None = None
    ) -> None:
        """
        Args:
            name: of the model.
            settings: what of it is to be served; may be changed, for the next scan.
            max_bytes: at most how large an input tensor may be.
            batching: how requests that come at the same time are put together; None for not at all.
            trusted: files of public keys, one of which a version must be signed by; None to serve whatever is there.
        """
        self.name = name
        self.settings = settings
        self.served: Mapping[int, Servable] = {}  # replaced, never changed, so that any thread may read it
        self.states: dict[int, VersionState] = {}
        self.garbage = False  # whether a version was let go: a SavedModel is full of reference cycles, and may be large
        self._max_bytes = max_bytes
        self._batching = batching
        self._trusted = trusted
        self._failed: dict[int, Stamp] = {}

    @property
    def current(self) -> Servable | None:
        """The newest version that is served."""
        served = self.served
        return served[max(served)] if served else None

    def scan(self) -> None:
        """Serves the versions asked for that are complete and load; unloads others only once these are served, or none is left.

        Where the newest does not load, the next lower one counts as the newest. A version that failed is tried again when its files
        change, so that one copied slowly is served in the end.
        """
        settings = self.settings
        complete = {int(path.name): (path, stamp) for path in _version_folders(settings.folder) if (stamp := _stamp(path))}
        keep, newest = set(), 0
        for version in sorted(complete, reverse=True):
            path, stamp = complete[version]
            asked = version in settings.versions if settings.versions else not settings.latest or newest < settings.latest
            if not asked and version not in settings.labels.values():
                continue
            if version in self.served or (self._failed.get(version) != stamp and self._load(version, path, stamp)):
                keep.add(version)
                newest += asked
        if keep or not complete:
            self.unload(set(self.served) - keep)

    def find(self, version: int | None, label: str) -> Servable | None:
        """A version that is served, by its number or label, or the newest; None if it is not.

        Raises:
            RequestError: there is no such label; worded as TF Serving does.
        """
        if label:
            if label not in self.settings.labels:
                known = ", ".join(sorted(self.settings.labels)) or "none"
                raise invalid(f"Unrecognized servable version label: {label}. Labels of {self.name}: {known}.")
            version = self.settings.labels[label]
        return self.current if version is None else self.served.get(version)

    def _load(self, version: int, path: Path, stamp: Stamp) -> bool:
        """Loads a version and serves it; False if it cannot be loaded. Either is recorded."""
        self.states[version] = VersionState("LOADING")
        try:
            if self._trusted is not None:
                verify(path, self.name, version, self._trusted)
            loaded = Servable(self.name, version, path, self._max_bytes, self._batching)
            if _stamp(path) != stamp:
                raise OSError(f"{path} changed while it was loaded")
        except LOAD_ERRORS as error:
            code = code_name(error) if isinstance(error, tf.errors.OpError) else "UNKNOWN"
            message = one_line(f"{type(error).__name__}: {error}")
            log.error("%s version %d cannot be loaded: %s", self.name, version, message)
            self.states[version] = VersionState("END", code, message)
            self._failed[version] = stamp
            return False
        self.served = {**self.served, version: loaded}
        self.states[version] = VersionState("AVAILABLE")
        log.info("%s version %d is served", self.name, version)
        return True

    def unload(self, versions: set[int]) -> None:
        """Serves these no more. Each goes when the last request that holds it is answered."""
        for version in versions:
            old = self.served[version]
            self.served = {number: servable for number, servable in self.served.items() if number != version}
            log.info("%s version %d is unloaded", self.name, version)
            self.states[version] = VersionState("UNLOADING")
            weakref.finalize(old, self._freed, version)
            del old
            self.garbage = True

    def _freed(self, version: int) -> None:
        if self.states[version].state == "UNLOADING":  # and not loaded again since
            self.states[version] = VersionState("END")


def _version_folders(folder: Path) -> list[Path]:
    """Folders with a number for a name: whatever is staged under another name is not looked at."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if VERSION.fullmatch(path.name) and path.is_dir()]


def _stamp(version: Path) -> Stamp | None:
    """Names, sizes and times of a SavedModel's files, and of its signature if there is one; None while it is incomplete."""
    try:
        files = [version / "saved_model.pb", *sorted((version / "variables").iterdir())]
        files += [signature] if (signature := version / SIGNATURE).exists() else []
        stamp = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    names = {name for name, _, _ in stamp}
    shards = {int(found[1]) for name in names if (found := re.fullmatch(r"variables\.data-\d{5}-of-(\d{5})", name))}
    wanted = {f"variables.data-{shard:05d}-of-{count:05d}" for count in shards for shard in range(count)}
    return stamp if shards and {"variables.index", *wanted} <= names else None
