"""What an NPZ file holds, told from its headers, before NumPy takes memory for it; pickled objects are refused."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from components.errors import DataRejected
from components.files import MOST_COMPRESSION

# What zipfile and NumPy raise for files that are damaged, encrypted (RuntimeError), or compressed in a way they don't know.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError, NotImplementedError, RuntimeError)


def array_names(path: Path) -> set[str]:
    """Names of the arrays of a file.

    Raises:
        DataRejected: it is not readable.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except DAMAGE as error:
        raise damaged(path, error) from error


def array_type(path: Path, key: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape of an array, from its header alone.

    Raises:
        DataRejected: it holds Python objects, is not readable, or its size differs from what its header says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{key}.npy")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read_header(file)
                header = file.tell()
    except DAMAGE as error:
        raise damaged(path, error) from error
    if dtype.hasobject:
        raise DataRejected(
            f"expected numbers in {key} of {path}, received pickled Python objects, which could run code. Save it as an array of integers."
        )
    size = dtype.itemsize
    for length in shape:
        size *= length
    if header + size != member.file_size or member.file_size > MOST_COMPRESSION * (member.compress_size + 1):
        raise DataRejected(f"expected {size} bytes in {key} of {path}, received {member.file_size - header}. It is damaged: save it again.")
    return dtype, shape


def damaged(path: Path, error: Exception) -> DataRejected:
    """The message about a file that is no NPZ file, or not all of one."""
    return DataRejected(f"expected {path} to be an NPZ file as numpy.savez writes it, could not read it ({error}). Save it again.")
