"""A TFLite model whose whole numbers enter and leave in 32 bits, since LiteRT.js has no tensors of 64.

Nothing within the model changes: a CAST is put before each such input and after each such output.
Source: the schema of TFLite's FlatBuffers (tensorflow/lite/schema/schema.fbs).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

IDENTIFIER = b"TFL3"


def narrowed(content: bytes) -> bytes:
    """The model with int32 for every int64 of its inputs and outputs.

    Args:
        content: of a .tflite file.

    Returns:
        The same content if there is none.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    wide = [number for number in (*graph.inputs, *graph.outputs) if graph.tensors[number].type == schema.TensorType.INT64]
    if not wide:
        return content
    model.operatorCodes.append(operator_code(schema))
    numbers = {int(number): narrow_copy(schema, graph, number) for number in wide}
    entering = [cast(schema, model, numbers[number], number) for number in map(int, graph.inputs) if number in numbers]
    leaving = [cast(schema, model, number, numbers[number]) for number in map(int, graph.outputs) if number in numbers]
    graph.operators = [*entering, *graph.operators, *leaving]
    graph.inputs, graph.outputs = (
        np.array([numbers.get(int(number), number) for number in places], np.int32) for places in (graph.inputs, graph.outputs)
    )
    for signature in model.signatureDefs:
        for each in (*signature.inputs, *signature.outputs):
            each.tensorIndex = numbers.get(int(each.tensorIndex), each.tensorIndex)
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def operator_code(schema: Any) -> Any:
    """The code of CAST."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    code.version = 1
    return code


def narrow_copy(schema: Any, graph: Any, number: int) -> int:
    """Adds a tensor like that one, of 32 bits; returns its number."""
    tensor = copy.copy(graph.tensors[number])
    tensor.type, tensor.name, tensor.buffer = schema.TensorType.INT32, tensor.name + b"_int32", 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def cast(schema: Any, model: Any, source: int, target: int) -> Any:
    """An operation from one tensor to the other."""
    tensors = model.subgraphs[0].tensors
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.CastOptions
    operator.builtinOptions = schema.CastOptionsT()
    operator.builtinOptions.inDataType, operator.builtinOptions.outDataType = tensors[source].type, tensors[target].type
    return operator
