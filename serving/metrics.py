"""What a server counts, under the names that TF Serving's Prometheus monitoring has."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric

from serving.errors import RequestError

PATH = "/monitoring/prometheus/metrics"
# TF Serving's buckets: microseconds, from 10 on, each 1.8 times the one before.
BUCKETS = tuple(10 * 1.8**power for power in range(33))


class Metrics:
    """Numbers of requests by model and status, and how long they took.

    Example:
        with metrics.request("digits", "Predict", "GRPC", ["digits"]):
            ...
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for a request.",
            ["model_name", "API", "entrypoint"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged: Counter[tuple[str, str]] = Counter()
        self._under_way = 0
        self._last_ended = -math.inf
        self._counting = threading.Lock()
        self._registry.register(self)

    @contextlib.contextmanager
    def request(self, model: str, api: str, entrypoint: str, known: Collection[str]) -> Iterator[None]:
        """Counts a request, whose refusal passes through.

        Args:
            model: that it asks.
            api: Predict, Classify, Regress, MultiInference, or another method.
            entrypoint: GRPC or REST.
            known: names of models; others are counted as one, so that clients can't fill the memory with names.
        """
        started, status = time.perf_counter(), "INTERNAL"
        with self._counting:
            self._under_way += 1
        try:
            yield
            status = "OK"
        except RequestError as error:
            status = error.code
            raise
        finally:
            name = model if model in known else ""
            with self._counting:
                self._counts[name, status] += 1
                self._under_way -= 1
                self._last_ended = time.monotonic()
            if status == "OK":
                self._latency.labels(name, api, entrypoint).observe(1e6 * (time.perf_counter() - started))

    def logged(self, model: str, status: str) -> None:
        """Counts a request that was to be logged: status OK if it was."""
        with self._counting:
            self._logged[model, status] += 1

    def wait_for_quiet(self, seconds: float, at_most: float) -> None:
        """Waits until no request was under way for so many seconds.

        Args:
            seconds: of quiet; those that have passed already count.
            at_most: seconds that it waits where there is no quiet.
        """
        end = time.monotonic() + at_most
        while (now := time.monotonic()) < end:
            with self._counting:
                left = seconds if self._under_way else self._last_ended + seconds - now
            if left <= 0:
                return
            time.sleep(min(left, end - now))

    def collect(self) -> Iterator[Metric]:
        """The counts (for the registry). A Counter of the library would have another name, with _total."""
        with self._counting:
            requests, logged = dict(self._counts), dict(self._logged)
        yield _counts(":tensorflow:serving:request_count", "The total number of requests.", requests)
        yield _counts(":tensorflow:serving:request_log_count", "The total number of requests that were to be logged.", logged)

    def exposition(self) -> str:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry).decode()


def _counts(name: str, description: str, counts: Mapping[tuple[str, str], int]) -> Metric:
    """Counts by model and status."""
    found = Metric(name, description, "unknown")
    for (model, status), count in counts.items():
        found.add_sample(name, {"model_name": model, "status": status}, count)
    return found
