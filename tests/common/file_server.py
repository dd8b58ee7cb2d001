"""A server of files on loopback, for tests of downloads."""

import http.server
import threading

CONTENT = {"a-part.gz": bytes(range(256)) * 4000, "b-part.gz": b"small"}


class Server:
    """Serves bytes by path, and counts what was asked for. A path in `extra` claims so many bytes more than it sends."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.extra: dict[str, int] = {}
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                server.asked.append(name)
                if name not in server.files:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.files[name]) + server.extra.get(name, 0)))
                self.end_headers()
                self.wfile.write(server.files[name])

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self) -> None:
        """Closes the port; a second call does nothing."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def no_bar(_file: str, _received: int, _expected: int) -> None:
    """Shows nothing."""
