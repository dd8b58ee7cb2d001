"""`darsena serve` and `darsena predict`, each against a stand-in of the other side; the real two together in one e2e test."""

import dataclasses
import re
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from components.pusher import signing
from pipelines.common.commands import serve
from pipelines.common.commands.predict import describe, shown
from pipelines.common.layout import load_model
from serving import client as client_module
from serving.answers import SignatureInfo, TensorInfo
from serving.batching import Batching
from serving.errors import ServingError
from serving.request_log import Logging
from tests import tiny_model
from tests.cli.conftest import MODEL
from tests.signed import sign


@pytest.fixture
def served(monkeypatch):
    """Stands in for ModelServer: keeps how it was made, and gets the signal `served.stop_by` as soon as it is started."""
    stand_in = types.SimpleNamespace(made=None, events=[], stop_by=signal.SIGTERM, fails="")

    class Server:
        grpc_port, rest_port = 40001, 40002

        def __init__(self, *arguments, batching, trusted, request_log):
            stand_in.made, stand_in.batching, stand_in.trusted, stand_in.request_log = arguments, batching, trusted, request_log

        def start(self):
            if stand_in.fails:
                raise ServingError(stand_in.fails)
            stand_in.events.append("start")
            signal.raise_signal(stand_in.stop_by)

        def served(self):
            return {MODEL: 10}

        def stop(self):
            stand_in.events.append("stop")

    monkeypatch.setitem(sys.modules, "serving.server", types.SimpleNamespace(ModelServer=Server))
    monkeypatch.setattr(serve, "end", lambda: stand_in.events.append("end"))  # it would end these tests
    return stand_in


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_announces_itself_and_a_signal_stops_it_with_0(darsena, served, root, number):
    served.stop_by = number
    before = signal.getsignal(number)
    ended = darsena("serve", "--root", root, "--grpc-port", "0", "--rest-port", "0")
    assert (ended.code, ended.err) == (0, "")
    assert served.events == ["start", "stop", "end"]
    assert (served.made, served.batching, served.request_log) == ((root / "serving", [MODEL], "127.0.0.1", 0, 0), None, None)
    assert f"serving {MODEL} version 10" in ended.out
    assert "gRPC  127.0.0.1:40001" in ended.out
    assert f"curl http://127.0.0.1:40002/v1/models/{MODEL}/metadata" in ended.out
    assert ended.out.endswith("stopped.\n")
    assert signal.getsignal(number) is before


def test_serve_puts_requests_together_if_it_is_told(darsena, served, root):
    assert darsena("serve", "--root", root, "--batching").code == 0
    assert served.batching == Batching(max_batch_size=32, batch_timeout_micros=0)


def test_serve_logs_requests_if_it_is_told(darsena, served, root, tmp_path):
    assert darsena("serve", "--root", root, "--log-requests", tmp_path / "log", "--log-share", "0.5").code == 0
    assert served.request_log == Logging(tmp_path / "log", 0.5)
    ended = darsena("serve", "--root", root, "--log-requests", tmp_path / "log", "--binary", sys.executable)
    assert ended.code == 2 and "expected no --log-requests with --binary" in ended.err


def test_serve_trusts_this_user_and_who_is_named(darsena, served, root, tmp_path):
    own = signing.public_key(signing.private_key())
    assert darsena("serve", "--root", root).code == 0
    assert served.trusted == [own]
    shutil.copy(own, tmp_path / "colleague.pub")
    assert darsena("serve", "--root", root, "--trust", tmp_path / "colleague.pub").code == 0
    assert served.trusted == [own, tmp_path / "colleague.pub"]
    ended = darsena("serve", "--root", root, "--trust", root / "none.pub")
    assert ended.code == 2 and "expected --trust to name a file with a public key" in ended.err and ended.err.count("\n") == 1


