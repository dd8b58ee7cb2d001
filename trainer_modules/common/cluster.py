"""The processes that train one model together, as TF_CONFIG describes them, and their meeting before TensorFlow joins them.

TensorFlow waits for ever for a process that does not come, and does not answer signals meanwhile. So all of them meet first, over plain
connections at the very addresses that TensorFlow takes afterwards, within a limit of time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import json
import logging
import os
import selectors
import socket
import time
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

VARIABLE = "TF_CONFIG"
# How long workers wait for each other. On a cluster some may still be pulling an image.
PEER_SECONDS = float(os.environ.get("DARSENA_PEER_SECONDS", "120"))
WORKING = ("chief", "worker")
_GREETING = b"darsena worker %d\n"
_LONGEST_GREETING = 64
_PAUSE = 0.1


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training.

    Attributes:
        addresses: "host:port" of each, the chief first.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes what all have learned."""
        return self.index == 0

    def config(self) -> str:
        """TF_CONFIG for this process."""
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": {"type": "worker", "index": self.index}})


def from_environment(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that TF_CONFIG describes; None without one, or with one process only.

    Raises:
        ValueError: TF_CONFIG is not what TensorFlow takes, or this process is none of its workers.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return None
    try:
        described = json.loads(text)
        jobs = {job: tuple(addresses) for job, addresses in described.get("cluster", {}).items() if addresses}
        kind, number = described["task"]["type"], int(described["task"]["index"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        example = Cluster(("host:port", "host:port"), 0).config()
        raise ValueError(f"expected {VARIABLE} like {example}, received {text[:200]!r} ({type(error).__name__}: {error}).") from error
    workers = tuple(address for job in WORKING for address in jobs.get(job, ()))
    if len(workers) < 2:
        return None
    if kind not in WORKING or not 0 <= number < len(jobs.get(kind, ())):
        raise ValueError(
            f"expected {VARIABLE} of a chief or a worker of its cluster ({len(workers)} in all), received task {kind} {number}."
        )
    return Cluster(workers, number if kind == "chief" else len(jobs.get("chief", ())) + number)


def meet(cluster: Cluster, seconds: float = PEER_SECONDS) -> None:
    """Waits until this process has reached all others, and all others this one.

    Args:
        cluster: of all.
        seconds: how long at most.

    Raises:
        TimeoutError: some did not come; they are named.
        OSError: this process can't listen at its address.
    """
    others = [index for index in range(len(cluster.addresses)) if index != cluster.index]
    reached, came = set[int](), set[int]()
    deadline = time.monotonic() + seconds
    with listening(cluster.addresses[cluster.index]) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while len(reached) < len(others) or len(came) < len(others):
            for index in set(others) - reached:
                if greet(cluster.addresses[index], cluster.index):
                    reached.add(index)
            while selector.select(_PAUSE):
                came.add(greeted(listener))
            came.discard(-1)
            if time.monotonic() > deadline:
                missing = [f"{index} at {cluster.addresses[index]}" for index in others if index not in reached or index not in came]
                raise TimeoutError(
                    f"expected {len(cluster.addresses)} workers to meet, after {seconds:g} s worker {' and worker '.join(missing)} had not "
                    f"come to worker {cluster.index}. Check that each runs and can be reached there; DARSENA_PEER_SECONDS sets the time."
                )
    log.info("worker %d of %d: all have come", cluster.index, len(cluster.addresses))


def listening(address: str) -> socket.socket:
    """A socket that listens at the port of an address: on loopback if the address is, else on all of the machine's."""
    host, port = parts(address)
    try:
        return socket.create_server((host if is_loopback(host) else "", port))
    except OSError as error:
        raise OSError(f"expected to listen at {address}, this worker's address in {VARIABLE}: {error}.") from error


def greet(address: str, index: int) -> bool:
    """Whether a worker takes a connection, in which it is told the number of this one."""
    try:
        with socket.create_connection(parts(address), timeout=1) as connection:
            connection.sendall(_GREETING % index)
    except OSError:
        return False
    return True


def greeted(listener: socket.socket) -> int:
    """The number of the worker whose connection is next; -1 if it is no worker's."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(1)
        try:
            words = connection.makefile("rb").readline(_LONGEST_GREETING).split()
        except OSError:
            return -1
    return int(words[2]) if len(words) == 3 and b" ".join(words[:2]) == b"darsena worker" and words[2].isdigit() else -1


def parts(address: str) -> tuple[str, int]:
    """Host and port of "host:port".

    Raises:
        ValueError: it is none.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"expected host:port in {VARIABLE}, received {address!r}.")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_addresses(count: int) -> Sequence[str]:
    """Addresses on loopback that nothing listens at now, all different."""
    return [f"127.0.0.1:{port}" for port in free_ports(count)]


def free_ports(count: int) -> list[int]:
    """Their ports."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
