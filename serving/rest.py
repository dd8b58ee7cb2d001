"""The HTTP server of TF Serving's RESTful API: connections, bodies and their limits. Imports TensorFlow."""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import os
import threading
import zlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent import futures
from typing import Any

from aiohttp import http_exceptions, web
from google.protobuf import message

from serving import metrics, rest_api
from serving.draining import hush
from serving.errors import RequestError, invalid
from serving.store import ModelStore

IDLE_SECONDS = 60.0
LINGER_SECONDS = 2.0  # for what is still sent of a body that is refused: an early end of the connection would hide the answer
LAST_CALL_SECONDS = 1.0  # in which clients ask once more on connections that they keep, and are told that these end
ACCEPT_TURNS = 5  # of the loop, more than it needs from a connection that it takes to the first look at it
MAX_REQUESTS = 256  # under way at a time: each may hold a body in memory
IDENTITY = "identity"
PACKED = {"gzip": 31, "deflate": 15}  # the windows of zlib that tell its formats apart
UNPACK_BYTES = 1 << 18  # at a time: a bomb in one piece would hold up all threads while Python copies it
NOISY = ("aiohttp.server", "grpc._common")  # these log a traceback of each request that they cannot read


class RestServer:
    """One thread for all connections, and workers that answer; HTTP/1.1, so that a client can keep its connection.

    Attributes:
        port: that it listens on, once started.
    """

    def __init__(self, store: ModelStore, max_body_bytes: int, workers: futures.Executor, grace_seconds: float) -> None:
        """
        Args:
            store: the models.
            max_body_bytes: at most how large a request's body may be, unpacked where it comes packed.
            workers: read requests and ask the models.
            grace_seconds: for the answers under way when it stops.
        """
        self.port = 0
        self._store = store
        self._workers = workers
        self._under_way = 0
        self._stopping = False
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)
        application = web.Application(client_max_size=max_body_bytes, middlewares=[_as_json])
        application.on_response_prepare.append(self._tell_of_the_end)
        application.router.add_route("*", "/{path:(?s:.*)}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,  # it would unpack a bomb in the thread of the connections, and go on after it is refused
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            shutdown_timeout=grace_seconds,
        )
        for name in NOISY:
            logging.getLogger(name).addFilter(_without_traceback)

    def start(self, host: str, port: int) -> None:
        """Listens.

        Args:
            host: address to listen on.
            port: 0 for a free one.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        self._thread.start()
        try:
            self._run(self._listen(host, port))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Closes the port, answers what was asked before, and what comes on open connections in the next second, and closes these."""
        self._run(self._drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> None:
        """Does what belongs to the thread of the connections there, and waits for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self, host: str, port: int) -> None:
        await self._runner.setup()
        assert self._runner.server is not None  # it is set up
        self._listener = await self._loop.create_server(self._runner.server, host, port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _drain(self) -> None:
        """See stop. A connection that is closed while its client sends a request would lose that: so clients close them first."""
        self._stopping = True
        await self._stop_listening()
        end = self._loop.time() + LAST_CALL_SECONDS
        while self._runner.server and self._runner.server.connections and self._loop.time() < end:
            await asyncio.sleep(0.01)
        await self._runner.cleanup()

    async def _stop_listening(self) -> None:
        """Closes the port, and takes the connections that were made before and that nobody looked at yet: closing it would reset them."""
        if self._listener is None or self._runner.server is None:
            return
        listening = [found.dup() for found in self._listener.sockets]
        for found in self._listener.sockets:
            hush(found)
            self._loop.remove_reader(found)
        for _ in range(ACCEPT_TURNS):  # asyncio would forget what it took for a listener that is closed before it looked at that
            await asyncio.sleep(0)
        self._listener.close()
        for left in listening:
            with left, contextlib.suppress(OSError):  # there are no more, or this process may have no more
                while True:
                    connection, _ = left.accept()
                    await self._loop.connect_accepted_socket(self._runner.server, connection)

    async def _tell_of_the_end(self, request: web.Request, response: web.StreamResponse) -> None:
        if self._stopping:
            response.force_close()
            response.headers["Connection"] = "close"

    async def _answer(self, request: web.Request) -> web.Response:
        """What is at an address. Only predictions go to the workers, so that a busy model does not delay a look at the server."""
        path = request.raw_path.partition("?")[0]
        if request.method == "GET" and path == metrics.PATH:
            return web.Response(text=self._store.metrics.exposition(), charset="utf-8")
        if request.method == "GET":
            return _json(rest_api.get(self._store, path))
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "POST"])
        if self._under_way >= MAX_REQUESTS:
            raise RequestError("UNAVAILABLE", f"{MAX_REQUESTS} requests are under way: ask again later")
        self._under_way += 1
        try:
            body, encoding = await _body(request), request.headers.get("Content-Encoding", IDENTITY)
            text = await self._loop.run_in_executor(self._workers, self._post, path, body, encoding, request.client_max_size)
        finally:
            self._under_way -= 1
        return _json(text)

    def _post(self, path: str, body: bytes, encoding: str, most: int) -> str:
        """What a worker does for a POST."""
        return rest_api.post(self._store, path, unpacked(body, encoding.lower(), most))


async def _body(request: web.Request) -> bytes:
    """The body of a request.

    Raises:
        RequestError: it is cut short, or its client stopped sending or went away.
        HTTPRequestEntityTooLarge: it is too large.
    """
    length = request.content_length or 0
    if length > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, length)
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            return await request.read()
    except TimeoutError:
        raise RequestError("DEADLINE_EXCEEDED", f"expected the whole body within {IDLE_SECONDS:.0f} s") from None
    except (web.RequestPayloadError, ConnectionResetError) as error:
        raise invalid(f"expected a body of the length that its headers say, received another: {error}") from None


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """A body as it was before its client packed it.

    Args:
        body: as it came.
        encoding: IDENTITY, or one of PACKED.
        most: bytes that it may have.

    Raises:
        RequestError: it is not packed as it says.
        HTTPRequestEntityTooLarge: it is too large; no more than `most` is unpacked to find out.
    """
    if encoding == IDENTITY:
        return body
    if encoding not in PACKED:
        raise invalid(f"expected a Content-Encoding of {', '.join((IDENTITY, *PACKED))}, received {encoding[:40]}")
    unpacker, pieces, size = zlib.decompressobj(PACKED[encoding]), list[bytes](), 0
    try:
        for start in range(0, len(body), UNPACK_BYTES):
            left = body[start : start + UNPACK_BYTES]
            while left and not unpacker.eof:
                os.sched_yield()  # or who asks meanwhile waits for a slice of the scheduler's at each step: it doubles the late answers
                pieces.append(unpacker.decompress(left, UNPACK_BYTES))
                left = unpacker.unconsumed_tail
                size += len(pieces[-1])
                if size > most:
                    raise web.HTTPRequestEntityTooLarge(most, size)
        pieces.append(unpacker.flush())
    except zlib.error as error:
        raise invalid(f"expected a body packed by {encoding}, as its headers say, received another: {error}") from None
    if not unpacker.eof:
        raise invalid(f"expected a body packed by {encoding}, received one that is cut short")
    return b"".join(pieces)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Cuts what is logged of a client's mistake to a line, lest clients fill the disk; what is ours keeps its traceback."""
    if record.exc_info and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError | message.DecodeError):
        record.msg, record.args, record.exc_info = "refused: %s", (" ".join(str(record.exc_info[1]).split())[:200],), None
    return True


@web.middleware
async def _as_json(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Every refusal as TF Serving writes it, {"error": …}."""
    headers = {}
    try:
        return await handler(request)
    except RequestError as error:
        status, said = error.http_status, str(error)
    except web.HTTPMethodNotAllowed as error:
        status, said = http.HTTPStatus.METHOD_NOT_ALLOWED, f"expected a GET or a POST, received {error.method}"
        headers = {"Allow": error.headers["Allow"]}
    except web.HTTPRequestEntityTooLarge:
        status = http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        said = f"expected a body of at most {request.client_max_size} bytes, received more: send fewer rows at a time"
    return _json(json.dumps({"error": said}), status, headers)


def _json(text: str, status: int = http.HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=text.encode(), status=status, content_type="application/json", headers=headers)
