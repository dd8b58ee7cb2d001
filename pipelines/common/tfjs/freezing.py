"""What the converter of TensorFlow.js reads: one signature of a version with its weights as constants, in a plain SavedModel.

The converter's environment has an older TensorFlow, and stumbles over what else is in a version (look-up tables, assets, other
signatures). Run as `python -m pipelines.common.tfjs.freezing VERSION OUT`, since a SavedModel may hold anything. OUT gets
`saved_model/`, `inputs.npz` (the recorded requests as inputs of the signature) and `answers.npz` (what the version answers to
them); the last line printed is JSON: {"signature", "inputs": {name: {"dtype", "shape"}}, "outputs": {the same}}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.arrays import save_arrays
from components.imports import uncollected

with uncollected():
    import tensorflow as tf

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from components.pusher import warm_up
from components.tflite_exporter.converters import SERVED, convertible
from serving import operations
from trainer_modules.common.signatures import argument_name

# Places of the names of sparse and dense features among the inputs of ParseExampleV2.
SPARSE, DENSE = 2, 3


def freeze(signature: Any, folder: Path) -> None:
    """Writes a signature as the only one of a SavedModel, `serving_default`, without variables.

    Args:
        signature: of a loaded SavedModel, with tensors by name as inputs and outputs.
        folder: to write.
    """
    frozen = convert_variables_to_constants_v2(signature)
    order = [tensor.op.name for tensor in frozen.inputs]
    names = sorted(signature.structured_outputs)  # the order of a signature's flat outputs
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in signature.structured_input_signature[1].items()}

    def call(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(*(inputs[name] for name in order)), strict=True))

    tf.saved_model.save(tf.Module(), str(folder), signatures=tf.function(call).get_concrete_function(**specs))


def requests(model: Any, decoder: str, rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Recorded requests as one batch of a signature's inputs.

    Args:
        model: loaded SavedModel.
        decoder: the signature that makes them of tf.Examples, see converters.py.
        rows: inputs of `raw`, one row each.

    Raises:
        ValueError: the requests can't be written as tf.Examples.
    """
    raw = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    if decoder == SERVED[1]:
        return raw
    features = {argument_name(feature): feature for feature in feature_names(model.signatures[decoder])}
    examples = [example({features[name]: values[row] for name, values in raw.items() if name in features}) for row in range(len(rows))]
    again = model.signatures[SERVED[1]](examples=tf.constant(examples))
    for name, values in raw.items():
        if not same(again[name].numpy(), values):
            raise ValueError(f"expected recorded requests that tf.Examples can hold, the input {name!r} ({values.dtype}) is another then")
    return {name: tensor.numpy() for name, tensor in model.signatures[decoder](examples=tf.constant(examples)).items()}


def feature_names(signature: Any) -> Iterator[str]:
    """Names of the features that a signature parses from tf.Examples."""
    graph = signature.graph.as_graph_def()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        constants = {node.name: node for node in nodes if node.op == "Const"}
        for parse in (node for node in nodes if node.op == "ParseExampleV2"):
            for place in (SPARSE, DENSE):
                names = constants[parse.input[place].split(":")[0]].attr["value"].tensor
                yield from (name.decode() for name in tf.make_ndarray(names).tolist())


def example(row: Mapping[str, Any]) -> bytes:
    """A serialized tf.Example of a request's values by feature; missing ones (NaN, an empty text) are left out."""
    found = tf.train.Example()
    for name, value in row.items():
        values = np.asarray(value).ravel().tolist()
        if values in ([b""], [""]) or (len(values) == 1 and values[0] != values[0]):
            continue
        feature = found.features.feature[name]
        kind = {bytes: feature.bytes_list, float: feature.float_list}.get(type(values[0]), feature.int64_list)
        kind.value.extend(values)
    serialized: bytes = found.SerializeToString(deterministic=True)
    return serialized


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays are equal, NaN being equal to itself."""
    return left.shape == right.shape and bool(np.array_equal(left, right, equal_nan=left.dtype.kind == "f"))


def described(specs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Tensors as JSON has them; None is the batch."""
    return {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in sorted(specs.items())}


def main(arguments: list[str]) -> None:
    """The command line, see the head of this module."""
    version, out = map(Path, arguments)
    model = operations.load(version)
    name, decoder = convertible(model)
    signature = model.signatures[name]
    inputs = requests(model, decoder, warm_up.read_requests(version / warm_up.PLACE))
    answers = {key: tensor.numpy() for key, tensor in signature(**{key: tf.constant(value) for key, value in inputs.items()}).items()}
    save_arrays(out / "inputs.npz", inputs)
    save_arrays(out / "answers.npz", answers)
    freeze(signature, out / "saved_model")
    _, specs = signature.structured_input_signature
    told = {"signature": name, "inputs": described(specs), "outputs": described(signature.structured_outputs)}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
