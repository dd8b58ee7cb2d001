"""The work of the mistakes component: ask the model, find the answers furthest off, draw or list the inputs behind them."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.encoded_pictures import is_encoded_picture
from components.golden import read_records
from components.labels import read_labels, read_numbers

_BATCH = 1024
_SCALE = 4
_LARGEST = 224
_LONGEST_CELL = 120


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes:
        row: of the example.
        true: the class it has.
        predicted: the class the model takes it for.
        probability: that the model gives the predicted class.
    """

    row: int
    true: int
    predicted: int
    probability: float


def worst_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int) -> tuple[list[Mistake], int]:
    """The wrong answers with the highest loss, which is -log of the probability of the true class.

    Args:
        probabilities: float [N, classes]; [N, 1] is the probability of class 1 of two.
        labels: int [N], the true classes.
        count: how many to return at most.

    Returns:
        The mistakes, worst first; and how many there are in all.

    Raises:
        ValueError: a label is no class of the model.
    """
    if probabilities.ndim != 2:
        raise ValueError(f"expected probabilities of shape [examples, classes], received shape {probabilities.shape}.")
    if probabilities.shape[1] == 1:
        probabilities = np.hstack([1 - probabilities, probabilities])
    classes = probabilities.shape[1]
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"expected labels from 0 to {classes - 1}, received {labels.min()} to {labels.max()}: check the label feature.")
    predicted = probabilities.argmax(1)
    of_true = probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(predicted != labels)
    # The loss falls where the probability rises, which unlike the loss is finite.
    worst = wrong[np.argsort(of_true[wrong], kind="stable")][:count]
    found = [Mistake(int(row), int(labels[row]), int(predicted[row]), float(probabilities[row, predicted[row]])) for row in worst]
    return found, len(wrong)


def write_section(
    saved_model_dir: Path, examples: Path, out_dir: Path, label: str, class_names: Sequence[str], count: int, image: str | None = None
) -> None:
    """Writes section.json and the pictures of the worst mistakes (for its schema see docs/architecture.md).

    Args:
        saved_model_dir: a model with the signatures of docs/architecture.md and one output: a classifier's probabilities [N, classes]
            or [N, 1], or, where there are no class names, a regressor's numbers [N, 1].
        examples: folder of TFRecords of raw tf.Examples.
        out_dir: existing folder.
        label: feature with the truth: a class as an integer or one of `class_names`, or a number.
        class_names: in the order of the model's outputs; empty to show numbers.
        count: how many mistakes to show at most.
        image: the input to draw; without it the first that holds pictures. Without any there is a table of the inputs.

    Raises:
        ValueError: the model is of another kind, a label is none of its classes, or there is no such picture.
    """
    import tensorflow as tf

    records = read_records(examples)
    model = tf.saved_model.load(str(saved_model_dir))
    outputs = _outputs(model, records)

    def name(number: int) -> str:
        return class_names[number] if class_names else str(number)

    if outputs.shape[1] == 1 and not class_names:
        off, text = largest_errors(outputs[:, 0], read_numbers(records, label), count)
        chosen, columns = [row for row, _ in off], ["true", "predicted", "error"]
        cells = [values for _, values in off]
    else:
        mistakes, wrong = worst_mistakes(outputs, read_labels(records, label, class_names), count)
        text = f"{wrong:,} of {len(records):,} examples are taken for another class."
        text += f" These {len(mistakes)} have the highest loss, worst first." if mistakes else ""
        chosen, columns = [mistake.row for mistake in mistakes], ["true", "predicted", "probability"]
        cells = [[name(mistake.true), name(mistake.predicted), f"{mistake.probability:.2f}"] for mistake in mistakes]

    inputs = {}
    if chosen:
        decoded = model.signatures["decode"](examples=tf.constant([records[row] for row in chosen]))
        inputs = {feature: decoded[feature].numpy() for feature in sorted(decoded)}
    section: dict[str, Any] = {"title": "Worst mistakes", "text": text, "pictures": [], "tables": []}
    pictures = _pictures(inputs, image)
    if pictures is not None:
        for number, ((true, predicted, certainty), picture) in enumerate(zip(cells, pictures, strict=True), start=1):
            picture.save(out_dir / f"{number}.png")
            section["pictures"].append({"file": f"{number}.png", "caption": f"true {true}, predicted {predicted} ({certainty})"})
    elif chosen:
        rows = [[*shown, *(_cell(values[at]) for values in inputs.values())] for at, shown in enumerate(cells)]
        section["tables"].append({"title": "Inputs", "columns": [*columns, *inputs], "rows": rows})
    (out_dir / "section.json").write_text(json.dumps(section, indent=2) + "\n")


