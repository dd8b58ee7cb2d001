"""Metadata in a TFLite file: what its inputs and outputs are, and the files with labels and words that a client needs.

The format is TFLite Model Metadata (schema 1.5, https://ai.google.dev/edge/litert/conversion/tensorflow/metadata): a flatbuffer as
the model's metadata TFLITE_METADATA, and a zip archive at the end of the file. MediaPipe's writer for it comes with OpenCV and an audio
library (340 MB), tflite-support's is of 2023 and for protobuf 3: so the few tables are written here, with the flatbuffers library. Their
slots are in the order of the fields in metadata_schema.fbs.
"""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers

NAME, IDENTIFIER = "TFLITE_METADATA", b"M001"
LABELS, VOCABULARY = 2, 5  # AssociatedFileType
RGB, GREY = 1, 2  # ColorSpaceType
FEATURE, IMAGE, NORMALISATION = 1, 2, 1  # members of unions
EPOCH = (1980, 1, 1, 0, 0, 0)  # of files in the archive, so that a model has the same bytes whenever it is made


@dataclasses.dataclass(frozen=True)
class Attached:
    """A text file with a line for each entry: the class of a column, or the word of a number.

    Attributes:
        name: of the file in the archive.
        description: what it is.
        kind: LABELS or VOCABULARY.
        lines: its content; none holds a line break.
    """

    name: str
    description: str
    kind: int
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Described:
    """An input or output of a model.

    Attributes:
        name: as in the signature.
        description: what it is.
        mean, std: what a client subtracts from each channel or column of what it has, and then divides it by; 0 and 1 for nothing.
        low, high: what values it has, of each channel or of all.
        picture: width, height and colour space (RGB or GREY) of a picture; empty for anything else.
        attached: its files.
    """

    name: str
    description: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    picture: tuple[int, ...] = ()
    attached: tuple[Attached, ...] = ()


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """A model.

    Attributes:
        name, description, version, author, license: of the model, as texts.
        inputs, outputs: in any order.
    """

    name: str
    description: str
    version: str
    author: str
    license: str
    inputs: tuple[Described, ...] = ()
    outputs: tuple[Described, ...] = ()


def attach(file: Path, model: ModelDescription) -> None:
    """Writes metadata into a TFLite file that has none.

    Args:
        file: with the one signature that converters.py makes.
        model: what it is; its inputs and outputs by their names in the signature.

    Raises:
        ValueError: the file has other inputs or outputs.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    content = flatbuffer_utils.read_model(str(file))
    signature, graph = content.signatureDefs[0], content.subgraphs[0]
    inputs = in_order(model.inputs, signature.inputs, graph.inputs)
    outputs = in_order(model.outputs, signature.outputs, graph.outputs)
    buffer = schema.BufferT()
    buffer.data = list(encoded(dataclasses.replace(model, inputs=inputs, outputs=outputs)))
    entry = schema.MetadataT()
    entry.name, entry.buffer = NAME, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*(content.metadata or []), entry]
    flatbuffer_utils.write_model(content, str(file))
    files = {attached.name: attached for tensor in (*inputs, *outputs) for attached in tensor.attached}
    if files:
        with zipfile.ZipFile(file, "a") as archive:
            for name, attached in files.items():
                archive.writestr(zipfile.ZipInfo(name, EPOCH), "".join(f"{line}\n" for line in attached.lines))


def in_order(described: Sequence[Described], maps: Sequence[Any], tensors: Sequence[int]) -> tuple[Described, ...]:
    """What is described by name, in the order of the graph's tensors."""
    by_name = {tensor.name: tensor for tensor in described}
    names = {each.tensorIndex: each.name.decode() for each in maps}
    if sorted(by_name) != sorted(names.values()):
        raise ValueError(f"expected the inputs or outputs {sorted(by_name)}, received {sorted(names.values())}: describe those.")
    return tuple(by_name[names[index]] for index in tensors)


def encoded(model: ModelDescription) -> bytes:
    """The flatbuffer ModelMetadata."""
    words = any(attached.kind == VOCABULARY for tensor in model.inputs for attached in tensor.attached)
    graph = Table({0: model.name, 2: [tensor_table(each) for each in model.inputs], 3: [tensor_table(each) for each in model.outputs]})
    texts = {0: model.name, 1: model.description, 2: model.version, 4: model.author, 5: model.license}
    builder = flatbuffers.Builder(1024)
    builder.Finish(Table({**texts, 3: [graph], 7: "1.0.1" if words else "1.0.0"}).write(builder), IDENTIFIER)
    return bytes(builder.Output())


def tensor_table(tensor: Described) -> Table:
    """TensorMetadata."""
    if tensor.picture:
        width, height, colours = tensor.picture
        properties = Table({0: Scalar("Int8", colours), 1: Table({0: Scalar("Uint32", width), 1: Scalar("Uint32", height)})})
    else:
        properties = Table({})
    content = Table({0: Scalar("Uint8", IMAGE if tensor.picture else FEATURE), 1: properties})
    normalisation = Table({0: Scalar("Uint8", NORMALISATION), 1: Table({0: tensor.mean, 1: tensor.std})})
    files = [Table({0: each.name, 1: each.description, 2: Scalar("Int8", each.kind)}) for each in tensor.attached]
    fields = {0: tensor.name, 1: tensor.description, 3: content, 4: [normalisation], 5: Table({0: tensor.high, 1: tensor.low})}
    return Table(fields | ({6: files} if files else {}))


@dataclasses.dataclass(frozen=True)
class Scalar:
    """A number of a flatbuffers type, such as "Uint8"."""

    kind: str
    value: int


@dataclasses.dataclass(frozen=True)
class Table:
    """A flatbuffer table: by slot texts, tables, lists of tables, tuples of float32, and scalars."""

    fields: Mapping[int, Any]

    def write(self, builder: Any) -> int:
        """Writes the table after what it refers to; returns its offset."""
        offsets = {slot: _written(builder, value) for slot, value in self.fields.items() if not isinstance(value, Scalar)}
        builder.StartObject(1 + max(self.fields, default=0))
        for slot, value in self.fields.items():
            if isinstance(value, Scalar):
                getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, 0)
            else:
                builder.PrependUOffsetTRelativeSlot(slot, offsets[slot], 0)
        return int(builder.EndObject())


def _written(builder: Any, value: str | tuple[float, ...] | list[Table] | Table) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Table):
        return value.write(builder)
    offsets = [each.write(builder) for each in value] if isinstance(value, list) else []
    builder.StartVector(4, len(value), 4)
    for number in reversed(offsets or value):
        if isinstance(value, list):
            builder.PrependUOffsetTRelative(number)
        else:
            builder.PrependFloat32(number)
    return int(builder.EndVector())
