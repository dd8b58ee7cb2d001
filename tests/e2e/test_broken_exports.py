"""A conversion that breaks a model stops the push, and what was served still is.

The converters of a copy of the project are broken in each test; what comes before them is answered from the cache after the first.
"""

from pathlib import Path

import numpy as np
import pytest

from serving.client import RestClient
from serving.server import ModelServer
from tests import tiny_model
from tests.e2e.conftest import copy_of_the_project, states

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CANDIDATE = ("--epochs", "25")
BEFORE_MAIN = "\n\ndef main("
IMAGES = tiny_model.images(20, seed=5).repeat(7, axis=1).repeat(7, axis=2)

PERTURBED = """
def float32(saved_model_dir, out_dir, representative):
    from ai_edge_litert.tools import flatbuffer_utils

    file = _write(_converter(saved_model_dir, EXPORTED), out_dir / "float32.tflite")
    model = flatbuffer_utils.read_model(str(file))
    kernel = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    kernel.data = (np.frombuffer(bytes(kernel.data), np.float32) + np.float32(1e-3)).view(np.uint8)
    flatbuffer_utils.write_model(model, str(file))
    return file
"""
UNCALIBRATED = """
right = int8


def int8(saved_model_dir, out_dir, representative):
    return right(saved_model_dir, out_dir, {name: values * 0 for name, values in representative.items()})
"""
CRASHING = """
def int8(saved_model_dir, out_dir, representative):
    import os

    os._exit(139)
"""
HANGING = """
def float16(saved_model_dir, out_dir, representative):
    import signal

    signal.pause()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project that has pushed version 1."""
    made = copy_of_the_project(tmp_path_factory.mktemp("broken"))
    assert made.run()["pushed"]["version"] == 1
    return made


@pytest.fixture(scope="module")
def client(project):
    """Of a server that stays up meanwhile."""
    with ModelServer(project.root / "serving", ["mnist_mlp"], grpc_port=0, rest_port=0) as server:
        yield RestClient(f"http://127.0.0.1:{server.rest_port}")


@pytest.fixture
def converters(project):
    """The copy's converters, for a test to break; mended afterwards."""
    file = project.folder / "components/tflite_exporter/converters.py"
    content = file.read_text()
    yield file
    file.write_text(content)


def replace(file: Path, old: str, new: str) -> None:
    content = file.read_text()
    assert content.count(old) == 1
    file.write_text(content.replace(old, new))


def break_with(converters: Path, format_name: str, code: str) -> None:
    replace(converters, BEFORE_MAIN, f'\n{code}\n\nCONVERTERS["{format_name}"] = {format_name}{BEFORE_MAIN}')


@pytest.mark.parametrize(
    ("format_name", "code", "reason"),
    [
        ("float32", PERTURBED, "TFLite float32 does not answer like the trained model: expected a largest difference of at most 1e-05"),
        (
            "int8",
            UNCALIBRATED,
            "TFLite int8 does not answer like the trained model: expected at most 1 points of SparseCategoricalAccuracy",
        ),
        ("int8", CRASHING, "could not convert the model to TFLite int8: it crashed (SIGSEGV)"),
        ("float16", HANGING, "could not convert the model to TFLite float16: it took longer than 12 s"),
    ],
    ids=["weights off by 1e-3", "calibrated on black pictures", "crash", "hang"],
)
def test_a_broken_conversion_stops_the_push(project, client, converters, format_name, code, reason):
    before = client.predict("mnist_mlp", {"image": IMAGES}, "raw")["probabilities"]
    break_with(converters, format_name, code)
    if code is HANGING:
        replace(converters.with_name("component.py"), "timeout_seconds: float = 300.0", "timeout_seconds: float = 12.0")
    record = project.run(*CANDIDATE, expect=(1,))

    assert (record["verdict"], record["exit_code"], record["pushed"]) == ("failed", 1, None)
    assert record["reason"].startswith(f"TFLiteExporter: {reason}") and "\n" not in record["reason"]
    found = states(record)
    assert found["TFLiteExporter"] == "failed"
    assert not {"complete", "cached"} & {found["ServingValidator"], found["Pusher"]}
    assert not list(project.root.glob("artifacts/mnist_mlp/TFLiteExporter/exports/*/.partial-*"))
    assert project.served() == ["1"]
    assert [(status.version, status.state) for status in client.status("mnist_mlp")] == [(1, "AVAILABLE")]
    np.testing.assert_array_equal(client.predict("mnist_mlp", {"image": IMAGES}, "raw")["probabilities"], before)


def test_without_a_fault_the_same_is_pushed(project):
    record = project.run(*CANDIDATE)
    assert states(record)["Trainer"] == "cached"
    assert record["pushed"]["version"] == 2
