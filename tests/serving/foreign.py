"""SavedModels that would touch the machine they are loaded on: what a stranger could send."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

ANSWER = tf.TensorSpec([None], tf.float32, name="x")


class Served(tf.Module):
    """A model that looks like any other: y = x · w, and what `act` does besides.

    Args:
        act: called while a request is answered; gives a number.
    """

    def __init__(self, act: Callable[[], tf.Tensor]) -> None:
        super().__init__()
        self.w = tf.Variable(1.0)
        self.act = act

    @tf.function(input_signature=[ANSWER])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * self.w + self.act()}


def length(text: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(text), tf.float32)


def reads(file: str) -> tf.Tensor:
    return length(tf.io.read_file(file))


def writes(file: str) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file(file, "was here")]):
        return tf.constant(1.0)


def writes_in_a_branch(file: str) -> tf.Tensor:
    return tf.cond(tf.random.uniform([]) < 2.0, lambda: writes(file), lambda: tf.constant(0.0))


def writes_in_a_loop(file: str) -> tf.Tensor:
    return tf.while_loop(lambda n: n < 1.0, lambda n: n + writes(file), [tf.constant(0.0)])[0]


def writes_in_a_function_of_a_function(file: str) -> tf.Tensor:
    inner = tf.function(lambda: writes(file), autograph=False)
    return tf.function(lambda: inner() + 1.0, autograph=False)()


def writes_while_mapping(file: str) -> tf.Tensor:
    return tf.map_fn(lambda _: writes(file), tf.zeros([1]))[0]


def reads_a_dataset(file: str) -> tf.Tensor:
    return tf.data.TextLineDataset(file).map(length).reduce(0.0, lambda total, one: total + one)


def reads_records(file: str) -> tf.Tensor:
    return tf.data.TFRecordDataset(file).map(length).reduce(0.0, lambda total, one: total + one)


def lists_files(file: str) -> tf.Tensor:
    return tf.cast(tf.size(tf.io.matching_files(file + "*")), tf.float32)


def prints_to_a_file(file: str) -> tf.Tensor:
    with tf.control_dependencies([tf.print("was here", output_stream=f"file://{file}")]):
        return tf.constant(1.0)


def calls_python(file: str) -> tf.Tensor:
    return tf.py_function(lambda: Path(file).write_text("was here") * 1.0, [], tf.float32)


def calls_numpy(file: str) -> tf.Tensor:
    return tf.cast(tf.numpy_function(lambda: Path(file).write_text("was here") * 1.0, [], tf.float64), tf.float32)


def restores_a_checkpoint(file: str) -> tf.Tensor:
    return tf.raw_ops.RestoreV2(prefix=file, tensor_names=["w"], shape_and_slices=[""], dtypes=[tf.float32])[0]


def saves_a_checkpoint(file: str) -> tf.Tensor:
    with tf.control_dependencies([tf.raw_ops.SaveV2(prefix=file, tensor_names=["w"], shape_and_slices=[""], tensors=[tf.constant(1.0)])]):
        return tf.constant(1.0)


def maps_memory(file: str) -> tf.Tensor:
    return tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[], memory_region_name=file)


def decodes_by_a_descriptor(file: str) -> tf.Tensor:
    decoded = tf.io.decode_proto(tf.constant([b""]), "a.B", ["c"], [tf.float32], descriptor_source=file)
    return tf.cast(tf.size(decoded.sizes), tf.float32)


def aborts(_: str) -> tf.Tensor:
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="", exit_without_error=False)]):
        return tf.constant(1.0)


# What is not allowed of it (an expression, as data sets are of several operations), and what does it.
ACTS: dict[str, tuple[str, Callable[[str], tf.Tensor]]] = {
    "a file read": ("ReadFile", reads),
    "a file written": ("WriteFile", writes),
    "written in a branch": ("WriteFile", writes_in_a_branch),
    "written in a loop": ("WriteFile", writes_in_a_loop),
    "written in a nested function": ("WriteFile", writes_in_a_function_of_a_function),
    "written in a map": ("WriteFile", writes_while_mapping),
    "lines of a data set": (r"\w*Dataset\w*", reads_a_dataset),
    "records of a data set": (r"\w*Dataset\w*", reads_records),
    "files listed": ("MatchingFiles", lists_files),
    "printed to a file": ("PrintV2", prints_to_a_file),
    "Python": ("EagerPyFunc", calls_python),
    "NumPy": ("PyFunc", calls_numpy),
    "a checkpoint read": ("RestoreV2", restores_a_checkpoint),
    "a checkpoint written": ("SaveV2", saves_a_checkpoint),
    "memory mapped": ("ImmutableConst", maps_memory),
    "a descriptor read": ("DecodeProtoV2", decodes_by_a_descriptor),
    "an abort": ("Abort", aborts),
}


class WritesOnLoading(tf.Module):
    """Does its work before anybody asks: as the initializer of a table, which loading runs."""

    class Table(tf.lookup.StaticHashTable):
        """A table whose initializer writes a file."""

        def __init__(self, file: str) -> None:
            self._file = file
            super().__init__(tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), -1.0)

        def _initialize(self) -> tf.Operation:
            if not tf.executing_eagerly():
                tf.io.write_file(self._file, "was here")
            return super()._initialize()

    def __init__(self, file: str) -> None:
        super().__init__()
        self.w = tf.Variable(1.0)
        self.table = self.Table(file)

    @tf.function(input_signature=[ANSWER])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * self.w + 0.0 * self.table.lookup(tf.constant("a"))}


class Words(tf.Module):
    """A look-up in a vocabulary: numbers of words, by a text file that goes with the model as an asset."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.w = tf.Variable(1, dtype=tf.int64)
        lines = tf.lookup.TextFileInitializer(
            str(file), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(lines, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def serve(self, word: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": self.table.lookup(word) * self.w}


def export(module: tf.Module, folder: Path) -> Path:
    """Writes it as a SavedModel."""
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder
