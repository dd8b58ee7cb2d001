"""What a model's inputs and outputs are, for the metadata of its TFLite files, found by asking the SavedModel.

The signature `transform` is the only one that knows how raw features become the model's inputs. Where those are scaled numbers, or
numbers of words, it is asked about known rows, and mean and standard deviation, or the number of each word, are read off its answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.encoded_pictures import is_encoded_picture
from components.tflite_exporter.converters import TRANSFORMED, convertible
from components.tflite_exporter.metadata import GREY, LABELS, RGB, VOCABULARY, Attached, Described, ModelDescription

Arrays = Mapping[str, np.ndarray]

MOST_COLUMNS = 64
# A number that is scaled by mean and deviation is so in this share of rows; the others may be missing, or cut off.
SHARE, CLOSE = 0.95, 1e-4
NO_WORD = "zqxjkvwp"
PADDING, UNKNOWN = "[PAD]", "[UNK]"


def describe(
    about: Mapping[str, str], model: Any, assets: Path, records: Sequence[bytes], outputs: Arrays, class_names: Sequence[str]
) -> ModelDescription:
    """A model's description.

    Args:
        about: its name, description, version, author and license.
        model: a loaded SavedModel with the signatures of docs/architecture.md.
        assets: its folder of vocabularies, which may be absent.
        records: serialized tf.Examples of what it is asked, a row each.
        outputs: the model's answers to some examples, by name.
        class_names: in the order of the model's outputs; empty without classes.
    """
    import tensorflow as tf

    served, source = convertible(model)
    inputs = {name: value.numpy() for name, value in model.signatures[source](examples=tf.constant(records)).items()}
    named = model.signatures[served].structured_input_signature[1]
    found = {name: of_values(name, f"{name} as it is", inputs[name]) for name in named}
    if served == TRANSFORMED[0]:
        raw = {name: value.numpy() for name, value in model.signatures["decode"](examples=tf.constant(records)).items()}
        found = {name: made_of(each, inputs[name], raw, Asked(model, records[0], name), assets) for name, each in found.items()}
    answers = tuple(of_output(name, values, class_names) for name, values in outputs.items())
    return ModelDescription(**about, inputs=tuple(found.values()), outputs=answers)


def of_values(name: str, description: str, values: np.ndarray) -> Described:
    """An input or output, by its dtype, shape and values [N, …]."""
    size = values.shape[1:]
    low, high = (0.0, 255.0) if values.dtype == np.uint8 else (float(values.min()), float(values.max()))
    picture = (size[1], size[0], RGB if len(size) == 3 else GREY) if _is_picture(size) else ()
    return Described(name, description, (low,), (high,), picture=picture)


def of_output(name: str, values: np.ndarray, class_names: Sequence[str]) -> Described:
    """An output, with the names of classes where it has a column for each, or for the second of two."""
    found = of_values(name, name, values)
    columns = values.shape[1] if values.ndim == 2 else 0
    if not class_names or columns not in (len(class_names), len(class_names) - 1):
        return found
    if columns == len(class_names):
        labels, description = tuple(class_names), "probability of each class"
    elif columns == 1:
        labels, description = (class_names[1],), f"probability of {class_names[1]}, and not {class_names[0]}"
    else:
        return found
    attached = Attached("labels.txt", "the class of each column", LABELS, labels)
    return Described(name, description, (0.0,), (1.0,), attached=(attached,))


class Asked:
    """Asks a model's `transform` for one input, about a known example with one feature replaced."""

    def __init__(self, model: Any, record: bytes, name: str) -> None:
        self.transform, self.record, self.name = model.signatures["transform"], record, name

    def __call__(self, feature: str, values: Sequence[bytes]) -> np.ndarray:
        """The input's values for each value of a feature of bytes, [values, …]."""
        import tensorflow as tf

        records = []
        for value in values:
            example = tf.train.Example.FromString(self.record)
            example.features.feature[feature].bytes_list.value[:] = [value]
            records.append(example.SerializeToString())
        answer: np.ndarray = self.transform(examples=tf.constant(records))[self.name].numpy()
        return answer


