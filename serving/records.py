"""TFRecord files without TensorFlow: a record's bytes, as `components/records.py` reads them.

Source: tensorflow/core/lib/io/record_writer.h. A record is its length in 8 bytes, a checksum of that in 4, the content, a checksum of it
in 4; all numbers are little-endian.
"""

from __future__ import annotations

import struct

LENGTH = struct.Struct("<Q")


def framed(content: bytes) -> bytes:
    """A record as it stands in a file."""
    length = LENGTH.pack(len(content))
    return b"".join((length, masked(length), content, masked(content)))


def masked(content: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, rotated and moved, little-endian."""
    import google_crc32c

    crc = google_crc32c.value(content)
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
