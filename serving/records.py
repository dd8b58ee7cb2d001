"""TFRecord files without TensorFlow: a record's bytes, and the records of a file with their checksums verified.

Source: tensorflow/core/lib/io/record_writer.h. A record is its length in 8 bytes, a checksum of that in 4, the content, a checksum of it
in 4; all numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

LENGTH, AROUND = struct.Struct("<Q"), 16


def framed(content: bytes) -> bytes:
    """A record as it stands in a file."""
    length = LENGTH.pack(len(content))
    return b"".join((length, masked(length), content, masked(content)))


def records(file: IO[bytes]) -> Iterator[bytes]:
    """The records of a TFRecord file from where it stands, their checksums verified.

    Raises:
        OSError: a record is damaged or cut short.
    """
    place = 0
    while head := file.read(LENGTH.size + 4):
        if len(head) < LENGTH.size + 4 or masked(head[: LENGTH.size]) != head[LENGTH.size :]:
            raise OSError(f"the record at byte {place} has a damaged length")
        (length,) = LENGTH.unpack(head[: LENGTH.size])
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
