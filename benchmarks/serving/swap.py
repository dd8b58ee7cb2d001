"""The first request that a new version answers, against those before it."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path

from benchmarks.serving.servers import PREDICT, local_addresses, predict_request

WARM = 300  # requests before a swap


def swaps(saved_model: Path, model: str, scratch: Path, count: int) -> list[tuple[float, float]]:
    """Publishes copies of a model while one client asks over gRPC, a row at a time.

    Returns:
        For each swap the latency of the first request that the new version answered, and the median of those before it, in ms.
    """
    import grpc
    from tensorflow_serving.apis import predict_pb2

    serialized = predict_request(model, 1)
    base = scratch / "swaps"
    shutil.copytree(saved_model, base / model / "1")
    found = []
    with local_addresses(base, model) as (address, _), grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(PREDICT)

        def ask() -> tuple[float, int]:
            started = time.perf_counter()
            answer = call(serialized)
            milliseconds = 1000 * (time.perf_counter() - started)
            return milliseconds, predict_pb2.PredictResponse.FromString(answer).model_spec.version.value

        for version in range(2, count + 2):
            before = statistics.median(ask()[0] for _ in range(WARM))
            staged = base / model / f".staged-{version}"
            shutil.copytree(saved_model, staged)
            staged.rename(base / model / str(version))
            while (first := ask())[1] != version:
                pass
            found.append((first[0], before))
    return found