def largest_errors(predicted: np.ndarray, true: np.ndarray, count: int) -> tuple[list[tuple[int, list[str]]], str]:
    """The predictions furthest off.

    Args:
        predicted, true: float [N].
        count: how many to return at most.

    Returns:
        Row and cells (true, predicted, error) of each, worst first; and a line on the errors of all.
    """
    errors = predicted - true
    worst = np.argsort(-np.abs(errors), kind="stable")[:count]
    off = [(int(row), [f"{true[row]:,.6g}", f"{predicted[row]:,.6g}", f"{errors[row]:+,.6g}"]) for row in worst]
    middle, most = np.quantile(np.abs(errors), [0.5, 0.9])
    text = f"Half of {len(errors):,} predictions are off by at most {middle:,.4g}, nine in ten by at most {most:,.4g}."
    return off, f"{text} These {len(off)} are furthest off."


def _outputs(model: Any, records: list[bytes]) -> np.ndarray:
    import tensorflow as tf

    answer = model.signatures["serving_default"]
    if len(answer.structured_outputs) != 1:
        raise ValueError(f"expected a model with one output, received the outputs {sorted(answer.structured_outputs)}.")
    (output,) = answer.structured_outputs
    batches = (tf.constant(records[start : start + _BATCH]) for start in range(0, len(records), _BATCH))
    return np.concatenate([answer(examples=batch)[output].numpy() for batch in batches])


def _pictures(inputs: dict[str, np.ndarray], image: str | None) -> list[Image.Image] | None:
    """The input that holds pictures: uint8 [N, height, width] or [N, height, width, 1 or 3 channels], or encoded ones, bytes [N]."""

    def fits(values: np.ndarray) -> bool:
        if values.dtype == object:
            return values.ndim == 1 and all(map(is_encoded_picture, values))
        return values.dtype == np.uint8 and (values.ndim == 3 or (values.ndim == 4 and values.shape[3] in (1, 3)))

    if image is not None and inputs and not (image in inputs and fits(inputs[image])):
        shapes = {name: f"{values.dtype}{list(values.shape)}" for name, values in inputs.items()}
        raise ValueError(f"expected an input {image!r} with pictures, uint8 [N, height, width, channels], received {shapes}.")
    candidates = inputs if image is None else {image: inputs[image]} if inputs else {}
    found = next((values for values in candidates.values() if fits(values)), None)
    if found is None:
        return None
    return [_thumbnail(value) if found.dtype == object else _draw(value) for value in found]


def _thumbnail(content: bytes) -> Image.Image:
    """An encoded picture, no larger than the report shows it."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((_LARGEST, _LARGEST))
    return picture


def _draw(pixels: np.ndarray) -> Image.Image:
    """A picture, enlarged without smoothing, so that pixels can be told apart."""
    picture = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    return picture.resize((picture.width * _SCALE, picture.height * _SCALE), Image.Resampling.NEAREST)


def _cell(value: Any) -> str:
    """A value of any shape as a short text."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else np.array2string(np.asarray(value), precision=4, threshold=20)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


class Executor(base_executor.BaseExecutor):
    """Runs `write_section` on TFX artifacts."""

    def Do(self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]) -> None:
        """See MistakesSpec for inputs, outputs and parameters."""
        write_section(
            saved_model_dir=Path(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))),
            examples=Path(artifact_utils.get_split_uri(input_dict["examples"], exec_properties["split"])),
            out_dir=Path(artifact_utils.get_single_uri(output_dict["mistakes"])),
            label=exec_properties["label"],
            class_names=json.loads(exec_properties["class_names"]),
            count=exec_properties["count"],
            image=exec_properties.get("image"),
        )
