"""Warm-up requests: TF Serving replays them before a new version takes over, so that its first client does not wait.

Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.golden import read_records

FILE = "tf_serving_warmup_requests"
PLACE = Path("assets.extra") / FILE  # in a version's folder
REQUESTS = 8


def write_requests(saved_model_dir: Path, model_name: str, examples: list[bytes], file: Path) -> None:
    """Writes a TFRecord of PredictionLogs: one-row `raw` requests made of the first 8 examples.

    Args:
        saved_model_dir: has the signature `decode`, which makes inputs of examples.
        model_name: it is served under.
        examples: serialized tf.Examples, at least one.
        file: to write, `assets.extra/tf_serving_warmup_requests` of a version.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    decode = tf.saved_model.load(str(saved_model_dir)).signatures["decode"]
    inputs = decode(examples=tf.constant(examples[:REQUESTS]))
    with tf.io.TFRecordWriter(str(file)) as writer:
        for row in range(len(examples[:REQUESTS])):
            request = predict_pb2.PredictRequest(inputs={name: tf.make_tensor_proto(rows[row : row + 1]) for name, rows in inputs.items()})
            request.model_spec.name, request.model_spec.signature_name = model_name, "raw"
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def read_requests(file: Path) -> list[dict[str, np.ndarray]]:
    """The requests that a version was pushed with: inputs by name, one row each; none where there is no such file."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    if not file.is_file():
        return []
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in read_records(file)]
    return [{name: tf.make_ndarray(proto) for name, proto in log.predict_log.request.inputs.items()} for log in logs]
