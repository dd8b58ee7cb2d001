"""`darsena monitor` on a root with a small real model: its log, what it learned from, and other data."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.metrics import Metrics
from serving.records import framed
from serving.request_log import Logging, RequestLog
from tests import tiny_model
from tests.cli.conftest import MODEL, record, write_run
from tests.signed import sign


def images(count: int, brightness: float, seed: int) -> np.ndarray:
    """Pictures whose mean is about that, each of its own."""
    random = np.random.default_rng(seed)
    means = np.clip(random.normal(brightness, 0.05, (count, 1, 1)), 0, 1)
    return np.clip(255 * means + random.normal(0, 10, (count, tiny_model.SIZE, tiny_model.SIZE)), 0, 255).astype(np.uint8)


def add_run(root, run_id: str, data: str, pictures: np.ndarray, version: int | None) -> None:
    folder = root / "artifacts" / run_id / "Split-train"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001")) as writer:
        for picture in pictures:
            writer.write(tiny_model.example(picture, 1))
    node = {"id": "ImageExampleGen", "state": "complete", "outputs": {"examples": [str(folder.parent)]}}
    write_run(root, record(run_id, version=version, nodes=[node], config={"data_fingerprint": data, "preset": ""}))


def add_version(root) -> None:
    """A real one, whose weights are never asked."""
    tiny_model.export(root / "serving" / MODEL / "1")
    sign(root / "serving" / MODEL / "1")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Version 1, which learned from pictures of a brightness of 0.3."""
    folder = tmp_path_factory.mktemp("monitored")
    add_version(folder)
    add_run(folder, "20260101-000000", "first", images(400, 0.3, 1), 1)
    return folder


def write_log(folder, pictures: np.ndarray, model: str = MODEL, version: int = 1, signature: str = "raw") -> None:
    log = RequestLog(Logging(folder, 1.0), Metrics())
    for start in range(0, len(pictures), 10):
        part = pictures[start : start + 10]
        if signature == "raw":
            inputs = {"image": tf.make_tensor_proto(part)}
        else:
            inputs = {"examples": tf.make_tensor_proto([tiny_model.example(picture) for picture in part])}
        request = predict_pb2.PredictRequest(model_spec={"signature_name": signature}, inputs=inputs)
        log.note(model, version, lambda request=request: request)
    log.close()


def test_requests_like_the_training_data_are_no_skew(darsena, root, tmp_path):
    write_log(tmp_path, images(150, 0.3, 2))
    ended = darsena("monitor", MODEL, "--requests", tmp_path, "--root", root)
    assert (ended.code, ended.err) == (0, "")
    assert "150 rows of requests, against 400 that it learned from" in ended.out
    assert "Drift: no other data has come in" in ended.out


@pytest.mark.parametrize("signature", ["raw", "serving_default"])
def test_shifted_requests_are_skew_and_end_with_3(darsena, root, tmp_path, signature):
    write_log(tmp_path, images(150, 0.7, 2), signature=signature)
    write_log(tmp_path, images(10, 0.3, 3), version=2)
    write_log(tmp_path, images(10, 0.3, 3), model="another")
    ended = darsena("monitor", MODEL, "--requests", tmp_path, "--root", root, "--json")
    assert ended.code == 3
    assert ended.err == f"darsena: version 1 of {MODEL}: skew in image/brightness.\n"
    found = ended.json
    (skew,) = found["skew"]
    assert skew["exceeded"] and skew["distance"] > 0.9 and skew["threshold"] == pytest.approx(0.05)
    assert (found["requests"], found["learned"], found["drift"]) == (150, 400, None)
    assert found["left_out"] == {"to version 2": 1, "to other models": 1}
    assert found["anomalies"][0].startswith("image/brightness: Unexpectedly high value")  # the schema takes up to 0.6


def test_other_data_that_came_in_is_drift_whether_newer_or_older(darsena, root, tmp_path):
    write_log(tmp_path / "log", images(120, 0.3, 2))
    moved = tmp_path / "root"
    add_version(moved)
    add_run(moved, "20260101-000000", "first", images(400, 0.3, 1), 1)
    add_run(moved, "20260102-000000", "second", images(400, 0.3, 4), None)
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "log", "--root", moved)
    assert ended.code == 0 and "Drift: data of run 20260101-000000 against 20260102-000000's" in ended.out
    add_run(moved, "20260103-000000", "third", images(400, 0.2, 5), None)
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "log", "--root", moved, "--json")
    assert ended.code == 3 and ended.err == f"darsena: version 1 of {MODEL}: drift in image/brightness.\n"
    assert (ended.json["drift"]["before"], ended.json["drift"]["now"]) == ("20260101-000000", "20260103-000000")


def test_a_cut_log_is_told_and_the_rest_is_read(darsena, root, tmp_path):
    write_log(tmp_path, images(150, 0.3, 2))
    (file,) = tmp_path.rglob("*.tfrecord")
    file.write_bytes(file.read_bytes()[:-5])
    ended = darsena("monitor", MODEL, "--requests", file, "--root", root, "--json")
    assert (ended.code, ended.json["requests"]) == (0, 140)
    assert f"{file}: the record at byte" in ended.json["damaged"][0]


def test_classified_examples_and_logs_without_a_version_in_the_request_are_read(darsena, root, tmp_path):
    """As TF Serving's own logs are: the version that answered stands beside the request."""
    entry = prediction_log_pb2.PredictionLog()
    for picture in images(110, 0.3, 2):
        entry.classify_log.request.input.example_list.examples.add().ParseFromString(tiny_model.example(picture))
    entry.classify_log.request.model_spec.name = entry.log_metadata.model_spec.name = MODEL
    entry.log_metadata.model_spec.version.value = 1
    (tmp_path / "theirs.tfrecord").write_bytes(framed(entry.SerializeToString()))
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "theirs.tfrecord", "--root", root, "--json")
    assert (ended.code, ended.json["requests"]) == (0, 110)


def test_what_cannot_be_compared_is_one_line(darsena, root, tmp_path):
    write_log(tmp_path / "few", images(90, 0.3, 2))
    write_log(tmp_path / "few", images(20, 0.3, 2), version=4)
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "few", "--root", root)
    assert ended.code == 1
    assert f"expected at least 100 rows that version 1 of {MODEL} answered, received 90, 2 requests to version 4." in ended.err
    (tmp_path / "none").mkdir()
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "none", "--root", root)
    assert ended.code == 1 and "found none. A server writes them with: darsena serve --log-requests" in ended.err
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "few", "--root", root, "--version", "7")
    assert ended.code == 2 and "expected the version to be one of 1," in ended.err and "received 7." in ended.err
    ended = darsena("monitor", "word2vec", "--requests", tmp_path / "few", "--root", root)
    assert ended.code == 2 and "expected a pushed version of word2vec" in ended.err
    tiny_model.export(tmp_path / "unsigned/serving" / MODEL / "1")
    ended = darsena("monitor", MODEL, "--requests", tmp_path / "few", "--root", tmp_path / "unsigned")
    assert ended.code == 1 and f"version 1 of {MODEL} is refused" in ended.err
