"""Telling files of pictures from other bytes."""

_BEGINNINGS = (b"\x89PNG", b"\xff\xd8", b"BM")


def is_encoded_picture(value: object) -> bool:
    """Whether these are bytes that begin as a PNG, JPEG or BMP file does."""
    return isinstance(value, bytes) and value.startswith(_BEGINNINGS)
