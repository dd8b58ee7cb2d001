"""`darsena predict MODEL FILE...`: asks the running server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.common.commands.options import (
    GRPC_PORT,
    LOOPBACK,
    REST_PORT,
    Command,
    console,
    debug_option,
    is_debug,
    json_option,
    model_argument,
    plain_table,
    print_json,
)
from pipelines.common.config import ModelConfig
from pipelines.common.errors import DarsenaError
from pipelines.common.predictions import class_scores
from pipelines.common.quiet import NOWHERE, quiet

if TYPE_CHECKING:
    import numpy as np

    from pipelines.common.inputs import Input
    from serving.answers import SignatureInfo
    from serving.client import GrpcClient, RestClient

SIGNATURE = "raw"
LONGEST = 4  # numbers of an output that are shown
TOP_CLASSES = "top_classes"  # of classifiers that tell the names of their classes
EXAMPLES = ("darsena predict {model} one.png two.png", "darsena predict {model} batch.npy --grpc --json")


@click.command("predict", cls=Command, examples=EXAMPLES)
@model_argument
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True, metavar="FILE...")
@click.option("--server", metavar="ADDRESS", help="Of the server, as `darsena serve` prints it.  [default: this machine's]")
@click.option("--grpc", "by_grpc", is_flag=True, help="Ask over gRPC rather than REST.")
@json_option
@debug_option
def command(model: ModelConfig, files: tuple[Path, ...], server: str | None, by_grpc: bool, as_json: bool) -> None:
    """Ask a running server (see `darsena serve`) about raw inputs.

    FILE is an image (.png, .jpg, .bmp), an array or a batch of them (.npy, .npz), or rows (.json, .csv).
    """
    with quiet(None if is_debug() else NOWHERE):
        answers = ask(model, files, server, by_grpc)
    if as_json:
        print_json(answers)
        return
    probable = any(answer["probability"] is not None for answer in answers)
    table = plain_table("File", "Prediction", *(["Probability"] if probable else []))
    for answer in answers:
        name = answer["file"] if answer["of"] == 1 else f"{answer['file']} [{answer['row']}]"
        table.add_row(name, shown(answer["prediction"]), *([f"{answer['probability']:.4f}"] if probable else []))
    console().print(table)


def shown(value: Any) -> str:
    """A prediction in a table: several outputs by name, and of a long one its shape only."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        sizes: list[int] = []
        inner: Any = value
        while isinstance(inner, list):
            sizes.append(len(inner))
            inner = inner[0] if inner else None
        short = len(sizes) == 1 and sizes[0] <= LONGEST
        return f"({', '.join(map(shown, value))})" if short else f"of {'×'.join(map(str, sizes))}"
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def ask(model: ModelConfig, files: tuple[Path, ...], server: str | None, by_grpc: bool) -> list[dict[str, Any]]:
    """The server's answers.

    Args:
        model: what to ask; its class names turn probabilities into predictions.
        files: of raw inputs.
        server: address of the server; None for this machine's default port.
        by_grpc: whether to ask over gRPC.

    Returns:
        One per example: `file`, `row` in it and number of rows (`of`), `prediction`, `probability` and all `outputs`.

    Raises:
        DarsenaError: no server answers, or it answers with an error.
        DataRejected: a file does not hold what the model takes.
    """
    from pipelines.common.inputs import read_inputs
    from serving.errors import ServingError

    answers = []
    try:
        client = connect(server, by_grpc)
        signatures = client.metadata(model.name)
        inputs = model_inputs(signatures, model.name)
        names_classes = not model.class_names and TOP_CLASSES in signatures
        delimiter = model.data.table.delimiter if model.data.table else ","
        for path in files:
            rows = read_inputs(path, inputs, delimiter)
            labels = client.predict(model.name, rows, TOP_CLASSES) if names_classes else {}
            answers += describe(model, path, client.predict(model.name, rows, SIGNATURE), labels)
    except ServingError as error:
        raise DarsenaError(str(error)) from error
    return answers


def model_inputs(signatures: Mapping[str, SignatureInfo], model: str) -> list[Input]:
    """What the served model takes, by its own account.

    Raises:
        DarsenaError: it has no `raw`, or an input without a number of dimensions.
    """
    from pipelines.common.inputs import Input

    if SIGNATURE not in signatures:
        raise DarsenaError(f"expected {model} to have the signature {SIGNATURE}, received {', '.join(signatures)}. Push it again.")
    inputs = []
    for name, info in signatures[SIGNATURE].inputs.items():
        if not info.shape:
            raise DarsenaError(f"expected the input {name} of {model} to have a batch dimension, received the shape {info.shape}.")
        inputs.append(Input(name, info.dtype, info.shape[1:]))
    return inputs


def connect(server: str | None, by_grpc: bool) -> GrpcClient | RestClient:
    """A client of the server over the chosen protocol."""
    from serving.client import GrpcClient, RestClient

    if by_grpc:
        return GrpcClient((server or f"{LOOPBACK}:{GRPC_PORT}").removeprefix("grpc://"))
    address = server or f"{LOOPBACK}:{REST_PORT}"
    return RestClient(address if "://" in address else f"http://{address}")


def describe(model: ModelConfig, path: Path, outputs: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Answers of one file, row by row.

    Args:
        model: its class names and task turn an output into a prediction.
        path: of the file.
        outputs: the served model's, by name.
        labels: `labels` [N, k] and `scores` [N, k], best first, of a model that tells the names of its classes itself; else empty.

    Returns:
        An answer for each row; where there are no classes, the outputs are the prediction.
    """
    rows = len(next(iter(outputs.values())))
    scores = class_scores(outputs, len(model.class_names), model.task)
    answers = []
    for row in range(rows):
        raw = {name: values[row].tolist() for name, values in outputs.items()}
        prediction, probability = raw if len(raw) > 1 else plain(next(iter(raw.values()))), None
        if labels:
            prediction, probability = labels["labels"][row][0], float(labels["scores"][row][0])
            prediction = prediction.decode() if isinstance(prediction, bytes) else str(prediction)
        elif scores is not None:
            best = int(scores[row].argmax())
            prediction, probability = model.class_names[best], float(scores[row][best])
        answers.append({"file": str(path), "row": row, "of": rows, "prediction": prediction, "probability": probability, "outputs": raw})
    return answers


def plain(value: Any) -> Any:
    """A number that stands alone in a list, without the list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
