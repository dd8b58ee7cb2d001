"""SavedModel to TFLite, one plain function per format: `(saved_model_dir, out_dir, representative, source) -> file`.

A model is converted from its signature `raw` where that takes whole numbers only, such as pixels, and else from `model`,
which takes the transformed features: what text or an encoded picture goes through first has no TFLite form, and the numbers of a
table must be brought to a scale, and missing ones replaced, before 8 bits can hold them.

Run as `python -m components.tflite_exporter.converters SAVED_MODEL OUT_DIR REPRESENTATIVE.npz FORMAT…` it makes several with one
import of TensorFlow, and prints the name of each format before it begins with it, so that a crash has a name.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.arrays import load_arrays
from components.imports import uncollected

# Signatures with the one that makes their inputs of tf.Examples.
SERVED = ("raw", "decode")
TRANSFORMED = ("model", "transform")


@dataclasses.dataclass(frozen=True)
class Source:
    """What of a SavedModel is converted.

    Attributes:
        signature: its name; "" for the one that `convertible` names.
        flex: whether TensorFlow's own operations are let in where TFLite has none; LiteRT does not run such a file.
    """

    signature: str = ""
    flex: bool = False


EXPORTED = Source()


def float32(saved_model_dir: Path, out_dir: Path, representative: Mapping[str, np.ndarray], source: Source = EXPORTED) -> Path:
    """The model as it is.

    Args:
        saved_model_dir: has the signatures of docs/architecture.md.
        out_dir: existing folder for the file.
        representative: rows of inputs by name; used for integers only.
        source: what is converted.

    Returns:
        The file; it takes one row at a time (a batch of 1), which browsers need.
    """
    return _write(_converter(saved_model_dir, source), out_dir / "float32.tflite")


def float16(saved_model_dir: Path, out_dir: Path, representative: Mapping[str, np.ndarray], source: Source = EXPORTED) -> Path:
    """Weights kept in 16 bits: half the size. Arguments and result as for `float32`."""
    import tensorflow as tf

    converter = _converter(saved_model_dir, source)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _write(converter, out_dir / "float16.tflite")


def dynamic(saved_model_dir: Path, out_dir: Path, representative: Mapping[str, np.ndarray], source: Source = EXPORTED) -> Path:
    """Weights kept in 8 bits ("dynamic range"), activations brought to 8 bits where they are multiplied, each time anew.

    A quarter of the size without calibration; small weights, under 1,024 numbers, stay as they are. Arguments and result as for
    `float32`.
    """
    import tensorflow as tf

    converter = _converter(saved_model_dir, source)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _write(converter, out_dir / "dynamic.tflite")


def int8(saved_model_dir: Path, out_dir: Path, representative: Mapping[str, np.ndarray], source: Source = EXPORTED) -> Path:
    """Weights and activations in 8 bits, with ranges taken from the representative rows: a quarter of the size.

    Inputs and outputs keep their types, so that all formats are called alike. What has no integer form stays float.
    Arguments and result as for `float32`.
    """
    import tensorflow as tf

    rows = len(next(iter(representative.values())))

    def calibration() -> Iterator[dict[str, np.ndarray]]:
        for row in range(rows):
            yield {name: values[row : row + 1] for name, values in representative.items()}

    converter = _converter(saved_model_dir, source)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, *converter.target_spec.supported_ops]
    return _write(converter, out_dir / "int8.tflite")


CONVERTERS: dict[str, Callable[..., Path]] = {
    "float32": float32,
    "float16": float16,
    "dynamic": dynamic,
    "int8": int8,
}


def convertible(model: Any) -> tuple[str, str]:
    """The signature that a loaded SavedModel is converted from, and the one that makes its inputs of tf.Examples."""
    served, _ = SERVED
    specs = model.signatures[served].structured_input_signature[1].values()
    return SERVED if all(spec.dtype.is_integer for spec in specs) else TRANSFORMED


def _converter(saved_model_dir: Path, source: Source) -> Any:
    """A converter of the signature with a batch of 1."""
    import tensorflow as tf

    model = tf.saved_model.load(str(saved_model_dir))
    signature = model.signatures[source.signature or convertible(model)[0]]
    # Sorted, so that a model has the same bytes each time.
    specs = sorted(signature.structured_input_signature[1].items())
    one_row = {name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name=name) for name, spec in specs}
    # The wrapper keeps the names of inputs and outputs; the converter calls what it is given "serving_default".
    concrete = tf.function(lambda **inputs: signature(**inputs)).get_concrete_function(**one_row)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    if source.flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter


def _write(converter: Any, file: Path) -> Path:
    file.write_bytes(converter.convert())
    return file


def main(arguments: list[str]) -> None:
    """The command line, see the head of this module."""
    with uncollected():
        import tensorflow  # noqa: F401 (the converters use it)
    saved_model_dir, out_dir, representative = map(Path, arguments[:3])
    inputs = load_arrays(representative)
    for name in arguments[3:]:
        print(name, flush=True)  # noqa: T201
        CONVERTERS[name](saved_model_dir, out_dir, inputs)


if __name__ == "__main__":
    main(sys.argv[1:])