def made_of(tensor: Described, values: np.ndarray, raw: Arrays, ask: Asked, assets: Path) -> Described:
    """An input of transformed features [N, …], with how a client makes it of raw ones where that is a scale or a list of words."""
    texts = [name for name, each in raw.items() if each.dtype == object and not is_encoded_picture(each[0])]
    pictures = [name for name, each in raw.items() if each.dtype == object and is_encoded_picture(each[0])]
    if tensor.picture and pictures:
        mean, std = scale_of_pictures(ask, pictures[0], values.shape[1:])
        how = f"pixels of the picture {pictures[0]}, resized"
        return dataclasses.replace(tensor, description=how, mean=mean, std=std)
    if values.dtype == np.float32 and (scale := scale_of_numbers(values, raw)):
        features, mean, std = scale
        if set(mean) == {0.0} and set(std) == {1.0}:
            return dataclasses.replace(tensor, description=f"{', '.join(features)} as it is")
        return dataclasses.replace(tensor, description=f"(x - mean) / std of {', '.join(features)}", mean=mean, std=std)
    if values.dtype == np.int64:
        for name in texts:
            if words := words_of(ask, name, assets):
                attached = Attached(f"{tensor.name}.txt", "the line, from 0, of each word is its number", VOCABULARY, words)
                how = f"numbers of the words of {name}, in {attached.name}"
                return dataclasses.replace(tensor, description=how, attached=(attached,))
    return dataclasses.replace(tensor, description="what the SavedModel's signature transform gives; no linear scale of a raw feature")


def scale_of_pictures(ask: Asked, feature: str, size: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of pixels from 0 to 255 by which pictures are scaled: asked about a black and a white one."""
    import tensorflow as tf

    shape = (size[0], size[1], 3)
    black, white = ask(feature, [tf.io.encode_png(np.full(shape, level, np.uint8)).numpy() for level in (0, 255)])
    std = 255 / (float(white.mean()) - float(black.mean()))
    return (-float(black.mean()) * std + 0.0,), (std,)


def scale_of_numbers(values: np.ndarray, raw: Arrays) -> tuple[list[str], tuple[float, ...], tuple[float, ...]] | None:
    """Which raw features the columns of [N, columns] scale linearly, with means and deviations; None unless all do."""
    known = {name: columns for name, each in raw.items() if each.dtype != object for name, columns in _columns(name, each).items()}
    wanted = list(_columns("", values).values())
    if not wanted or len(known) > MOST_COLUMNS or len(wanted) > MOST_COLUMNS:
        return None
    fits = [next(((name, *fit) for name, column in known.items() if (fit := line(column, each))), None) for each in wanted]
    if not all(fits):
        return None
    names, means, deviations = zip(*[fit for fit in fits if fit], strict=True)
    return list(dict.fromkeys(name.partition("[")[0] for name in names)), means, deviations


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Mean and standard deviation by which y is (x - mean) / std in nearly all rows [N]; None if it is not."""
    there = np.isfinite(x)
    x, y = x[there].astype(np.float64), y[there].astype(np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # Through two rows that are far apart and not at the ends, where values may be cut off.
    order = np.argsort(x, kind="stable")
    first, last = order[len(x) // 10], order[-1 - len(x) // 10]
    if x[first] == x[last] or y[first] == y[last]:
        return None
    std = (x[last] - x[first]) / (y[last] - y[first])
    mean = x[first] - y[first] * std
    near = np.abs((x - mean) / std - y) <= CLOSE * max(1.0, float(np.abs(y).max()))
    return (float(mean), float(std)) if near.mean() >= SHARE else None


def words_of(ask: Asked, feature: str, assets: Path) -> tuple[str, ...]:
    """The word of each number of an input, by asking about every word of a vocabulary; () where no vocabulary is this feature's."""
    for file in sorted(assets.iterdir()) if assets.is_dir() else []:
        words = file.read_bytes().split(b"\n")[:-1]
        padding, unknown, *numbers = (int(np.ravel(row)[0]) for row in ask(feature, [b"", NO_WORD.encode(), *words]))
        if len(set(numbers) - {unknown}) < len(words):
            continue
        known = {padding: PADDING, unknown: UNKNOWN} | {
            number: word.decode(errors="replace") for number, word in zip(numbers, words, strict=True)
        }
        if min(known) >= 0:
            return tuple(known.get(number, UNKNOWN) for number in range(max(known) + 1))
    return ()


def _columns(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    if values.ndim == 1:
        return {name: values}
    if values.ndim != 2:
        return {}
    return {f"{name}[{at}]" if values.shape[1] > 1 else name: values[:, at] for at in range(min(values.shape[1], MOST_COLUMNS + 1))}


def _is_picture(size: tuple[int, ...]) -> bool:
    return min(size[:2], default=0) > 1 and (len(size) == 2 or (len(size) == 3 and size[2] == 3))
