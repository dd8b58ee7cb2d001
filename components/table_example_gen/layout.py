"""What the rows of a table hold: its columns, their types, and how a cell becomes a value."""

import dataclasses
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import DataRejected
from components.splits import DIGEST_BYTES

# What stands for a number that is not known.
NO_NUMBER = ("", "na", "n/a", "nan", "null", "none")

Value = int | float | str | None


@dataclasses.dataclass(frozen=True)
class Layout:
    """The columns of a table; hashable.

    Attributes:
        types: (feature, "INT" | "FLOAT" | "BYTES"), in the order of the schema.
        label: the feature to learn.
        class_names: names that an integer label may have, in the order of its numbers.
        header: names of the columns where a file does not name them.
        delimiter: of .csv files.
        origin: feature that holds the name of the file; empty for none.
        words: of a row of one text at most; 0 for any number.
    """

    types: tuple[tuple[str, str], ...]
    label: str
    class_names: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    delimiter: str = ","
    origin: str = ""
    words: int = 0

    @classmethod
    def of(cls, reader: Mapping[str, Any]) -> "Layout":
        """From the parameters of TableExampleGen."""
        schema = text_format.Parse(reader["schema"], schema_pb2.Schema())
        types = tuple((feature.name, schema_pb2.FeatureType.Name(feature.type)) for feature in schema.feature)
        lists = {name: tuple(reader[name]) for name in ("class_names", "header")}
        return cls(
            types=types,
            label=reader["label"],
            delimiter=reader["delimiter"],
            origin=reader["origin"],
            words=reader["words"],
            **lists,
        )

    @property
    def columns(self) -> list[str]:
        """Names of the features that files have to hold."""
        return [name for name, _ in self.types if name != self.origin]

    def values(self, cells: Mapping[str, Any], where: str) -> tuple[Value, ...]:
        """The values of a row in the order of `types`, None for those that are missing.

        Args:
            cells: texts, or the values of a JSON object, by column.
            where: the row is from, for messages.

        Raises:
            DataRejected: a value is not of its column's type.
        """
        return tuple(self._value(name, kind, cells.get(name), where) for name, kind in self.types)

    def _value(self, name: str, kind: str, cell: Any, where: str) -> Value:
        if name == self.label and kind == "INT" and self.class_names and not isinstance(cell, bool | int | float):
            return self._class(name, cell, where)
        if cell is None:
            return None
        if kind == "BYTES":
            if not isinstance(cell, str):
                raise wrong(name, "text", cell, where)
            return cell or None
        if isinstance(cell, str):
            if cell.strip().lower() in NO_NUMBER:
                return None
            try:
                cell = int(cell) if kind == "INT" and re.fullmatch(r"\s*[+-]?\d+\s*", cell) else float(cell)
            except ValueError:
                raise wrong(name, "a number", cell, where) from None
        if not isinstance(cell, bool | int | float):
            raise wrong(name, "a number", cell, where)
        if not math.isfinite(cell):
            if math.isnan(cell):
                return None
            raise wrong(name, "a finite number", cell, where)
        if kind == "FLOAT":
            return float(cell)
        if cell != int(cell) or not -(2**63) <= cell < 2**63:
            raise wrong(name, "an integer of 64 bits", cell, where)
        return int(cell)

    def _class(self, name: str, cell: Any, where: str) -> Value:
        """The number of a class that is given by its name, or by its number where no name looks like one."""
        text = "" if cell is None else str(cell).strip()
        if text in self.class_names:
            return self.class_names.index(text)
        if not text:
            return None
        if text.isdecimal() and not any(other.isdecimal() for other in self.class_names):
            return int(text)
        raise wrong(name, f"one of {', '.join(self.class_names)}", cell, where)

    def cut(self, values: tuple[Value, ...]) -> list[tuple[Value, ...]]:
        """A row of one text as several of at most `words` words (of what white space parts), any other row as it is."""
        (text, *others) = values
        if not self.words or others or not isinstance(text, str):
            return [values]
        found = text.split()
        if len(found) <= self.words:
            return [values]
        return [(" ".join(found[at : at + self.words]),) for at in range(0, len(found), self.words)]

    def digest(self, values: tuple[Value, ...]) -> bytes:
        """A hash of a row's inputs: all its values but the label, texts without regard to case and white space."""
        inputs = [
            (name, " ".join(value.split()).casefold() if isinstance(value, str) else value)
            for (name, _), value in zip(self.types, values, strict=True)
            if name not in (self.label, self.origin)
        ]
        return hashlib.blake2b(repr(inputs).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def wrong(name: str, expected: str, cell: Any, where: str) -> DataRejected:
    """The message about a value that is not what its column holds."""
    text = repr(cell) if len(repr(cell)) <= 60 else repr(cell)[:57] + "…"
    return DataRejected(f"expected {name} to be {expected} in {where}, received {text}. Mend the row, or leave it empty if it is unknown.")
