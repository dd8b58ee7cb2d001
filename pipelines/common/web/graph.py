"""The Transform graph of a version as a list of operations that a page can run.

A TFLite model takes transformed features where raw ones are texts or numbers of a table (components/tflite_exporter). What lies
between is the SavedModel's signature `transform`, which is written out here as it is, operation by operation, with its constants and
vocabularies: nothing has to be described twice, and a page prepares its inputs as serving does. `site/js/operations.js` has each
operation in OPERATIONS; a graph with another one is refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.common.errors import DarsenaError
from pipelines.common.web.patterns import Unsupported, javascript_pattern, javascript_rewrite
from trainer_modules.common.pictures import MARK as PICTURE
from trainer_modules.common.signatures import argument_name

# Operations that a page can run, with the attributes that they are told.
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Identity", "EnsureShape", "Neg", "Abs", "Sqrt", "Log", "IsNan", "LogicalNot", "Round", "Floor", "ZerosLike"), ()),
    **dict.fromkeys(("AddV2", "Sub", "Mul", "RealDiv", "FloorDiv", "FloorMod", "Maximum", "Minimum"), ()),
    **dict.fromkeys(("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr"), ()),
    **dict.fromkeys(("SelectV2", "Shape", "Size", "Reshape", "ExpandDims", "ConcatV2", "BroadcastTo", "Where", "SparseToDense"), ()),
    **dict.fromkeys(("LookupTableFindV2", "StringStrip", "AsString", "Fill"), ()),
    **dict.fromkeys(("Sum", "Mean", "Prod", "Max", "Min"), ("keep_dims",)),
    "Cast": ("DstT",),
    "Cumsum": ("exclusive",),
    "DenseBincount": (),
    "GatherV2": (),
    "Pack": ("axis",),
    "RaggedRange": (),
    "RaggedTensorToTensor": (),
    "Split": ("num_split",),
    "Squeeze": ("squeeze_dims",),
    "StaticRegexFullMatch": ("pattern",),
    "StaticRegexReplace": ("pattern", "rewrite", "replace_global"),
    "StridedSlice": ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask", "shrink_axis_mask"),
    "StringLength": ("unit",),
    "StringLower": ("encoding",),
    "StringSplitV2": (),
    "StringToNumber": ("out_type",),
    "UnicodeTranscode": ("replacement_char",),
}
# What a page takes for granted of an operation: these attributes have one of these values.
TAKEN: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "AsString": {"T": (tf.int32, tf.int64)},
    "Cumsum": {"reverse": (False,)},
    "DenseBincount": {"binary_output": (False,)},
    "GatherV2": {"batch_dims": (0,)},
    "LookupTableFindV2": {"Tin": (tf.string,), "Tout": (tf.int64,)},
    "RaggedTensorToTensor": {"row_partition_types": ([b"ROW_SPLITS"],)},
    "RealDiv": {"T": (tf.float32,)},
    "StringSplitV2": {"maxsplit": (-1,)},
    "UnicodeTranscode": {
        "input_encoding": (b"UTF-8",),
        "output_encoding": (b"UTF-8",),
        "errors": (b"replace",),
        "replace_control_characters": (False,),
    },
}
# Types of tensors in a page; whole numbers are exact up to 2^53 there.
DTYPES = (tf.float32, tf.int32, tf.int64, tf.bool, tf.string, tf.uint8)
PARTS = ("indices", "values", "shape")  # of a feature that may be missing


@dataclasses.dataclass(frozen=True)
class Frame:
    """A function in the place where it is called.

    Attributes:
        graph: of the function.
        arguments: what its placeholders stand for, by their names.
    """

    graph: Any
    arguments: Mapping[str, tuple[Frame, tf.Tensor]]


class Flattening:
    """Writes out one signature, its calls of functions replaced by what these do.

    Args:
        signature: with one input, serialized tf.Examples.

    Attributes:
        nodes: {"op", "inputs": [[node, output], …], "attrs"}, each after those that it takes; see `describe` for the kinds.
        features: what the signature parses, by the names that a client gives to it: {"dtype", "optional", "choices"}.
    """

    def __init__(self, signature: Any):
        self.nodes: list[dict[str, Any]] = []
        self.features: dict[str, dict[str, Any]] = {}
        self._captured = {inner.name: outer for outer, inner in signature.graph.captures}
        self._top = Frame(signature.graph, {})
        self._frames: dict[tuple[int, str], Frame] = {}
        self._numbers: dict[tuple[int, str], list[list[int]]] = {}  # of an operation's outputs
        self.outputs = {name: self.reference(self._top, tensor) for name, tensor in named_outputs(signature)}

    def reference(self, frame: Frame, tensor: tf.Tensor) -> list[int]:
        """The node and output that a tensor is, written out with all that it is made of."""
        frame, tensor = self._called(frame, tensor)
        key = (id(frame), tensor.op.name)
        if key not in self._numbers:
            self._numbers[key] = self._written(frame, tensor.op)
        return self._numbers[key][tensor.value_index]

    def _called(self, frame: Frame, tensor: tf.Tensor) -> tuple[Frame, tf.Tensor]:
        """The tensor behind calls and their arguments."""
        while True:
            operation = tensor.op
            if operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
                key = (id(frame), operation.name)
                if key not in self._frames:
                    graph = frame.graph._get_function(operation.get_attr("f").name).graph
                    given = {inner.name: (frame, outer) for inner, outer in zip(graph.inputs, operation.inputs, strict=True)}
                    self._frames[key] = Frame(graph, given)
                frame = self._frames[key]
                tensor = frame.graph.outputs[tensor.value_index]
            elif operation.type == "Placeholder" and frame.arguments:
                frame, tensor = frame.arguments[tensor.name]
            else:
                return frame, tensor

    def _add(self, op: str, inputs: list[list[int]], outputs: int = 1, **more: Any) -> list[list[int]]:
        self.nodes.append({"op": op, "inputs": inputs, **more})
        return [[len(self.nodes) - 1, output] for output in range(outputs)]

    def _written(self, frame: Frame, operation: Any) -> list[list[int]]:
        """Adds the nodes of an operation; returns where its outputs are."""
        if operation.type == "Const":
            return self._add("Const", [], value=encoded(tf.make_ndarray(operation.get_attr("value"))))
        if operation.type == "Placeholder":
            captured = self._captured[operation.outputs[0].name]
            is_table = captured.dtype == tf.resource
            return self._add("Table", [], table=table(captured)) if is_table else self._add("Const", [], value=encoded(captured.numpy()))
        if operation.type == "ParseExampleV2":
            return self._parsed(frame, operation)
        if operation.name.split("/")[-1].startswith(PICTURE):
            return self._add("Picture", [], feature=self._only_feature(frame, operation), size=operation.outputs[0].shape[1])
        if operation.type not in OPERATIONS:
            raise Unsupported(f"the operation {operation.type}")
        for name, allowed in TAKEN.get(operation.type, {}).items():
            if operation.get_attr(name) not in allowed:
                raise Unsupported(f"the operation {operation.type} with {name}={operation.get_attr(name)}")
        inputs = [self.reference(frame, tensor) for tensor in operation.inputs]
        return self._add(operation.type, inputs, len(operation.outputs), attrs=dict(attributes(operation)))

    def _parsed(self, frame: Frame, operation: Any) -> list[list[int]]:
        """Features as nodes, in the order of the outputs of ParseExampleV2."""
        sparse, dense = (self._keys(frame, operation.inputs[place]) for place in (2, 3))
        kinds = operation.get_attr("sparse_types"), operation.get_attr("Tdense")
        shapes = operation.get_attr("dense_shapes")
        self.features |= {name: {"dtype": kind.name, "optional": True} for name, kind in zip(sparse, kinds[0], strict=True)}
        self.features |= {name: {"dtype": kind.name, "optional": False} for name, kind in zip(dense, kinds[1], strict=True)}
        found = [self._add("Feature", [], feature=name, part=part)[0] for part in PARTS for name in sparse]
        sizes = [[dimension.size for dimension in shape.dim] for shape in shapes]
        return found + [self._add("Feature", [], feature=name, shape=size)[0] for name, size in zip(dense, sizes, strict=True)]

    def _keys(self, frame: Frame, tensor: tf.Tensor) -> list[str]:
        _, found = self._called(frame, tensor)
        return [argument_name(key.decode()) for key in tf.make_ndarray(found.op.get_attr("value")).tolist()]

    def _only_feature(self, frame: Frame, operation: Any) -> str:
        """The feature that an operation is made of."""
        found = set()
        pending = [(frame, tensor) for tensor in operation.inputs]
        seen = set()
        while pending:
            inner, tensor = self._called(*pending.pop())
            if (id(inner), tensor.name) in seen:
                continue
            seen.add((id(inner), tensor.name))
            if tensor.op.type == "ParseExampleV2":
                number, _ = self.reference(inner, tensor)
                found.add(self.nodes[number]["feature"])
            else:
                pending += [(inner, source) for source in tensor.op.inputs]
        (name,) = found
        return name


def describe(signature: Any) -> dict[str, Any]:
    """A signature of serialized tf.Examples as data.

    Args:
        signature: `transform` of a loaded SavedModel.

    Returns:
        {"nodes": […], "outputs": {name: [node, output]}, "features": {name: {"dtype", "optional", …}}}. Beside those of OPERATIONS the
        kinds of nodes are Const ("value"), Feature ("feature" and "shape", or the "part" of a sparse one), Picture ("feature", "size": what
        trainer_modules/common/pictures.py makes of an encoded picture) and Table ("table": {"keys", "values"}).

    Raises:
        DarsenaError: the graph has an operation, a type or a pattern that pages have no form of.
    """
    try:
        found = Flattening(signature)
    except Unsupported as error:
        raise DarsenaError(
            f"expected preprocessing that a page can do itself, received {error}. Serve the model instead (darsena serve), or write the "
            "preprocessing with what docs/web.md lists."
        ) from error
    nodes, outputs = pruned(found.nodes, found.outputs)
    describe_features(nodes, found.features)
    return {"nodes": nodes, "outputs": outputs, "features": found.features}


def pruned(nodes: list[dict[str, Any]], outputs: dict[str, list[int]]) -> tuple[list[dict[str, Any]], dict[str, list[int]]]:
    """The nodes that outputs are made of, and the outputs among them."""
    needed = {node for node, _ in outputs.values()}
    for number in reversed(range(len(nodes))):
        if number in needed:
            needed |= {source for source, _ in nodes[number]["inputs"]}
    places = {number: place for place, number in enumerate(sorted(needed))}
    kept = [nodes[number] for number in sorted(needed)]
    moved = [{**node, "inputs": [[places[source], output] for source, output in node["inputs"]]} for node in kept]
    return moved, {name: [places[node], output] for name, (node, output) in outputs.items()}


def describe_features(nodes: list[dict[str, Any]], features: dict[str, dict[str, Any]]) -> None:
    """Adds to text features what becomes of them: "words" of a free text, the values ("choices") that are told apart, or a "picture"."""
    reached: list[set[str]] = []
    for node in nodes:
        names = set().union(*(reached[number] for number, _ in node["inputs"])) | {node[key] for key in ("feature",) if key in node}
        reached.append(names)
        for name in names:
            feature = features[name]
            if node["op"] == "StringSplitV2":
                feature["words"] = True
            elif node["op"] == "Picture":
                feature["picture"] = node["size"]
            elif node["op"] == "LookupTableFindV2" and feature["dtype"] == "string":
                feature["choices"] = [key for key in nodes[node["inputs"][0][0]]["table"]["keys"]]
    for feature in features.values():
        if feature.get("words"):
            feature.pop("choices", None)


def named_outputs(signature: Any) -> Iterator[tuple[str, tf.Tensor]]:
    """Outputs of a loaded signature by their names, as tensors of its graph."""
    yield from zip(sorted(signature.structured_outputs), signature.outputs, strict=True)


def attributes(operation: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that a page is told, as JSON has them."""
    for name in OPERATIONS[operation.type]:
        value = operation.get_attr(name)
        if name == "pattern":
            value = javascript_pattern(value.decode())
        elif name == "rewrite":
            value = javascript_rewrite(value.decode())
        elif isinstance(value, tf.DType):
            value = checked(value).name
        elif isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, list):
            value = [item.decode() if isinstance(item, bytes) else item for item in value]
        yield name, value


def table(handle: tf.Tensor) -> dict[str, list[Any]]:
    """Keys and values of a look-up table, in the order of the values."""
    keys, values = tf.raw_ops.LookupTableExportV2(table_handle=handle, Tkeys=tf.string, Tvalues=tf.int64)
    order = np.argsort(values.numpy(), kind="stable")
    return {"keys": [keys.numpy()[row].decode("utf-8", "replace") for row in order], "values": values.numpy()[order].tolist()}


def encoded(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON has it: {"dtype", "shape", "data"}; what is no finite number as a text."""
    array = np.asarray(array)
    dtype = checked(tf.as_dtype(array.dtype))
    data = [item.decode() if isinstance(item, bytes) else finite(item) for item in array.ravel().tolist()]
    return {"dtype": dtype.name, "shape": list(array.shape), "data": data}


def finite(value: Any) -> Any:
    """The value; NaN and infinities, which JSON does not have, as the texts "NaN", "Infinity" and "-Infinity"."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def checked(dtype: tf.DType) -> tf.DType:
    """The type, if pages have it."""
    if dtype not in DTYPES:
        raise Unsupported(f"the type {dtype.name}")
    return dtype
