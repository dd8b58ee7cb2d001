"""What a SavedModel would do, told from its saved_model.pb without loading it. Imports TensorFlow.

TensorFlow runs whatever a graph says: it can read and write any file and ask any machine, some of it already while it is loaded. So a
SavedModel that is served is first held to a list of operations that only calculate, and may touch files in two ways: the functions
that save and restore its variables, and the vocabularies that it brings along itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from serving.allowed_operations import ALLOWED
from serving.errors import ForeignModel

# What the saver's own two functions may have besides.
SAVES, RESTORES = frozenset({"SaveV2", "MergeV2Checkpoints", "ShardedFilename"}), frozenset({"RestoreV2"})
READS_ASSET = "InitializeTableFromTextFileV2"  # its second input is the file
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# TensorFlow reads these instead of, or beside, saved_model.pb where they are there.
OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")

Nodes = Iterable[node_def_pb2.NodeDef]


def load(folder: Path) -> Any:
    """Loads a SavedModel that does nothing but calculate: `tf.saved_model.load` after `checked`."""
    checked(folder)
    return tf.saved_model.load(str(folder))


def checked(folder: Path) -> saved_model_pb2.SavedModel:
    """Reads saved_model.pb, and holds it to what a served model may do. Nothing of the model runs.

    Args:
        folder: of the SavedModel.

    Raises:
        OSError: there is none.
        google.protobuf.message.DecodeError: it is damaged.
        ForeignModel: it has another operation than those allowed, or names a file that is not its own.
    """
    for name in OTHER_FORMS:
        if (folder / name).exists():
            raise ForeignModel(
                f"expected saved_model.pb alone in {folder}, received {name} beside it, which would be loaded instead: remove it"
            )
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    # Of such a one TensorFlow loads the objects and their functions; what lies in the graph itself is for loaders in C++.
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise ForeignModel(f"expected a SavedModel of TensorFlow 2 in {folder}, with one graph and its objects: export it anew")
    check_operations(saved.meta_graphs[0])
    check_assets(saved.meta_graphs[0], folder)
    return saved


def check_operations(graph: meta_graph_pb2.MetaGraphDef) -> None:
    """Raises ForeignModel if a node, in the graph or in any of its functions, is of an operation that is not allowed there."""
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    if len(functions) < len(graph.graph_def.library.function) or not ALLOWED.isdisjoint(functions):
        raise ForeignModel(
            "expected functions with names of their own, received two of one name, or one with an operation's: it is not loaded"
        )
    saver = (graph.saver_def.save_tensor_name.partition(":")[0], graph.saver_def.restore_op_name)
    saving, restoring = (reached([node for node in graph.graph_def.node if node.name == name], functions) for name in saver)
    others = reached([node for node in graph.graph_def.node if node.name not in saver], functions)
    others |= reached_from(graph.object_graph_def.concrete_functions, functions)
    check_nodes(graph.graph_def.node, ALLOWED, "the graph")
    for name, function in functions.items():
        allowed = ALLOWED | {READS_ASSET}
        if name not in others:
            allowed |= (SAVES if name in saving else frozenset()) | (RESTORES if name in restoring else frozenset())
        check_nodes(function.node_def, allowed, f"the function {name}")


def check_nodes(nodes: Nodes, allowed: frozenset[str], place: str) -> None:
    """Raises ForeignModel for the first node of another operation."""
    for node in nodes:
        if node.op not in allowed:
            raise ForeignModel(
                f"expected operations that only calculate, received {node.op} (node {node.name} of {place}), which is not on the list "
                "of serving/allowed_operations.py: it is not loaded"
            )


def reached(nodes: Nodes, functions: Mapping[str, function_pb2.FunctionDef]) -> set[str]:
    """Names of the functions that nodes call, directly or not."""
    return reached_from((name for node in nodes for name in called(node)), functions)


def reached_from(names: Iterable[str], functions: Mapping[str, function_pb2.FunctionDef]) -> set[str]:
    """Names of functions, and of those that these call, directly or not."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in functions and name not in found:
            found.add(name)
            left += [inner for node in functions[name].node_def for inner in called(node)]
    return found


def called(node: node_def_pb2.NodeDef) -> Iterator[str]:
    """Names of the functions that a node calls."""
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            if function.name:
                yield function.name


def check_assets(graph: meta_graph_pb2.MetaGraphDef, folder: Path) -> None:
    """Raises ForeignModel unless every file that a table is read from is an asset of the SavedModel, inside its own folder."""
    for asset in graph.asset_file_def:
        path = PurePosixPath(asset.filename)
        if path.is_absolute() or ".." in path.parts or not (folder / "assets" / path).resolve().is_relative_to(folder.resolve()):
            raise ForeignModel(f"expected assets inside the SavedModel, received {asset.filename}: it is not loaded")
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    objects = graph.object_graph_def
    for name, places in file_arguments(functions).items():
        # Of a function that an object has, the last arguments are bound to other objects: among them the files.
        concrete = objects.concrete_functions.get(name)
        if concrete:
            first_bound = len(functions[name].signature.input_arg) - len(concrete.bound_inputs)
            kinds = {
                place: objects.nodes[concrete.bound_inputs[place - first_bound]].WhichOneof("kind")
                for place in places
                if place >= first_bound
            }
            if any(kinds.get(place) != "asset" for place in places):
                raise foreign_file(name, "the objects")


def file_arguments(functions: Mapping[str, function_pb2.FunctionDef]) -> dict[str, set[int]]:
    """Of each function that reads a table's file, itself or in one that it calls, the arguments that name the file.

    Raises:
        ForeignModel: a name of a file is anything but an argument that is handed on.
    """
    found: dict[str, set[int]] = {name: set() for name in functions}
    grew = True
    while grew:
        grew = False
        for name, function in functions.items():
            arguments = {argument.name: place for place, argument in enumerate(function.signature.input_arg)}
            nodes = {node.name: node for node in function.node_def}
            for node in function.node_def:
                for place in file_inputs(node, found):
                    source = node.input[place]
                    while (before := nodes.get(source.partition(":")[0])) and before.op == "Identity" and before.name != source:
                        source = before.input[0]
                    if source not in arguments:
                        raise foreign_file(node.name, f"the function {name}")
                    grew |= arguments[source] not in found[name]
                    found[name].add(arguments[source])
    return {name: places for name, places in found.items() if places}


def file_inputs(node: node_def_pb2.NodeDef, files: Mapping[str, set[int]]) -> Iterator[int]:
    """Which inputs of a node name files, by what is known of the functions.

    Raises:
        ForeignModel: the node calls one that reads a file in another way than as it is: a branch or a loop, say.
    """
    if node.op == READS_ASSET:
        yield 1
    for name in called(node):
        if files.get(name) and node.op not in CALLS:
            raise foreign_file(node.name, f"a {node.op}")
        yield from files.get(name, ())


def foreign_file(node: str, place: str) -> ForeignModel:
    """The error for a table that is read from elsewhere."""
    return ForeignModel(
        f"expected tables to be read from the SavedModel's own assets, received another file (node {node} of {place}): it is not loaded"
    )