def test_serve_warns_of_an_address_that_others_reach(darsena, served, root):
    ended = darsena("serve", MODEL, "--root", root, "--host", "0.0.0.0")
    assert ended.code == 0
    assert ended.err.startswith("darsena: warning: 0.0.0.0") and ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("box", False)],
)
def test_loopback(host, loopback):
    assert serve.is_loopback(host) is loopback


def test_serve_has_nothing_to_serve(darsena, served, tmp_path):
    for arguments in ([], [MODEL]):
        ended = darsena("serve", *arguments, "--root", tmp_path)
        assert ended.code == 1
        assert "expected a pushed version" in ended.err and "darsena run" in ended.err and ended.err.count("\n") == 1
    assert served.made is None


def test_serve_cannot_start(darsena, served, root):
    served.fails = "port 8500 is in use."
    ended = darsena("serve", "--root", root)
    assert (ended.code, ended.err) == (1, "darsena: port 8500 is in use.\n")


@pytest.fixture
def client(monkeypatch):
    """Stands in for both clients: the probability of class k is 0.91 where the image's first pixel is k, else 0.01."""
    stand_in = types.SimpleNamespace(addresses=[], asked=[])

    class Client:
        def __init__(self, address):
            stand_in.addresses.append(address)

        def metadata(self, model):
            tensors = {"image": TensorInfo("uint8", (None, 28, 28))}, {"probabilities": TensorInfo("float32", (None, 10))}
            return {"raw": SignatureInfo(*tensors)}

        def predict(self, model, inputs, signature):
            stand_in.asked.append((model, inputs))
            scores = np.full((len(inputs["image"]), 10), 0.01, np.float32)
            scores[np.arange(len(scores)), inputs["image"][:, 0, 0]] = 0.91
            return {"probabilities": scores}

    for name in ("GrpcClient", "RestClient"):
        monkeypatch.setattr(client_module, name, Client)
    return stand_in


@pytest.fixture
def digits(tmp_path):
    """A file of two images whose first pixels are 3 and 8."""
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 0, 0] = (3, 8)
    np.save(tmp_path / "digits.npy", images)
    return tmp_path / "digits.npy"


def test_predict_names_the_most_probable_class(darsena, client, digits):
    answers = darsena("predict", MODEL, digits, "--json").json
    assert [(answer["row"], answer["prediction"]) for answer in answers] == [(0, "3"), (1, "8")]
    assert [answer["probability"] for answer in answers] == pytest.approx([0.91, 0.91])
    assert answers[0]["outputs"]["probabilities"] == pytest.approx([0.01] * 3 + [0.91] + [0.01] * 6)
    ((model, inputs),) = client.asked
    assert model == MODEL and inputs["image"].shape == (2, 28, 28) and inputs["image"].dtype == np.uint8
    shown = darsena("predict", MODEL, digits).out.splitlines()
    assert shown[0].split() == ["File", "Prediction", "Probability"]
    assert shown[2].split()[-3:] == ["[1]", "8", "0.9100"]


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ([], "http://127.0.0.1:8501"),
        (["--grpc"], "127.0.0.1:8500"),
        (["--server", "box:9"], "http://box:9"),
        (["--server", "http://box:9"], "http://box:9"),
        (["--server", "box:9", "--grpc"], "box:9"),
    ],
)
def test_predict_finds_the_server(darsena, client, digits, options, address):
    assert darsena("predict", MODEL, digits, *options).code == 0
    assert client.addresses == [address]


@pytest.mark.parametrize(
    ("outputs", "prediction"),
    [
        ({"price": [[1.5], [2.5]]}, 1.5),
        ({"price": [1.5, 2.5]}, 1.5),
        ({"code": [[1.5, 2.0], [2.5, 3.0]]}, [1.5, 2.0]),
        ({"price": [1.5, 2.5], "error": [0.25, 0.5]}, {"price": 1.5, "error": 0.25}),
    ],
)
def test_predict_without_classes_gives_the_outputs(darsena, client, digits, monkeypatch, outputs, prediction):
    monkeypatch.setattr(client_module.RestClient, "predict", lambda *_: {k: np.array(v, np.float32) for k, v in outputs.items()})
    first, second = darsena("predict", MODEL, digits, "--json").json
    assert (first["prediction"], first["probability"]) == (prediction, None)
    assert "2.5" in darsena("predict", MODEL, digits).out and second["row"] == 1


