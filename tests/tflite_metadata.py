"""Reads the metadata of a TFLite file by the slots of metadata_schema.fbs, independently of what writes it."""

import zipfile
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types
from flatbuffers.table import Table


def field(table: Table, slot: int, kind: Any, default: Any = None) -> Any:
    """A field: "text", "table", "tables", "floats", or a flatbuffers number type."""
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return default
    place = table.Pos + offset
    if kind == "text":
        return table.String(place).decode()
    if kind == "table":
        return Table(table.Bytes, table.Indirect(place))
    if kind == "tables":
        start = table.Vector(offset)
        return [Table(table.Bytes, table.Indirect(start + 4 * at)) for at in range(table.VectorLen(offset))]
    if kind == "floats":
        return table.GetVectorAsNumpy(number_types.Float32Flags, offset).tolist()
    return table.Get(kind, place)


def read_metadata(file: Path) -> dict[str, Any]:
    """Name, description, version, author, license, and inputs and outputs in the order of the graph, with their names there."""
    content = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    (entry,) = [entry for entry in content.metadata if entry.name == b"TFLITE_METADATA"]
    buffer = bytes(content.buffers[entry.buffer].data)
    assert buffer[4:8] == b"M001"
    model = Table(buffer, encode.Get(number_types.UOffsetTFlags.packer_type, buffer, 0))
    (graph,) = field(model, 3, "tables")
    found = {name: field(model, slot, "text") for slot, name in ((0, "name"), (1, "description"), (2, "version"), (4, "author"))}
    found |= {"license": field(model, 5, "text"), "parser": field(model, 7, "text")}
    signature, subgraph = content.signatureDefs[0], content.subgraphs[0]
    for kind, slot, maps, order in (("inputs", 2, signature.inputs, subgraph.inputs), ("outputs", 3, signature.outputs, subgraph.outputs)):
        names = {each.tensorIndex: each.name.decode() for each in maps}
        tensors = [read_tensor(table, file) for table in field(graph, slot, "tables")]
        assert [tensor["name"] for tensor in tensors] == [names[index] for index in order]
        found[kind] = {tensor["name"]: tensor for tensor in tensors}
    return found


def read_tensor(table: Table, file: Path) -> dict[str, Any]:
    """A TensorMetadata, with the lines of its files by name and kind."""
    content, (unit,), stats = field(table, 3, "table"), field(table, 4, "tables"), field(table, 5, "table")
    assert field(unit, 0, number_types.Uint8Flags) == 1
    picture = None
    if field(content, 0, number_types.Uint8Flags) == 2:
        properties = field(content, 1, "table")
        size = field(properties, 1, "table")
        colours = field(properties, 0, number_types.Int8Flags)
        picture = (field(size, 0, number_types.Uint32Flags), field(size, 1, number_types.Uint32Flags), colours)
    files = {}
    for each in field(table, 6, "tables", []):
        with zipfile.ZipFile(file) as archive:
            lines = archive.read(field(each, 0, "text")).decode().removesuffix("\n").split("\n")
        files[field(each, 0, "text")] = (field(each, 2, number_types.Int8Flags), lines)
    normalisation = field(unit, 1, "table")
    return {
        "name": field(table, 0, "text"),
        "description": field(table, 1, "text"),
        "mean": field(normalisation, 0, "floats"),
        "std": field(normalisation, 1, "floats"),
        "high": field(stats, 0, "floats"),
        "low": field(stats, 1, "floats"),
        "picture": picture,
        "files": files,
    }
