"""Decoding of raw features, the first step of a preprocessing_fn.

A decoded feature is marked by its name in the Transform graph. `signatures.py` finds the mark: tf.Examples enter the graph
before it and the named tensors of a request (or of a TFLite model, which knows no strings) enter at it, so that both run the
same graph from there on.
"""

import tensorflow as tf

MARK = "decoded/"


def decoded(feature: str, tensor: tf.Tensor) -> tf.Tensor:
    """Marks `tensor` as the decoded form of the raw feature.

    Args:
        feature: name of the raw feature in the schema.
        tensor: its decoded values, batch first.

    Returns:
        The same values.
    """
    return tf.identity(tensor, name=MARK + feature)


def decode_pixels(feature: str, raw: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Decodes images that a tf.Example holds as raw uint8 pixels.

    Args:
        feature: name of the raw feature in the schema.
        raw: string [N], each with exactly the bytes of one image, row by row.
        shape: of one image, (height, width) or (height, width, channels).

    Returns:
        uint8 [N, *shape]; the graph fails on a string of another length.
    """
    flat = tf.io.decode_raw(tf.reshape(raw, [-1]), tf.uint8)
    return decoded(feature, tf.reshape(flat, [-1, *shape]))
