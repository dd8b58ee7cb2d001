"""`ModelServer`: what is under a folder of pushed models, over the TF Serving API.

Importing this module is quick; TensorFlow is imported by `ModelServer.start`.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import threading
import time
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.errors import RequestError, ServingError

if TYPE_CHECKING:
    import grpc

    from serving.batching import Batching
    from serving.request_log import Logging
    from serving.rest import RestServer
    from serving.store import ModelStore

GRPC_PORT = 8500
REST_PORT = 8501
MAX_REQUEST_BYTES = 64 * 2**20
GRACE_SECONDS = 5.0
WORKERS_PER_CORE = 2


class ModelServer:
    """Serves the newest complete version of each model, over gRPC and REST, until stopped; a context manager.

    Example:
        with ModelServer(root / "serving", grpc_port=0, rest_port=0) as server:
            client = GrpcClient(f"127.0.0.1:{server.grpc_port}")

    Attributes:
        host: address that it listens on.
        grpc_port: port of the gRPC services; after `start` the real one where 0 was asked for.
        rest_port: port of the REST API, likewise.
    """

    def __init__(
        self,
        base_dir: Path,
        models: Sequence[str] | None = None,
        host: str = "127.0.0.1",
        grpc_port: int = GRPC_PORT,
        rest_port: int = REST_PORT,
        poll_seconds: float = 1.0,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        config: Path | None = None,
        batching: Batching | None = None,
        trusted: Sequence[Path] | None = None,
        request_log: Logging | None = None,
    ) -> None:
        """
        Args:
            base_dir: holds `<model>/<version>/`.
            models: what to serve; None for all models there are, and those that come later.
            host: address to listen on.
            grpc_port: for the gRPC services; 0 for a free one.
            rest_port: for the REST API; 0 for a free one.
            poll_seconds: how often to look for new versions.
            max_request_bytes: at most how large a request, and each tensor in it, may be.
            config: a ModelServerConfig as text (models.config) of models under `base_dir`, instead of what its folders hold.
            batching: how requests that come at the same time are put together; None for not at all.
            trusted: files of public keys: a version that none of them signed, or that was changed since, is not served. None to
                serve whatever is there.
            request_log: which answered requests are logged, and where; None for none.
        """
        self.host = host
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self._base_dir = base_dir
        self._models = models
        self._poll_seconds = poll_seconds
        self._max_request_bytes = max_request_bytes
        self._config = config
        self._batching = batching
        self._request_log = request_log
        self._trusted = trusted
        self._stopped = threading.Event()
        self._store: ModelStore | None = None
        self._running = contextlib.ExitStack()  # undoes what `start` did, last first

    def start(self) -> None:
        """Loads the models and listens; returns once both ports answer.

        Raises:
            ServingError: there is no such folder, a model asked for has no version that loads, a port is taken, or requests can't be
                logged.
        """
        from serving.store import ModelStore

        with contextlib.ExitStack() as undo:
            # What is imported stays: without it a collection, as when a version is let go, takes 2 ms rather than 170.
            gc.collect()
            gc.freeze()
            undo.callback(gc.unfreeze)
            self._store = ModelStore(
                self._base_dir, self._models, self._max_request_bytes, self._batching, self._trusted, self._request_log
            )
            undo.callback(self._store.close)
            self._first_scan(self._store)
            grpc_server = self._grpc_server(self._store, undo.enter_context(self._workers("grpc")))
            undo.callback(lambda: grpc_server.stop(None).wait())
            rest_server = self._rest_server(self._store, undo.enter_context(self._workers("rest")))
            undo.callback(self._end, grpc_server, rest_server, self._store)
            grpc_server.start()
            self._store.watch(self._poll_seconds)
            self._running = undo.pop_all()

    def _end(self, grpc_server: grpc.Server, rest_server: RestServer, store: ModelStore) -> None:
        """Tells probes to ask elsewhere, closes both ports, and answers what comes on connections that there are until these end."""
        from serving import draining

        self._health.enter_graceful_shutdown()
        draining.close_port(self.grpc_port)
        closed = time.monotonic()
        rest_server.stop()
        draining.stop(grpc_server, store.metrics, closed, GRACE_SECONDS)

    def _first_scan(self, store: ModelStore) -> None:
        """Loads what is to be served; raises ServingError if it cannot be."""
        from serving import configuration

        if self._config is None:
            store.scan()
            store.require()
            return
        try:
            store.configure(configuration.read(self._config))
        except RequestError as error:
            raise ServingError(f"{self._config}: {error}") from error

    def scan(self) -> None:
        """Looks for new versions now, rather than at the next poll; returns when they are served."""
        if self._store is None:
            raise ServingError("expected a server that was started: call start() first.")
        self._store.scan()

    def served(self) -> dict[str, int]:
        """The models that answer now, and their versions."""
        return self._store.served() if self._store is not None else {}

    def wait(self) -> None:
        """Blocks until `stop` is called from another thread."""
        self._stopped.wait()

    def stop(self) -> None:
        """Takes no further connections, answers what comes on those that there are, up to a few seconds, and frees ports and threads.

        No request is lost that was sent before the ports were closed. Does nothing the second time.
        """
        self._running.close()
        self._stopped.set()

    def __enter__(self) -> ModelServer:
        self.start()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.stop()

    def _grpc_server(self, store: ModelStore, workers: futures.Executor) -> grpc.Server:
        import grpc

        from serving import draining, grpc_services

        options = [
            *draining.OPTIONS,
            ("grpc.max_receive_message_length", self._max_request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or two servers would share the port in silence
        ]
        server = grpc.server(workers, options=options)
        self._health = grpc_services.register(server, store)
        try:
            self.grpc_port = server.add_insecure_port(_address(self.host, self.grpc_port))
        except RuntimeError as error:
            raise _cannot_listen("gRPC", self.host, self.grpc_port, error) from error
        return server

    def _rest_server(self, store: ModelStore, workers: futures.Executor) -> RestServer:
        """A started one."""
        from serving.rest import RestServer

        server = RestServer(store, self._max_request_bytes, workers, GRACE_SECONDS)
        try:
            server.start(self.host, self.rest_port)
        except OSError as error:
            raise _cannot_listen("REST", self.host, self.rest_port, error) from error
        self.rest_port = server.port
        return server

    def _workers(self, name: str) -> futures.ThreadPoolExecutor:
        """Threads that answer requests: more than cores, lest a slow model keep others waiting, and as many as a batch may hold."""
        fewest = self._batching.max_batch_size if self._batching else 1
        return futures.ThreadPoolExecutor(max(fewest, WORKERS_PER_CORE * (os.cpu_count() or 1)), thread_name_prefix=name)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cannot_listen(protocol: str, host: str, port: int, error: Exception) -> ServingError:
    if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, None):
        reason = error.strerror or str(error)
    else:
        reason = "the port is in use or the address is not this machine's"
    return ServingError(
        f"cannot listen for {protocol} on {_address(host, port)}: {reason}. "
        f"Stop what uses it, or choose another port (--{protocol.lower()}-port; 0 takes a free one)."
    )
