"""tf.Examples of short texts with known words, as TableExampleGen writes them."""

import tensorflow as tf

# "film" occurs most often, 60 times, then "bad" (48), "good" (36), "not" (24) and "!" (12).
TEXTS = ("Film, GOOD!", "<br />not bad, not BAD film", "film film bad, bad good", "good film") * 12
NUMBERS = {"film": 2, "bad": 3, "good": 4, "not": 5, "!": 6}


def example(text: str | bytes, label: int, **features: str) -> bytes:
    """A serialized tf.Example with a text, a label and further texts."""
    texts = {"text": text, **features}
    encoded = {name: value.encode() if isinstance(value, str) else value for name, value in texts.items()}
    found = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in encoded.items()}
    found["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString()
