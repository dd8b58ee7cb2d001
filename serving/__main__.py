"""`python -m serving --base DIR`: serves a folder of models until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from serving.batching import Batching
from serving.errors import ServingError
from serving.process import end
from serving.request_log import SHARE, Logging
from serving.server import GRPC_PORT, REST_PORT, ModelServer


def main(arguments: list[str] | None = None) -> int:
    """Runs the server; returns the exit code: 0 when stopped by a signal, 1 when it cannot start."""
    options = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("serving").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    batching = Batching(options.max_batch_size, options.batch_timeout_micros) if options.batching else None
    server = ModelServer(
        options.base,
        options.model,
        options.host,
        options.grpc_port,
        options.rest_port,
        options.poll_seconds,
        config=options.config,
        batching=batching,
        request_log=Logging(options.log_requests, options.log_share) if options.log_requests else None,
        trusted=options.trust,
    )
    try:
        server.start()
    except ServingError as error:
        sys.stderr.write(f"serving: {error}\n")
        return 1
    served = ", ".join(f"{name} version {version}" for name, version in server.served().items()) or "no model yet"
    sys.stdout.write(f"serving {served}: gRPC {server.host}:{server.grpc_port}, REST http://{server.host}:{server.rest_port}/v1/models/\n")
    sys.stdout.flush()
    stop.wait()
    server.stop()
    sys.stdout.write("serving: stopped.\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    result = argparse.ArgumentParser(prog="python -m serving", description="Serve a folder of models over the TF Serving API.")
    result.add_argument("--base", type=Path, required=True, metavar="DIR", help="holds <model>/<version>/")
    result.add_argument("--model", action="append", metavar="NAME", help="serve this one (may be repeated); all there are by default")
    result.add_argument("--config", type=Path, metavar="FILE", help="serve what this models.config says of models under DIR")
    result.add_argument(
        "--trust", type=Path, action="append", metavar="FILE", help="serve only what this public key signed (may be repeated)"
    )
    result.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default %(default)s)")
    result.add_argument("--grpc-port", type=int, default=GRPC_PORT, metavar="PORT", help="default %(default)s; 0 takes a free one")
    result.add_argument("--rest-port", type=int, default=REST_PORT, metavar="PORT", help="default %(default)s; 0 takes a free one")
    result.add_argument("--poll-seconds", type=float, default=1.0, metavar="SECONDS", help="between looks for new versions")
    result.add_argument("--batching", action="store_true", help="answer requests that come at the same time together")
    result.add_argument("--max-batch-size", type=int, default=32, metavar="ROWS", help="of a batch at most (default %(default)s)")
    result.add_argument(
        "--batch-timeout-micros", type=int, default=0, metavar="N", help="that a batch waits for more requests (default %(default)s)"
    )
    result.add_argument("--log-requests", type=Path, metavar="DIR", help="log answered requests there, as TFRecords of PredictionLog")
    result.add_argument("--log-share", type=share, default=SHARE, metavar="SHARE", help="of them, from 0 to 1 (default %(default)s)")
    return result


def share(text: str) -> float:
    """A number from 0 to 1, for the parser."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, received {text}")
    return number


if __name__ == "__main__":
    end(main())
