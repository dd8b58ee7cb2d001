"""The log of requests: what a server writes down of those it answered, and that it never gets in their way."""

import http.client
import io
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.records import records
from serving.client import GrpcClient, RestClient
from serving.errors import ServingError
from serving.metrics import Metrics
from serving.records import framed
from serving.request_log import Logging, RequestLog
from serving.server import ModelServer
from tests import tiny_model
from tests.serving.conftest import NEVER
from tests.serving.exported import NAME
from tests.serving.test_main import client_of, running
from tests.serving.test_metrics import samples

IMAGES = tiny_model.images(5)
SENSORS = {
    "tag": np.array([b"a", b"b"], object),
    "signal": np.array([[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]], np.int32),
    "sensor": np.ones((2, 2, 2), np.float32),
}


def entries(folder: Path) -> list[prediction_log_pb2.PredictionLog]:
    """What TensorFlow reads of all files of a log."""
    files = sorted(str(path) for path in folder.rglob("*.tfrecord"))
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in tf.data.TFRecordDataset(files).as_numpy_iterator()]


def request(images: np.ndarray) -> predict_pb2.PredictRequest:
    return predict_pb2.PredictRequest(inputs={"image": tf.make_tensor_proto(images)})


def counted(metrics: Metrics) -> dict[str, float]:
    """Requests that were to be logged, by status."""
    return {key[2]: value for key, value in samples(metrics.exposition()).items() if key[0] == "request_log_count"}


def test_answered_requests_of_both_protocols_are_logged_with_the_version_that_answered(exported, documented, tmp_path):
    with ModelServer(documented, grpc_port=0, rest_port=0, poll_seconds=NEVER, request_log=Logging(tmp_path, 1.0)) as server:
        rest, by_grpc = RestClient(f"http://127.0.0.1:{server.rest_port}"), GrpcClient(f"127.0.0.1:{server.grpc_port}")
        by_grpc.predict("sensors", SENSORS)
        rest.predict("sensors", SENSORS)
        for client in (rest, by_grpc):
            with pytest.raises(ServingError):
                client.predict("sensors", {"tag": SENSORS["tag"]})
        by_grpc.close()
    found = entries(tmp_path)
    assert len(found) == 2  # what was refused is not logged
    for entry in found:
        asked = entry.predict_log.request
        assert (asked.model_spec.name, asked.model_spec.version.value) == ("sensors", 1)
        assert entry.log_metadata.sampling_config.sampling_rate == 1.0
        assert {name: tf.make_ndarray(proto).tolist() for name, proto in asked.inputs.items()} == {
            name: array.tolist() for name, array in SENSORS.items()
        }
    (file,) = (tmp_path / "sensors").iterdir()
    assert re.fullmatch(r"1-\d{8}T\d{6}Z-1\.tfrecord", file.name)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_classified_and_regressed_examples_are_logged(documented, tmp_path):
    with ModelServer(documented, grpc_port=0, rest_port=0, poll_seconds=NEVER, request_log=Logging(tmp_path, 1.0)) as server:
        for verb, signature in (("regress", "regress_x_to_y"), ("classify", "classify_x_to_y")):
            connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
            body = {"signature_name": signature, "examples": [{"x": 1.5}, {"x": 2.5}]}
            connection.request("POST", f"/v1/models/half_plus_two:{verb}", json.dumps(body))
            assert connection.getresponse().status == 200
            connection.close()
    by_kind = {entry.WhichOneof("log_type"): entry for entry in entries(tmp_path)}
    assert set(by_kind) == {"regress_log", "classify_log"}
    for kind, entry in by_kind.items():
        asked = getattr(entry, kind).request
        assert [example.features.feature["x"].float_list.value[0] for example in asked.input.example_list.examples] == [1.5, 2.5]
        assert (asked.model_spec.signature_name, asked.model_spec.version.value) == (kind.removesuffix("_log") + "_x_to_y", 1)


def test_a_share_of_the_requests_is_logged_by_chance(tmp_path):
    log = RequestLog(Logging(tmp_path, 0.1, seed=7), Metrics())
    for number in range(2000):
        log.note("m", 1, lambda number=number: request(np.array([number])))
    log.close()
    kept = [tf.make_ndarray(entry.predict_log.request.inputs["image"])[0] for entry in entries(tmp_path)]
    assert 160 < len(kept) < 240  # three standard deviations are 40
    assert len({number % 10 for number in kept}) == 10  # not every tenth


