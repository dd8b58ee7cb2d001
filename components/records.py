"""The records of TFRecord files, each verified.

TensorFlow takes a file that is cut in the head of a record, or anywhere if it is packed, for a shorter one.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Protocol


class Readable(Protocol):
    """A file that is open, packed or not."""

    def read(self, size: int, /) -> bytes: ...


# A record: its length in 8 bytes, a checksum of that in 4, the content, a checksum of it in 4.
LENGTH, AROUND = struct.Struct("<Q"), 16
LONGEST = 1 << 31  # as no message of protobuf is longer


# The name of a shard says how many records it has: a file that was cut between two of them is a good TFRecord file otherwise.
COUNT = re.compile(r"-of-\d{5}-(\d+)$")


def shard_name(number: int, total: int, count: int) -> str:
    """Of a file of so many records."""
    return f"data_tfrecord-{number:05d}-of-{total:05d}-{count}"


def check_count(name: str, count: int) -> None:
    """Raises OSError if a shard's name says that it has another number of records."""
    named = COUNT.search(name)
    if named and int(named[1]) != count:
        raise OSError(f"{count} of {named[1]} records")


def records(file: Readable) -> Iterator[bytes]:
    """The records of a TFRecord file from where it stands, their checksums verified.

    Raises:
        OSError: a record is damaged or cut short; says where it begins.
    """
    place = 0
    while head := file.read(LENGTH.size + 4):
        if len(head) < LENGTH.size + 4 or masked(head[: LENGTH.size]) != head[LENGTH.size :]:
            raise OSError(f"the record at byte {place} has a damaged length")
        (length,) = LENGTH.unpack(head[: LENGTH.size])
        if length >= LONGEST:
            raise OSError(f"the record at byte {place} has a length of {length} bytes")
        content, check = file.read(length), file.read(4)
        if len(content) < length or masked(content) != check:
            raise OSError(f"the record at byte {place} is damaged or cut short")
        place += length + AROUND
        yield content


def masked(content: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, rotated and moved, little-endian."""
    import google_crc32c

    crc = google_crc32c.value(content)
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
