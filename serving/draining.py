"""How the gRPC server ends without losing a request.

gRPC drops what is on its way when a server shuts down: clients learn that a connection ends (HTTP/2's GOAWAY) only after the server has
begun to cancel what comes. So connections live for two seconds, at the end of which gRPC itself moves a client to a new one without a
loss; a server that goes closes its port, waits until the connections that are left have ended, and only then shuts down.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import time

import grpc
import psutil

from serving.metrics import Metrics

CONNECTION_SECONDS = 2.0
LONGEST_SECONDS = 1.2 * CONNECTION_SECONDS  # gRPC adds or takes up to a tenth, lest all clients come anew at once
QUIET_SECONDS = 0.25  # clients that ask less often than that are not waited for
TAKEN_SECONDS = 0.05  # in which gRPC takes the connections that were made
SO_ATTACH_FILTER = 26  # which Python has no names for
RETURN = 0x06  # BPF_RET | BPF_K: returns how many bytes of a packet are let in
OPTIONS = [("grpc.max_connection_age_ms", int(1000 * CONNECTION_SECONDS))]


def hush(listening: socket.socket) -> None:
    """Lets a socket that listens hear of no further connections, while those that were made can still be taken.

    Closing it resets whoever came since the last one was taken: milliseconds, where Python's threads are busy. Whoever comes to
    one that hears nothing tries again after a second, and is refused once it is closed. (Linux: a filter that lets no packet in; where
    the system has none, those milliseconds stay.)
    """
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", RETURN, 0, 0, 0))
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(nothing)))


def close_port(port: int) -> None:
    """Has the port take no further connections; those that there are stay.

    gRPC has no call for it, so this goes by the system: a socket that listens is shut for all who hold it.

    Args:
        port: that this process listens on.
    """
    for connection in psutil.Process().net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            with socket.socket(fileno=os.dup(connection.fd)) as listening:
                hush(listening)
                time.sleep(TAKEN_SECONDS)
                listening.shutdown(socket.SHUT_RD)


def stop(server: grpc.Server, metrics: Metrics, closed: float, grace_seconds: float) -> None:
    """Waits until clients have gone, and shuts down.

    Args:
        server: whose port is closed.
        metrics: that count its requests.
        closed: when that was, of `time.monotonic`.
        grace_seconds: for the answers under way.
    """
    metrics.wait_for_quiet(QUIET_SECONDS, closed + LONGEST_SECONDS - time.monotonic())
    server.stop(grace_seconds).wait()
