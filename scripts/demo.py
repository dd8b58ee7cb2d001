"""`make demo`: one pipeline from raw digits to a served model, then ten digits it never saw, asked over gRPC and over REST."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from components.golden import read_records
from pipelines.common.commands.report import find_report
from pipelines.common.history import run_records
from pipelines.common.quiet import NOWHERE, quiet

MODEL = "mnist_mlp"
ROOT = Path("darsena_root").absolute()
DARSENA = str(Path(sys.executable).with_name("darsena"))
NEEDED_CORRECT = 8
SAME = 1e-5  # how far the two protocols may differ: REST writes floats as decimal text
INK = 96  # grey level from which a pixel is drawn


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    console = Console()
    heading(console, f"darsena run {MODEL}")
    code = subprocess.run([DARSENA, "run", MODEL, "--root", str(ROOT)], check=False).returncode
    if code:
        return code

    heading(console, f"darsena serve {MODEL}")
    with server() as (grpc_address, rest_url):
        console.print(f"gRPC at {grpc_address}, REST at {rest_url}")
        with quiet(NOWHERE):
            images, labels = held_out_digits()
            by_grpc, by_rest = ask(images, grpc_address, rest_url)

    heading(console, "ten digits of the test split")
    for row in (slice(0, 5), slice(5, 10)):
        console.print(drawings(images[row]), highlight=False)
    console.print(table(labels, by_grpc, by_rest))
    correct = int((by_grpc.argmax(axis=1) == labels).sum())
    difference = float(np.abs(by_grpc - by_rest).max())
    console.print(f"{correct} of {len(labels)} right; gRPC and REST differ by {difference:.1e} at most")
    console.print(f"report: {find_report(ROOT, MODEL, None)[1]}", soft_wrap=True, highlight=False)
    if correct < NEEDED_CORRECT or difference > SAME:
        console.print(f"[red]expected at least {NEEDED_CORRECT} right and the same answers to {SAME}[/red]")
        return 1
    return 0


def heading(console: Console, text: str) -> None:
    """A line across the terminal with a title."""
    console.rule(f"[bold]{text}", align="left")


def held_out_digits() -> tuple[np.ndarray, np.ndarray]:
    """The first digit of each class in the last run's test split: uint8 [10, 28, 28] and int64 [10]."""
    import tensorflow as tf

    nodes = {node["id"]: node for node in run_records(ROOT, MODEL)[-1]["nodes"]}
    found: dict[int, np.ndarray] = {}
    for record in read_records(Path(nodes["ImageExampleGen"]["outputs"]["examples"][0]) / "Split-test"):
        features = tf.train.Example.FromString(record).features.feature
        label = features["label"].int64_list.value[0]
        found.setdefault(label, np.frombuffer(features["image"].bytes_list.value[0], np.uint8).reshape(28, 28))
        if len(found) == 10:
            break
    return np.stack([found[label] for label in sorted(found)]), np.array(sorted(found))


@contextlib.contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A running `darsena serve` on free ports; yields its gRPC address and its REST URL, and stops it at the end."""
    command = [DARSENA, "serve", MODEL, "--root", str(ROOT), "--grpc-port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            said = ""
            while not (addresses := re.search(r"gRPC +(\S+)\n.*REST +(http://[^/\s]+)", said)):
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"demo: expected the server to start, it ended with exit code {process.wait()}.")
                said += line
            yield addresses[1], addresses[2]
        finally:
            process.terminate()


def ask(images: np.ndarray, grpc_address: str, rest_url: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, float [N, 10], as the server gives them over gRPC and over REST."""
    from serving.client import GrpcClient, RestClient

    by_grpc, by_rest = (client.predict(MODEL, {"image": images}, "raw") for client in (GrpcClient(grpc_address), RestClient(rest_url)))
    return by_grpc["probabilities"], by_rest["probabilities"]


def drawings(images: np.ndarray) -> str:
    """Digits side by side in half blocks, each [28, 28] drawn as 7 lines of 14 characters."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) >= INK
    blocks = np.array([" ", "▄", "▀", "█"])
    lines = blocks[small[:, 0::2] * 2 + small[:, 1::2]]  # [N, 7, 14]
    return "\n".join(" ".join("".join(digit[line]) for digit in lines) for line in range(7))


def table(labels: np.ndarray, by_grpc: np.ndarray, by_rest: np.ndarray) -> Table:
    """True label, and prediction and its probability by each protocol."""
    result = Table("True", "gRPC says", "Probability", "REST says", "Probability", "")
    for label, one, other in zip(labels, by_grpc, by_rest, strict=True):
        right = one.argmax() == other.argmax() == label
        cells = [text for scores in (one, other) for text in (str(scores.argmax()), f"{scores.max():.4f}")]
        result.add_row(str(label), *cells, "[green]✓[/green]" if right else "[red]✗[/red]")
    return result


if __name__ == "__main__":
    sys.exit(main())
