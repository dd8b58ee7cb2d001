"""What `darsena tfjs` writes, replaces and refuses; the converter and Node.js are real in the slow test only."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.arrays import save_arrays
from components.child import ChildFailed
from components.pusher import warm_up
from pipelines.common import environments
from pipelines.common.cli import main
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.tfjs import asking, converter, writing
from tests.signed import sign
from tests.web.conftest import version

__all__ = ("version",)

EXPECTED = {"probabilities": np.float32([[0.1, 0.9], [0.8, 0.2]])}
TOLD = "Node.js v20, TensorFlow.js 4.22.0, cpu backend"
FACTS = {"signature": "raw", "inputs": {"image": {}}, "outputs": {"probabilities": {}}}


@pytest.fixture
def tools(monkeypatch):
    """Stands in for the programs: `answers` is what TensorFlow.js says, `failure` the reason of the converter."""
    found = {"answers": EXPECTED, "failure": ""}

    def freeze(module, arguments, work, seconds):
        save_arrays(work / "inputs.npz", {"image": np.zeros((2, 3), np.uint8)})
        save_arrays(work / "answers.npz", EXPECTED)
        return f"something else\n{json.dumps(FACTS)}\n"

    def convert(python, saved_model, folder, work):
        folder.mkdir()
        (folder / "model.json").write_text("{}")
        if found["failure"]:
            raise ChildFailed(found["failure"], "")

    monkeypatch.setattr(writing, "run_module", freeze)
    monkeypatch.setattr(converter, "convert", convert)
    monkeypatch.setattr(converter, "installed", lambda: Path("python"))
    monkeypatch.setattr(asking, "installed", lambda: Path("node_modules"))
    monkeypatch.setattr(asking, "ask", lambda *arguments: (found["answers"], TOLD))
    return found


@pytest.fixture
def pushed(tmp_path):
    folder = tmp_path / "7"
    (folder / "assets.extra").mkdir(parents=True)
    (folder / warm_up.PLACE).touch()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_tells_where_it_was_checked(tools, pushed, tmp_path):
    tools["answers"] = {"probabilities": EXPECTED["probabilities"] + np.float32([[0, 0], [0, 4e-6]])}
    written = writing.write(pushed, tmp_path / "out", {"version": 7}, 1e-5)
    content = json.loads((tmp_path / "out/darsena.json").read_text())
    assert content["made_by"] == "darsena tfjs" and content["version"] == 7 and content["signature"] == "raw"
    assert content["checked"] == written.checked and written.checked["with"] == TOLD and written.checked["requests"] == 2
    assert written.checked["largest_difference"] == pytest.approx(4e-6, rel=0.02)
    assert written.files == 2 and [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "answers, message",
    [
        ({"probabilities": EXPECTED["probabilities"] + np.float32(2e-5)}, r"within 1e-05, received a largest difference of 2e-05 \(Node"),
        ({"probabilities": EXPECTED["probabilities"] * np.float32("nan")}, "has numbers that are not finite"),
        ({"scores": EXPECTED["probabilities"]}, r"expected the outputs \['probabilities'\], received \['scores'\]"),
    ],
)
def test_answers_that_are_not_pythons_leave_what_is_there(tools, pushed, tmp_path, answers, message):
    writing.write(pushed, tmp_path / "out", {"version": 6}, 1e-5)
    before = contents(tmp_path)
    tools["answers"] = answers
    with pytest.raises(DarsenaError, match=message):
        writing.write(pushed, tmp_path / "out", {"version": 7}, 1e-5)
    assert contents(tmp_path) == before
    with pytest.raises(DarsenaError, match=message):
        writing.write(pushed, tmp_path / "new", {"version": 7}, 1e-5)
    assert not (tmp_path / "new").exists()


def test_the_converters_reason_is_told_and_nothing_is_left(tools, pushed, tmp_path):
    tools["failure"] = "ValueError: Unsupported Ops in the model before optimization Svd"
    before = contents(tmp_path)
    with pytest.raises(
        DarsenaError, match=r"could not convert version 7 for TensorFlow.js: ValueError: Unsupported Ops .* Svd. Ask"
    ) as told:
        writing.write(pushed, tmp_path / "out", {}, 1e-5)
    assert "\n" not in str(told.value)
    assert contents(tmp_path) == before and not (tmp_path / "out").exists()


def test_another_folder_is_never_replaced(tools, pushed, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "model.json").write_text("{}")
    with pytest.raises(UsageError, match=r"or a graph model of darsena tfjs to replace, received something else. Name another --output"):
        writing.write(pushed, mine, {}, 1e-5)
    assert contents(mine) == {"model.json": b"{}"}


def test_a_version_without_recorded_requests_is_refused(pushed, tmp_path):
    (pushed / warm_up.PLACE).unlink()
    with pytest.raises(DarsenaError, match=r"expected recorded requests in .*/7/assets.extra/tf_serving_warmup_requests, there are none"):
        writing.write(pushed, tmp_path / "out", {}, 1e-5)


def test_without_uv_or_node_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environments, "BOOTSTRAP", tmp_path / "uv")
    with pytest.raises(DarsenaError, match=r"expected uv, .* found none\. Run make setup\."):
        converter.installed()
    with pytest.raises(DarsenaError, match=r"expected Node.js, .* found none\. Install Node.js with npm"):
        asking.installed()
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_uv_that_fails_is_quoted_and_leaves_nothing(monkeypatch, tmp_path):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: Failed to fetch: dns error' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("DARSENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "BOOTSTRAP", uv)
    with pytest.raises(DarsenaError, match=r"received: error: Failed to fetch: dns error\. Look at the network"):
        converter.installed()
    assert list((tmp_path / "cache/tfjs-converter").iterdir()) == []


def test_locks_have_checksums_and_name_no_registry():
    runtime = Path(converter.__file__).with_name("runtime")
    names = [entry for name, entry in json.loads((runtime / "package-lock.json").read_text())["packages"].items() if name]
    assert names and all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in names)
    lock = (runtime / "converter.lock").read_text()
    assert "tensorflowjs==4.22.0" in lock and "://" not in lock
    assert all(re.search(r"==\S+ \\\n +--hash=sha256:", f"{entry}\n") for entry in re.split(r"\n(?=[a-z])", lock)[1:])


@pytest.mark.slow
def test_a_model_with_an_operation_that_tensorflow_js_has_not_is_refused(version, tfjs_packages, tmp_path, capsys):
    archive = keras.export.ExportArchive()
    spec = [tf.TensorSpec([None, 28, 28], tf.uint8, name="image")]
    archive.add_endpoint("raw", lambda image: {"values": tf.linalg.svd(tf.cast(image, tf.float32), compute_uv=False)}, input_signature=spec)
    pushed = tmp_path / "root/serving/mnist_mlp/2"
    archive.write_out(str(pushed), verbose=False)
    (pushed / "assets.extra").mkdir()
    (pushed / warm_up.PLACE).write_bytes((version / warm_up.PLACE).read_bytes())
    sign(pushed)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/darsena.json").write_text('{"made_by": "darsena tfjs"}')
    before = contents(tmp_path)
    assert main(["tfjs", "mnist_mlp", "--root", str(tmp_path / "root"), "-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "could not convert version 2 for TensorFlow.js: " in told and "Svd" in told and told.count("\n") == 1
    assert contents(tmp_path) == before