def test_files_end_at_their_size_and_at_their_age(tmp_path, monkeypatch):
    log = RequestLog(Logging(tmp_path, 1.0, file_bytes=3000), Metrics())
    for _ in range(10):
        log.note("m", 1, lambda: request(np.zeros(1000, np.uint8)))
    log.note("m", 2, lambda: request(np.zeros(1, np.uint8)))
    log.close()
    sizes = [file.stat().st_size for file in sorted((tmp_path / "m").glob("1-*"))]
    assert len(sizes) == 4 and all(3000 <= size < 4500 for size in sizes[:3])
    assert len(entries(tmp_path)) == 11
    log = RequestLog(Logging(tmp_path / "old", 1.0, file_seconds=0.0), Metrics())
    for _ in range(3):
        log.note("m", 1, lambda: request(np.zeros(1, np.uint8)))
    log.close()
    assert len(list((tmp_path / "old" / "m").iterdir())) == 3


def test_a_disk_that_hangs_holds_nobody_up_and_what_was_dropped_is_counted(tmp_path, monkeypatch):
    hangs, metrics, write = threading.Event(), Metrics(), os.write
    log = RequestLog(Logging(tmp_path, 1.0, waiting_bytes=50_000), metrics)
    monkeypatch.setattr(os, "write", lambda handle, content: (hangs.wait(60), write(handle, content))[1])
    for _ in range(100):
        log.note("m", 1, lambda: request(np.zeros(1000, np.uint8)))  # would wait for a minute if it wrote
    dropped = counted(metrics)["RESOURCE_EXHAUSTED"]
    assert 100 - dropped in range(45, 51)  # as many as 50,000 bytes hold, and the one being written
    hangs.set()
    log.close()
    assert counted(metrics) == {"RESOURCE_EXHAUSTED": dropped, "OK": 100 - dropped}
    assert len(entries(tmp_path)) == 100 - dropped


def test_a_full_disk_costs_records_and_leaves_whole_ones_only(tmp_path, monkeypatch):
    metrics, limits = Metrics(), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = RequestLog(Logging(tmp_path, 1.0), metrics)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # a record of 1,000 bytes is cut in the middle
        for _ in range(10):
            log.note("m", 1, lambda: request(np.zeros(1000, np.uint8)))
        log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert counted(metrics) == {"OK": 4, "UNAVAILABLE": 6}
    assert len(entries(tmp_path)) == 4


def test_a_folder_that_cannot_be_written_is_told_at_the_start(exported, tmp_path):
    exported.publish(1, tmp_path)
    (tmp_path / "file").write_text("")
    server = ModelServer(tmp_path, grpc_port=0, rest_port=0, request_log=Logging(tmp_path / "file" / "log"))
    with pytest.raises(
        ServingError, match=r"^expected a folder for the log of requests at \S+/file/log, cannot write there: .*--log-requests"
    ):
        server.start()


def test_a_killed_server_leaves_what_it_answered(exported, tmp_path):
    exported.publish(1, tmp_path / "models")
    with running(tmp_path / "models", "--log-requests", str(tmp_path / "log"), "--log-share", "1") as (process, line):
        client = client_of(line)
        for number in range(20):
            client.predict(NAME, {"image": IMAGES + np.uint8(number)})
        process.kill()
        process.wait(30)
    found = entries(tmp_path / "log")
    assert 19 <= len(found) <= 20  # the last one may not have been written
    assert (tf.make_ndarray(found[7].predict_log.request.inputs["image"]) == IMAGES + 7).all()


def test_a_share_is_from_0_to_1(tmp_path):
    command = [sys.executable, "-m", "serving", "--base", str(tmp_path), "--log-requests", "x", "--log-share", "10"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2 and "expected a share from 0 to 1, received 10" in ended.stderr


def test_records_are_tensorflows_and_a_cut_one_is_told(tmp_path):
    contents = [b"", b"a" * 1000, bytes(range(256))]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for content in contents:
            writer.write(content)
    theirs = (tmp_path / "theirs").read_bytes()
    assert b"".join(map(framed, contents)) == theirs
    read = records(io.BytesIO(theirs[:-1]))
    assert [next(read), next(read)] == contents[:2]
    with pytest.raises(OSError, match=r"^the record at byte 1032 is damaged or cut short$"):
        next(read)