def test_one_probability_of_two_classes_names_the_likelier_one():
    model = dataclasses.replace(load_model(MODEL), class_names=("ham", "spam"), task="binary")
    found = describe(model, Path("a.txt"), {"probability": np.array([[0.25], [0.75]], np.float32)}, {})
    assert [(answer["prediction"], answer["probability"]) for answer in found] == [("ham", 0.75), ("spam", 0.75)]


def test_a_model_may_name_its_classes_itself():
    model = dataclasses.replace(load_model(MODEL), class_names=())
    labels = {"labels": np.array([[b"cat", b"cup"]], object), "scores": np.array([[0.5, 0.25]], np.float32)}
    (answer,) = describe(model, Path("a.jpg"), {"probabilities": np.array([[0.25, 0.5]], np.float32)}, labels)
    assert (answer["prediction"], answer["probability"]) == ("cat", 0.5)


def test_long_outputs_are_shown_by_their_shapes():
    found = {"picture": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], "code": [0.123456789, 2.0], "error": 0.25, "cluster": 7, "empty": []}
    assert shown(found) == "picture of 2×3, code (0.1234568, 2), error 0.25, cluster 7, empty ()"
    assert shown(412420.0625) == "412420.1" and shown("cat") == "cat"


def test_predict_errors_are_one_line_each(darsena, client, digits, tmp_path, monkeypatch):
    missing = darsena("predict", MODEL, tmp_path / "none.png")
    assert missing.code == 2 and "does not exist" in missing.err
    np.save(tmp_path / "wrong.npy", np.zeros((30, 30), np.uint8))
    wrong = darsena("predict", MODEL, digits, tmp_path / "wrong.npy")
    assert wrong.code == 4 and "expected image: uint8 [28, 28]" in wrong.err and "received the shape [30, 30]" in wrong.err

    def absent(*_):
        raise ServingError("no model server answers at http://127.0.0.1:8501. Start one with: darsena serve")

    monkeypatch.setattr(client_module.RestClient, "metadata", absent)
    unanswered = darsena("predict", MODEL, digits)
    assert unanswered.code == 1 and "darsena serve" in unanswered.err
    assert [ended.err.count("\n") for ended in (missing, wrong, unanswered)] == [1, 1, 1]


@pytest.mark.e2e
def test_the_real_server_and_client_together(darsena, tmp_path):
    """A model of 4x4 images behind the name of a model there is: the server and `predict` go by the SavedModel alone."""
    images = tiny_model.images(3)
    model = tiny_model.export(tmp_path / "serving" / MODEL / "1")
    sign(tmp_path / "serving" / MODEL / "1")
    np.save(tmp_path / "images.npy", images)
    expected = np.asarray(model(images / np.float32(255)))
    command = [sys.executable, "-m", "pipelines", "serve", MODEL, "--root", tmp_path, "--grpc-port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            while "Ctrl-C" not in said and (line := process.stdout.readline()):
                said += line
            grpc_address, rest_url = re.search(r"gRPC +(\S+)\n +REST +(http://[^/]+)", said).groups()
            for options in (["--server", rest_url], ["--server", grpc_address, "--grpc"]):
                answers = darsena("predict", MODEL, tmp_path / "images.npy", "--json", *options).json
                np.testing.assert_allclose([answer["outputs"]["probabilities"] for answer in answers], expected, atol=1e-6)
            process.terminate()
            rest, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, rest) == (0, "stopped.\n")
    assert "Traceback" not in errors and "absl" not in errors
