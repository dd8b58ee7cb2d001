"""Beam's worker pool on loopback: starts a Python worker for each of Flink's task managers that asks for one.

`python -m apache_beam.runners.worker.worker_pool_main` does the same, but listens on all addresses.
"""

from __future__ import annotations

import atexit
import signal
import sys
from concurrent import futures

import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer, kill_process_gracefully

THREADS = 16


def serve(address: str) -> None:
    """Answers requests for workers until SIGTERM, and ends the workers then.

    Args:
        address: HOST:PORT to listen on.
    """
    pool = BeamFnExternalWorkerPoolServicer(use_process=True)
    server = grpc.server(futures.ThreadPoolExecutor(THREADS))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_insecure_port(address)

    def end_workers() -> None:
        for process in list(pool._worker_processes.values()):
            kill_process_gracefully(process)

    atexit.register(end_workers)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(sys.argv[1])
