"""Clients that ask a server side by side, and what they saw.

The requests are bytes made beforehand and the answers are not read, so that as little as possible of what is measured is the
clients' own work: they share the machine with the server.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import grpc
import numpy as np

JSON = "Content-Type: application/json"
Ask = Callable[[], Awaitable[bytes]]


@dataclasses.dataclass(frozen=True)
class Speed:
    """What clients saw: requests per second, and the middle and the 99th percentile of their latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float


def speed(milliseconds: Sequence[float], seconds: float) -> Speed:
    """Of the latencies of all requests answered within so many seconds."""
    middle, late = np.percentile(milliseconds, [50, 99])
    return Speed(len(milliseconds) / seconds, float(middle), float(late))


class Target(Protocol):
    """One way to ask a server one thing."""

    async def connect(self) -> tuple[Ask, Callable[[], Awaitable[None]]]:
        """A client with a connection of its own: what asks once, and what closes the connection."""


@dataclasses.dataclass(frozen=True)
class Grpc:
    """A gRPC method.

    Attributes:
        address: host:port.
        method: /package.Service/Method.
        request: the serialized message.
    """

    address: str
    method: str
    request: bytes

    async def connect(self) -> tuple[Ask, Callable[[], Awaitable[None]]]:
        """See Target."""
        # Channels with equal arguments would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.aio.insecure_channel(self.address, options)
        call = channel.unary_unary(self.method)

        async def ask() -> bytes:
            return bytes(await call(self.request))

        return ask, channel.close


@dataclasses.dataclass(frozen=True)
class Rest:
    """A POST of JSON on a connection that stays open.

    Attributes:
        address: host:port.
        path: of the URL.
        body: the JSON.
    """

    address: str
    path: str
    body: bytes

    async def connect(self) -> tuple[Ask, Callable[[], Awaitable[None]]]:
        """See Target."""
        host, port = self.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
        lines = (f"POST {self.path} HTTP/1.1", f"Host: {self.address}", f"Content-Length: {len(self.body)}", JSON, "", "")
        request = "\r\n".join(lines).encode() + self.body

        async def ask() -> bytes:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ConnectionError(f"expected 200 from {self.address}{self.path}, received {answer!r}")
            length = answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            return await reader.readexactly(int(length))

        async def close() -> None:
            writer.close()
            await writer.wait_closed()

        return ask, close


def measure(target: Target, clients: int, seconds: float) -> Speed:
    """Asks from so many clients at once, each again as soon as it has its answer; what comes in the first tenth is not counted."""
    return asyncio.run(_measure(target, clients, seconds))


def ask_once(target: Target) -> bytes:
    """One answer."""

    async def once() -> bytes:
        ask, close = await target.connect()
        try:
            return await ask()
        finally:
            await close()

    return asyncio.run(once())


async def _measure(target: Target, clients: int, seconds: float) -> Speed:
    milliseconds: list[float] = []
    connected = [await target.connect() for _ in range(clients)]
    started = time.perf_counter() + seconds / 10
    end = started + seconds

    async def keep_asking(ask: Ask) -> None:
        while (asked := time.perf_counter()) < end:
            await ask()
            if started <= asked and (answered := time.perf_counter()) <= end:
                milliseconds.append(1000 * (answered - asked))

    await asyncio.gather(*(keep_asking(ask) for ask, _ in connected))
    for _, close in connected:
        await close()
    return speed(milliseconds, seconds)
