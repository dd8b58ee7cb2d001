"""Which versions are served: watches `<base>/<model>/<version>/` and loads the newest complete one of each model."""

from __future__ import annotations

import dataclasses
import gc
import logging
import re
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from serving.errors import RequestError, ServingError, invalid
from serving.servable import LOAD_ERRORS, Servable, code_name, one_line

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # in particular no separators, and no leading dot
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

    def __init__(self, name: str, folder: Path, max_bytes: int) -> None:
        """
        Args:
            name: of the model.
            folder: of its versions.
            max_bytes: at most how large an input tensor may be.
        """
        self.name = name
        self.current: Servable | None = None
        self.states: dict[int, VersionState] = {}
        self._folder = folder
        self._max_bytes = max_bytes
        self._failed: dict[int, Stamp] = {}

    def scan(self) -> None:
        """Serves the newest complete version that loads; unloads what is served only once another is, or when none is left.

        A version that failed is tried again when its files change, so that one copied slowly is served in the end.
        """
        complete = {int(path.name): (path, stamp) for path in _version_folders(self._folder) if (stamp := _stamp(path))}
        if not complete:
            self._replace(None)
            return
        for version in sorted(complete, reverse=True):
            path, stamp = complete[version]
            if self.current is not None and version == self.current.version:
                return
            if self._failed.get(version) != stamp and (loaded := self._load(version, path, stamp)):
                self._replace(loaded)
                return

    def _load(self, version: int, path: Path, stamp: Stamp) -> Servable | None:
        """The version, or None if it cannot be loaded; either is recorded."""
        self.states[version] = VersionState("LOADING")
        try:
            loaded = Servable(self.name, version, path, self._max_bytes)
            if _stamp(path) != stamp:
                raise OSError(f"{path} changed while it was loaded")
        except LOAD_ERRORS as error:
            code = code_name(error) if isinstance(error, tf.errors.OpError) else "UNKNOWN"
            message = one_line(f"{type(error).__name__}: {error}")
            log.error("%s version %d cannot be loaded: %s", self.name, version, message)
            self.states[version] = VersionState("END", code, message)
            self._failed[version] = stamp
            return None
        return loaded

    def _replace(self, new: Servable | None) -> None:
        """Serves `new` from now on. What was served goes when the last request that holds it is answered."""
        old, self.current = self.current, new
        if new is not None:
            self.states[new.version] = VersionState("AVAILABLE")
            log.info("%s version %d is served", self.name, new.version)
        if old is not None:
            log.info("%s version %d is unloaded", self.name, old.version)
            self.states[old.version] = VersionState("UNLOADING")
            weakref.finalize(old, self._freed, old.version)
            del old
            gc.collect()  # a SavedModel in memory is full of reference cycles, and may be large

    def _freed(self, version: int) -> None:
        if self.states[version].state == "UNLOADING":  # and not loaded again since
            self.states[version] = VersionState("END")


class ModelStore:
    """The models of a folder, kept up to date by a thread."""

    def __init__(self, base: Path, names: Sequence[str] | None, max_bytes: int) -> None:
        """
        Args:
            base: folder with a folder per model.
            names: models to serve; None for all there are, and those added later.
            max_bytes: at most how large an input tensor may be.

        Raises:
            ServingError: there is no such folder, or a name is not one of a model.
        """
        for name in names or ():
            if not NAME.fullmatch(name):
                raise ServingError(f"expected a model name of letters, digits, '_', '-' and '.', received {name!r}.")
        if not base.is_dir():
            raise ServingError(f"expected a folder with a folder per model, found none at {base}. Push a model first: darsena run MODEL.")
        self._base = base
        self._names = names
        self._max_bytes = max_bytes
        self._models: dict[str, Model] = {}
        self._scanning = threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def scan(self) -> None:
        """Looks at the folders once, and loads or unloads what they ask for; returns when that is done."""
        with self._scanning:
            names = self._names if self._names is not None else _model_names(self._base)
            for name in names:
                if name not in self._models:
                    self._models[name] = Model(name, self._base / name, self._max_bytes)
            for model in self._models.values():
                try:
                    model.scan()
                except OSError as error:  # of one model's folder: it keeps what it serves, and the others are looked at
                    log.warning("cannot look for new versions of %s: %s", model.name, error)

    def require(self) -> None:
        """Checks that every model asked for by name is served.

        Raises:
            ServingError: one is not; says what was found instead.
        """
        for name in self._names or ():
            if self._models[name].current is None:
                broken = [
                    f"version {version}, which is broken ({state.error})" for version, state in sorted(self._models[name].states.items())
                ]
                raise ServingError(
                    f"expected a complete version of {name} under {self._base / name}, found {' and '.join(broken) or 'none'}. "
                    f"Push one first: darsena run {name}."
                )

    def watch(self, seconds: float) -> None:
        """Starts the thread that scans every so many seconds, until `close`."""

        def loop() -> None:
            while not self._stop.wait(seconds):
                try:
                    self.scan()
                except OSError as error:  # say, the folder is on a disk that is gone for now
                    log.warning("cannot look for models under %s: %s", self._base, error)

        self._watcher = threading.Thread(target=loop, name="version-watcher", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stops the watching thread."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()

    def served(self) -> dict[str, int]:
        """The models that answer now, and their versions."""
        current = {name: model.current for name, model in dict(self._models).items()}
        return {name: servable.version for name, servable in sorted(current.items()) if servable is not None}

    def find(self, name: str, version: int | None = None, label: str = "") -> Servable:
        """What answers a request, as TF Serving finds it.

        Args:
            name: of the model.
            version: a version asked for; None for the latest.
            label: a version label asked for; there are none.

        Raises:
            RequestError: that model or version is not served; worded as TF Serving does.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        if label:
            raise invalid(f"Unrecognized servable version label: {label}. This server has no labels: ask for a version or the latest.")
        model = self._models.get(name)
        servable = model.current if model else None
        if servable is None or version not in (None, servable.version):
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            served = f"Served: version {servable.version}." if servable else f"Models served: {', '.join(self.served()) or 'none'}."
            raise RequestError("NOT_FOUND", f"Servable not found for request: {wanted}. {served}")
        return servable

    def states(self, name: str, version: int | None = None) -> dict[int, VersionState]:
        """States of a model's versions, newest first, or of one of them.

        Raises:
            RequestError: nothing is known of them; worded as TF Serving does.
        """
        if not name:
            raise invalid("Missing model name in request.")
        model = self._models.get(name)
        states = dict(model.states) if model else {}
        if version is not None:
            if version not in states:
                raise RequestError("NOT_FOUND", f"Could not find version {version} of model {name}")
            return {version: states[version]}
        if not states:
            raise RequestError("NOT_FOUND", f"Could not find any versions of model {name}")
        return dict(sorted(states.items(), reverse=True))


def _model_names(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir() if NAME.fullmatch(path.name) and path.is_dir())


def _version_folders(folder: Path) -> list[Path]:
    """Folders with a number for a name: whatever is staged under another name is not looked at."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if VERSION.fullmatch(path.name) and path.is_dir()]


def _stamp(version: Path) -> Stamp | None:
    """Names, sizes and times of a SavedModel's files; None while it is incomplete."""
    try:
        files = [version / "saved_model.pb", *sorted((version / "variables").iterdir())]
        stamp = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    names = {name for name, _, _ in stamp}
    shards = {int(found[1]) for name in names if (found := re.fullmatch(r"variables\.data-\d{5}-of-(\d{5})", name))}
    wanted = {f"variables.data-{shard:05d}-of-{count:05d}" for count in shards for shard in range(count)}
    return stamp if shards and {"variables.index", *wanted} <= names else None
