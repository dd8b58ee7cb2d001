"""Loads a SavedModel with TensorFlow's C++ loader and asks it, through the C API; the Python package is not imported.

Python's own loader is more forgiving: a model that it loads may still fail in TF Serving ("Could not find variable …").

Run as `python -m components.serving_validator.c_loader JOB.json INPUTS.npz OUTPUTS.npz`. The job is
`{"saved_model": folder, "calls": [{"feeds": {tensor: array}, "fetches": {array: tensor}}]}`: tensors are named as in the
SavedModel's signatures ("StatefulPartitionedCall:0"); arrays are those of INPUTS, or fetched by an earlier call. It writes all
arrays fetched, and prints the seconds that loading took. It ends after the answers, so nothing is freed.

Source: tensorflow/c/c_api.h, tf_tensor.h and tf_tstring.h of TensorFlow 2.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.arrays import is_text, load_arrays, save_arrays

# TF_DataType in tensorflow/c/tf_datatype.h.
_STRING = 7
_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    17: np.dtype(np.uint16),
    19: np.dtype(np.float16),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_TSTRING_BYTES = 24


class LoaderError(RuntimeError):
    """What TensorFlow answered instead of loading the model or running it."""


class _Output(ctypes.Structure):
    """TF_Output: one of the tensors that an operation gives."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def _library() -> ctypes.CDLL:
    """The C API, with the types of the functions that are used here."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise LoaderError("expected the tensorflow package to be installed, found none: run `make setup`.")
    library = ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "libtensorflow_cc.so.2"))
    pointer, text, size, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    shape = ctypes.POINTER(ctypes.c_int64)
    outputs, pointers = ctypes.POINTER(_Output), ctypes.POINTER(pointer)
    types: dict[str, tuple[type | None, list[type]]] = {
        "TF_NewStatus": (pointer, []),
        "TF_GetCode": (number, [pointer]),
        "TF_Message": (text, [pointer]),
        "TF_NewGraph": (pointer, []),
        "TF_NewSessionOptions": (pointer, []),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            [pointer, pointer, text, ctypes.POINTER(text), number, pointer, pointer, pointer],
        ),
        "TF_GraphOperationByName": (pointer, [pointer, text]),
        "TF_SessionRun": (
            None,
            [pointer, pointer, outputs, pointers, number, outputs, pointers, number, pointers, number, pointer, pointer],
        ),
        "TF_AllocateTensor": (pointer, [number, shape, number, size]),
        "TF_TensorData": (pointer, [pointer]),
        "TF_TensorType": (number, [pointer]),
        "TF_NumDims": (number, [pointer]),
        "TF_Dim": (ctypes.c_int64, [pointer, number]),
        "TF_StringInit": (None, [pointer]),
        "TF_StringCopy": (None, [pointer, text, size]),
        "TF_StringGetDataPointer": (pointer, [pointer]),
        "TF_StringGetSize": (size, [pointer]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class SavedModel:
    """A SavedModel in a C++ session."""

    def __init__(self, folder: Path) -> None:
        """Loads the graph tagged "serve", restores its variables and runs its initialisers.

        Raises:
            LoaderError: TensorFlow could not do so.
        """
        self._tf = _library()
        self._status = self._tf.TF_NewStatus()
        self._graph = self._tf.TF_NewGraph()
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = self._tf.TF_NewSessionOptions()
        self._session = self._tf.TF_LoadSessionFromSavedModel(options, None, str(folder).encode(), tags, 1, self._graph, None, self._status)
        self._check()

    def run(self, feeds: Mapping[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
        """The tensors named in `fetches`, given those in `feeds` (both named "operation:index").

        Raises:
            LoaderError: the graph has no such tensor, or could not be run.
        """
        inputs = (_Output * len(feeds))(*map(self._tensor_name, feeds))
        outputs = (_Output * len(fetches))(*map(self._tensor_name, fetches))
        given = (ctypes.c_void_p * len(feeds))(*map(self._to_tensor, feeds.values()))
        taken = (ctypes.c_void_p * len(fetches))()
        self._tf.TF_SessionRun(self._session, None, inputs, given, len(inputs), outputs, taken, len(outputs), None, 0, None, self._status)
        self._check()
        return [self._to_array(tensor) for tensor in taken]

    def _check(self) -> None:
        if self._tf.TF_GetCode(self._status):
            raise LoaderError(self._tf.TF_Message(self._status).decode(errors="replace"))

    def _tensor_name(self, name: str) -> _Output:
        operation, _, index = name.partition(":")
        found = self._tf.TF_GraphOperationByName(self._graph, operation.encode())
        if not found:
            raise LoaderError(f"expected the graph to have the operation {operation!r} that a signature names, found none")
        return _Output(found, int(index or 0))

    def _to_tensor(self, array: np.ndarray) -> int:
        dims = (ctypes.c_int64 * array.ndim)(*array.shape)
        if not is_text(array):
            tensor: int = self._tf.TF_AllocateTensor(_CODES[array.dtype], dims, array.ndim, array.nbytes)
            ctypes.memmove(self._tf.TF_TensorData(tensor), np.ascontiguousarray(array).ctypes.data, array.nbytes)
            return tensor
        tensor = self._tf.TF_AllocateTensor(_STRING, dims, array.ndim, array.size * _TSTRING_BYTES)
        start = self._tf.TF_TensorData(tensor)
        for index, text in enumerate(array.ravel().tolist()):
            place = start + index * _TSTRING_BYTES
            self._tf.TF_StringInit(place)
            self._tf.TF_StringCopy(place, text, len(text))
        return tensor

    def _to_array(self, tensor: int | None) -> np.ndarray:
        shape = [self._tf.TF_Dim(tensor, axis) for axis in range(self._tf.TF_NumDims(tensor))]
        code, start = self._tf.TF_TensorType(tensor), self._tf.TF_TensorData(tensor)
        if code != _STRING:
            if code not in _DTYPES:
                raise LoaderError(f"expected an output of numbers or strings, received TF_DataType {code}")
            array: np.ndarray = np.empty(shape, _DTYPES[code])
            ctypes.memmove(array.ctypes.data, start, array.nbytes)
            return array
        texts = np.empty(int(np.prod(shape)), object)
        for index in range(texts.size):
            place = start + index * _TSTRING_BYTES
            texts[index] = ctypes.string_at(self._tf.TF_StringGetDataPointer(place), self._tf.TF_StringGetSize(place))
        return texts.reshape(shape)


def main(arguments: list[str]) -> None:
    """The command line, see the head of this module."""
    job, inputs, outputs = map(Path, arguments)
    wanted = json.loads(job.read_text())
    arrays = load_arrays(inputs)
    fetched: dict[str, np.ndarray] = {}
    start = time.perf_counter()
    model = SavedModel(Path(wanted["saved_model"]))
    print(time.perf_counter() - start)  # noqa: T201
    for call in wanted["calls"]:
        feeds = {tensor: {**arrays, **fetched}[array] for tensor, array in call["feeds"].items()}
        answers = model.run(feeds, list(call["fetches"].values()))
        fetched.update(zip(call["fetches"], answers, strict=True))
    save_arrays(outputs, fetched)


if __name__ == "__main__":
    main(sys.argv[1:])
