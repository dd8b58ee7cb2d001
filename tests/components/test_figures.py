import tensorflow as tf
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from components.custom_evaluator.executor import write_evaluation
from components.pusher.figures import read_figures


def test_figures_are_the_candidates_on_all_examples(tmp_path):
    write_evaluation({"error": (0.25, 0.2, 0.3), "ratio": 3.0}, {"error": 0.5, "ratio": 2.0}, tmp_path)
    with tf.io.TFRecordWriter(str(tmp_path / "metrics-00001-of-00002.tfrecord")) as writer:
        part = metrics_for_slice_pb2.MetricsForSlice()
        part.slice_key.single_slice_keys.add(column="label")
        part.metric_keys_and_values.add().key.name = "error"
        writer.write(part.SerializeToString())
        whole = metrics_for_slice_pb2.MetricsForSlice()
        for settings in ({"is_diff": True}, {"sub_key": {"class_id": {"value": 1}}}):
            item = whole.metric_keys_and_values.add(value={"double_value": {"value": 7.0}})
            item.key.CopyFrom(type(item.key)(name="error", **settings))
        writer.write(whole.SerializeToString())
    assert read_figures(tmp_path) == {"error": 0.25, "ratio": 3.0}


def test_a_model_of_which_nothing_was_measured_has_none(tmp_path):
    assert read_figures(tmp_path) == {}
