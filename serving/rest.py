"""The HTTP server of TF Serving's RESTful API: connections, bodies and their limits."""

from __future__ import annotations

import http
import http.server
import json
import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any

from serving import metrics, rest_api
from serving.errors import RequestError, invalid
from serving.store import ModelStore

log = logging.getLogger(__name__)

JSON = "application/json"
IDLE_SECONDS = 60.0
LINGER_SECONDS = 2.0
MAX_CONNECTIONS = 256


class TooLarge(RequestError):
    """A body over the limit."""

    http_status = http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, length: int, limit: int) -> None:
        super().__init__("RESOURCE_EXHAUSTED", f"expected a body of at most {limit} bytes, received {length}: send fewer rows at a time")


class RestServer(http.server.ThreadingHTTPServer):
    """A thread per connection, at most MAX_CONNECTIONS of them; HTTP/1.1, so that a client can keep its connection."""

    daemon_threads = False  # `server_close` waits for the answers under way
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: ModelStore, max_body_bytes: int) -> None:
        """
        Args:
            address: host and port to listen on.
            store: the models.
            max_body_bytes: at most how large a request's body may be.

        Raises:
            OSError: the port is taken.
        """
        self.store = store
        self.max_body_bytes = max_body_bytes
        self._connections: set[socket.socket] = set()
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._changing = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without the base class's look-up of the host's full name, which may wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts the connection's thread, or closes the connection where there are too many."""
        if not self._places.acquire(blocking=False):
            log.warning("over %d connections: one was closed unanswered", MAX_CONNECTIONS)
            self.shutdown_request(request)
            return
        with self._changing:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers on the connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changing:
                self._connections.discard(request)
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs what ended a connection; a client that went away is nothing to report."""
        level = logging.DEBUG if isinstance(sys.exception(), ConnectionError) else logging.ERROR
        log.log(level, "a REST connection ended", exc_info=True)

    def stop(self) -> None:
        """Takes no further requests, answers those under way, and closes all connections."""
        self.shutdown()
        with self._changing:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RD)  # its thread sees the end after the answer it is at
                except OSError:
                    log.debug("a connection was closed by its client meanwhile")
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: RestServer
    protocol_version = "HTTP/1.1"
    server_version = "darsena"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == metrics.PATH:
            self._answer(lambda path, body: self.server.store.metrics.exposition(), "text/plain; version=1.0.0; charset=utf-8")
        else:
            self._answer(lambda path, body: rest_api.get(self.server.store, path))

    def do_POST(self) -> None:
        self._answer(lambda path, body: rest_api.post(self.server.store, path, body))

    def _answer(self, make: Callable[[str, bytes], str], content_type: str = JSON) -> None:
        """Sends what `make` gives for the path and the body, or its refusal."""
        try:
            body = self._body()  # of a GET too: it must not be taken for the next request
            text = make(self.path.partition("?")[0], body)
        except RequestError as error:
            self._send(error.http_status, json.dumps({"error": str(error)}))
        else:
            self._send(http.HTTPStatus.OK, text, content_type)

    def _body(self) -> bytes:
        """The request's body. After a failure to read it the connection is closed: where the next request starts is not known.

        Raises:
            RequestError: it is too large, cut short, or of unknown length.
        """
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,18}", length):
            self.close_connection = True
            raise invalid("expected a Content-Length in bytes and no Transfer-Encoding")
        if int(length) > self.server.max_body_bytes:
            self.close_connection = True
            raise TooLarge(int(length), self.server.max_body_bytes)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            raise invalid(f"expected a body of {length} bytes, received {len(body)}")
        return body

    def _send(self, status: http.HTTPStatus, text: str, content_type: str = JSON) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.close_connection:
            self._linger()

    def _linger(self) -> None:
        """Reads on for a moment before closing: a connection closed with unread input is reset, and its client never sees the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(LINGER_SECONDS)
        try:
            while self.connection.recv(1 << 16):
                pass
        except TimeoutError:
            log.debug("a client neither closed its connection nor sent on")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses (other methods, malformed requests), as JSON like every other answer."""
        self.close_connection = True
        self._send(http.HTTPStatus(code), json.dumps({"error": message or http.HTTPStatus(code).phrase}))

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %r", self.address_string(), format % args)
