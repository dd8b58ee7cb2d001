"""Whole numbers of 64 bits at a model's edges become 32, and nothing else changes."""

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipelines.common.web.narrowing import narrowed


def converted(function, *specs) -> bytes:
    concrete = tf.function(function).get_concrete_function(*specs)
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert()


def test_whole_numbers_enter_and_leave_in_32_bits():
    table = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3) ** 2)

    def model(one, other):
        return {"row": tf.gather(table, one) + tf.cast(other, tf.float32), "best": tf.argmax(tf.gather(table, one), axis=1) + one + 5}

    content = converted(model, tf.TensorSpec([2], tf.int64, name="one"), tf.TensorSpec([2, 3], tf.int64, name="other"))
    one, other = np.array([3, 1]), np.array([[1, -2, 3], [40000, 5, 6]])
    expected = Interpreter(model_content=content).get_signature_runner("serving_default")(one=one, other=other)
    runner = Interpreter(model_content=narrowed(content)).get_signature_runner("serving_default")
    found = runner(one=one.astype(np.int32), other=other.astype(np.int32))
    assert {name: values.dtype for name, values in found.items()} == {"row": np.float32, "best": np.int32}
    assert found["best"].tolist() == expected["best"].tolist() == [10, 8]
    np.testing.assert_array_equal(found["row"], expected["row"])


def test_a_model_without_them_is_as_it_was():
    content = converted(lambda x: {"y": x * 2}, tf.TensorSpec([2], tf.float32, name="x"))
    assert narrowed(content) is content
