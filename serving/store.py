"""The models that are served: watches the folders, or follows a configuration. Imports TensorFlow."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from google.protobuf.message import Message
from tensorflow_serving.config import model_server_config_pb2

from serving.batching import Batching
from serving.configuration import NAME, Settings, of_folder, settings_of
from serving.errors import RequestError, ServingError, invalid
from serving.metrics import Metrics
from serving.model import Model, VersionState
from serving.request_log import Logging, RequestLog
from serving.servable import Servable

log = logging.getLogger(__name__)


class ModelStore:
    """The models of a folder, or those of a configuration that lie in it, kept up to date by a thread.

    Attributes:
        metrics: of the requests to them.
    """

    def __init__(
        self,
        base: Path,
        names: Sequence[str] | None,
        max_bytes: int,
        batching: Batching | None = None,
        trusted: Sequence[Path] | None = None,
        request_log: Logging | None = None,
    ) -> None:
        """
        Args:
            base: folder with a folder per model.
            names: models to serve; None for all there are, and those added later.
            max_bytes: at most how large an input tensor may be.
            batching: how requests that come at the same time are put together; None for not at all.
            trusted: files of public keys, one of which a version must be signed by; None to serve whatever is there.
            request_log: which answered requests are logged, and where; None for none.

        Raises:
            ServingError: there is no such folder, a name is not one of a model, or requests can't be logged.
        """
        for name in names or ():
            if not NAME.fullmatch(name):
                raise ServingError(f"expected a model name of letters, digits, '_', '-' and '.', received {name!r}.")
        if not base.is_dir():
            raise ServingError(f"expected a folder with a folder per model, found none at {base}. Push a model first: darsena run MODEL.")
        self.metrics = Metrics()
        self._log = RequestLog(request_log, self.metrics) if request_log else None
        self._base = base
        self._names = names
        self._configured: dict[str, Settings] | None = None
        self._max_bytes = max_bytes
        self._batching = batching
        self._trusted = trusted
        self._models: dict[str, Model] = {}
        self._scanning = threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def scan(self) -> None:
        """Looks at the folders once, and loads or unloads what they ask for; returns when that is done."""
        with self._scanning:
            self._scan()

    def configure(self, config: model_server_config_pb2.ModelServerConfig) -> None:
        """Serves what a configuration says from now on, and nothing else; returns when that is served.

        Args:
            config: from a file or an untrusted request.

        Raises:
            RequestError: it is wrong, or a model or a version with a label cannot be served; then all stays as it was.
        """
        settings = settings_of(config, self._base)
        with self._scanning:
            before = self._configured
            self._configured = settings
            self._scan()
            try:
                self._check(settings)
            except RequestError:
                self._configured = before
                self._scan()
                raise

    def _scan(self) -> None:
        """See scan; the caller holds the lock."""
        settings = self._configured if self._configured is not None else self._by_folders()
        for name, model in self._models.items():
            if name not in settings:
                model.unload(set(model.served))
        for name, asked in settings.items():
            model = self._models.setdefault(name, Model(name, asked, self._max_bytes, self._batching, self._trusted))
            model.settings = asked
            try:
                model.scan()
            except OSError as error:  # of one model's folder: it keeps what it serves, and the others are looked at
                log.warning("cannot look for new versions of %s: %s", name, error)

    def _by_folders(self) -> dict[str, Settings]:
        """What the folders ask for; a model that was served stays where it was, even if its folder is gone."""
        names = self._names if self._names is not None else sorted({*_model_names(self._base), *self._models})
        found = {}
        for name in names:
            try:
                found[name] = of_folder(self._base / name)
            except (OSError, ValueError) as error:
                log.warning("cannot read the labels of %s: %s", name, error)
                found[name] = self._models[name].settings if name in self._models else Settings(self._base / name)
        return found

    def _check(self, settings: Mapping[str, Settings]) -> None:
        """Raises RequestError if a model, or a version with a label, is not served."""
        for name, asked in settings.items():
            served = self._models[name].served
            if not served:
                failed = "; ".join(state.error for state in self._models[name].states.values() if state.error)
                raise RequestError("NOT_FOUND", f"no version of {name} under {asked.folder} could be served. {failed}".strip())
            for label, version in asked.labels.items():
                if version not in served:
                    raise RequestError(
                        "FAILED_PRECONDITION",
                        f"Request to assign label {label} to version {version} of model {name}, "
                        "which is not currently available for inference",
                    )

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
                self._collect()  # not at once: the first requests to a new version shall not wait for it
                try:
                    self.scan()
                except OSError as error:  # say, the folder is on a disk that is gone for now
                    log.warning("cannot look for models under %s: %s", self._base, error)

        self._watcher = threading.Thread(target=loop, name="version-watcher", daemon=True)
        self._watcher.start()

    def _collect(self) -> None:
        """Frees the memory of versions that were let go."""
        models = [model for model in self._models.values() if model.garbage]
        if models:
            gc.collect()
        for model in models:
            model.garbage = False

    def note(self, servable: Servable, request: Callable[[], Message]) -> None:
        """Has a request that a version answered logged, where requests are; the message is made only if it is wanted."""
        if self._log is not None:
            self._log.note(servable.model, servable.version, request)

    def close(self) -> None:
        """Stops the watching thread, and the log of requests."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()
        if self._log is not None:
            self._log.close()

    @property
    def known(self) -> list[str]:
        """Names of models that are served, or were."""
        return list(self._models)

    def served(self) -> dict[str, int]:
        """The models that answer now, and their versions."""
        current = {name: model.current for name, model in dict(self._models).items()}
        return {name: servable.version for name, servable in sorted(current.items()) if servable is not None}

    def find(self, name: str, version: int | None = None, label: str = "") -> Servable:
        """What answers a request, as TF Serving finds it.

        Args:
            name: of the model.
            version: a version asked for; None for the latest.
            label: a version label asked for; empty for none.

        Raises:
            RequestError: that model or version is not served; worded as TF Serving does.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        model = self._models.get(name)
        servable = model.find(version, label) if model else None
        if model is None or servable is None:
            wanted = f"Latest({name})" if version is None and not label else f"Specific({name}, {label or version})"
            numbers = ", ".join(map(str, sorted(model.served))) if model else ""
            served = f"Served: version {numbers}." if numbers else f"Models served: {', '.join(self.served()) or 'none'}."
            raise RequestError("NOT_FOUND", f"Servable not found for request: {wanted}. {served}")
        return servable

    def states(self, name: str, version: int | None = None, label: str = "") -> dict[int, VersionState]:
        """States of a model's versions, newest first, or of one of them, by its number or label.

        Raises:
            RequestError: nothing is known of them; worded as TF Serving does.
        """
        if not name:
            raise invalid("Missing model name in request.")
        model = self._models.get(name)
        if model and label:
            model.find(None, label)
            version = model.settings.labels[label]
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
