"""A small server of a page's folder, for trying it out: on loopback, read-only, with the types that browsers ask for."""

from __future__ import annotations

import functools
import http.server
import urllib.parse
from pathlib import Path
from typing import Any

from pipelines.common.errors import DarsenaError

LOOPBACK = "127.0.0.1"


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder by GET and HEAD; no listings, no hidden files, nothing that a link leads out to."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "darsena", ""
    extensions_map = {  # noqa: RUF012 (as in the class above)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".tflite": "application/octet-stream",
        ".svg": "image/svg+xml",
        ".css": "text/css",
    }

    def end_headers(self) -> None:
        """Adds headers that every answer has: a page written anew is seen at once, and no type is guessed."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        """The file of a request, or one that is not there where a link leads out of the folder."""
        found = Path(super().translate_path(path))
        inside = found.resolve().is_relative_to(Path(self.directory).resolve())
        hidden = any(part.startswith(".") for part in urllib.parse.unquote(path).split("/"))
        return str(found if inside and not hidden else Path(self.directory) / ".none") + ("/" if path.endswith("/") else "")

    def list_directory(self, path: Any) -> None:
        """Refuses to list a folder."""
        self.send_error(http.HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is the user's."""


def page_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server of the folder that listens on loopback, ready for `serve_forever`.

    Args:
        folder: of a page.
        port: 0 takes a free one (`server_port`).

    Raises:
        DarsenaError: the port is taken.
    """
    try:
        return http.server.ThreadingHTTPServer((LOOPBACK, port), functools.partial(PageHandler, directory=str(folder)))
    except OSError as error:
        raise DarsenaError(
            f"expected port {port} to be free, received: {error.strerror}. Choose another --port (0 takes a free one)."
        ) from error
