"""Whole runs of the first pipeline, by the command a user types. The tests build on one another's root, in this order."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.client import RestClient
from serving.request_log import Logging
from serving.server import ModelServer
from tests.e2e.conftest import states

pytestmark = pytest.mark.e2e

NODES = [
    "ImageExampleGen",
    "ImportSchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "AnomalyGate",
    "Transform",
    "Trainer",
    "Evaluator",
    "Mistakes",
    "TFLiteExporter",
    "ServingValidator",
    "Pusher",
]


def split(record, name):
    """Serialized examples of a split of the run."""
    node = next(node for node in record["nodes"] if node["id"] == "ImageExampleGen")
    files = sorted(Path(node["outputs"]["examples"][0], f"Split-{name}").iterdir())
    return list(tf.data.TFRecordDataset([str(file) for file in files]).as_numpy_iterator())


def features(serialized):
    """Image and label of an example."""
    example = tf.train.Example.FromString(serialized).features.feature
    return np.frombuffer(example["image"].bytes_list.value[0], np.uint8).reshape(28, 28), example["label"].int64_list.value[0]


def test_a_first_run_executes_each_component_once_and_pushes_version_1(checkout, first_run):
    assert states(first_run) == dict.fromkeys(NODES, "complete")
    assert first_run["verdict"] == "blessed and pushed"
    assert first_run["pushed"]["version"] == 1
    assert checkout.served() == ["1"]
    (gate,) = first_run["gates"]
    assert gate["low"] < gate["value"] < gate["high"]
    assert gate["value"] >= gate["bound"] == 0.88


def test_the_report_of_the_run_is_there_and_holds_its_accuracy(first_run):
    page = Path(first_run["report"]).read_text()
    assert "mnist_mlp" in page
    assert f"{first_run['gates'][0]['value']:.4f}" in page or f"{first_run['gates'][0]['value']:.1%}" in page


def test_splits_are_disjoint_by_content_and_hold_the_whole_sample(first_run):
    content = {name: {features(example)[0].tobytes() for example in split(first_run, name)} for name in ("train", "validation", "test")}
    assert sum(len(split(first_run, name)) for name in content) == 5000
    assert not content["train"] & content["test"]
    assert not content["train"] & content["validation"]
    assert not content["validation"] & content["test"]


def test_the_same_command_again_is_answered_from_the_cache(checkout, first_run):
    record = checkout.run()
    assert states(record) == dict.fromkeys(NODES, "cached")
    assert record["gates"] == first_run["gates"]
    assert checkout.served() == ["1"]


def test_the_beam_runner_runs_the_same_pipeline(checkout, first_run):
    assert states(checkout.run("--runner", "beam")) == dict.fromkeys(NODES, "cached")


def test_a_server_answers_with_what_evaluation_saw(checkout, first_run):
    examples = split(first_run, "test")
    images, labels = (np.array(column) for column in zip(*map(features, examples), strict=True))
    with ModelServer(checkout.root / "serving", ["mnist_mlp"], grpc_port=0, rest_port=0) as server:
        client = RestClient(f"http://127.0.0.1:{server.rest_port}")
        probabilities = client.predict("mnist_mlp", {"image": images}, "raw")["probabilities"]
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    assert accuracy == pytest.approx(first_run["gates"][0]["value"], abs=1e-6)


@pytest.mark.slow
def test_what_clients_send_is_compared_with_what_was_learned_from(checkout, first_run, tmp_path):
    images = np.array([features(example)[0] for example in split(first_run, "test")])
    for name, sent in (("same", images), ("inverted", 255 - images)):
        log = Logging(tmp_path / name, 1.0)
        with ModelServer(checkout.root / "serving", ["mnist_mlp"], grpc_port=0, rest_port=0, request_log=log) as server:
            RestClient(f"http://127.0.0.1:{server.rest_port}").predict("mnist_mlp", {"image": sent}, "raw")
    for name, code in (("same", 0), ("inverted", 3)):
        done = checkout.darsena("monitor", "mnist_mlp", "--requests", str(tmp_path / name), "--json")
        assert done.returncode == code, done.stderr
        (skew,) = json.loads(done.stdout)["skew"]
        assert (skew["column"], skew["exceeded"]) == ("image/brightness", code == 3)


def test_a_model_under_its_gate_is_not_pushed(checkout, first_run):
    record = checkout.run("--set", "learning_rate=0.00001", "--epochs", "1", expect=(3,))
    assert record["verdict"] == "not blessed"
    assert "SparseCategoricalAccuracy is 0." in record["reason"]
    assert {state for node, state in states(record).items() if node in ("Trainer", "Evaluator")} == {"complete"}
    kinds = {gate["kind"]: gate["passed"] for gate in record["gates"]}
    assert kinds == {"value": False, "change": False}
    assert checkout.served() == ["1"]


def test_data_that_breaks_the_schema_is_rejected_before_training(checkout, first_run, tmp_path):
    examples = [example for name in ("train", "validation", "test") for example in split(first_run, name)]
    images, labels = zip(*map(features, examples), strict=True)
    labels = np.array(labels)
    labels[:20] = 10
    np.savez(tmp_path / "digits.npz", x=np.array(images), y=labels)
    record = checkout.run("--data", str(tmp_path / "digits.npz"), "--runner", "beam", expect=(4,))
    assert (record["verdict"], record["exit_code"]) == ("not blessed", 4)
    assert "label" in record["reason"] and "10" in record["reason"]
    assert states(record)["AnomalyGate"] == "failed"
    assert states(record)["Trainer"] == "skipped"
    assert checkout.served() == ["1"]


@pytest.mark.slow
def test_an_edit_of_the_trainer_module_reruns_what_depends_on_it_and_nothing_else(checkout, first_run):
    module = checkout.folder / "trainer_modules/mnist_mlp.py"
    module.write_text(module.read_text() + "\n# An edit that changes no behaviour.\n")
    found = states(checkout.run())
    found.pop("ServedModel")  # an earlier run brought it in already
    first = NODES.index("Transform")
    assert found == dict.fromkeys(NODES[:first], "cached") | dict.fromkeys(NODES[first:], "complete")
    # The same weights are as good as what is served, so they are pushed.
    assert checkout.served() == ["1", "2"]


@pytest.mark.slow
def test_a_run_killed_in_training_leaves_nothing_behind_that_hinders_the_next(checkout, first_run):
    command = checkout.command("run", "mnist_mlp", "--seed", "7", "--epochs", "400")
    process = subprocess.Popen(
        command, cwd=checkout.folder, env={**os.environ, "PYTHONPATH": str(checkout.folder)}, stdout=subprocess.PIPE, text=True
    )
    # Transform's line is printed when it ends; the Trainer, which takes long with so many epochs, is next.
    assert any(line.startswith("Transform") for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    status = json.loads(checkout.darsena("status", "mnist_mlp", "--json").stdout)
    assert "interrupted" in json.dumps(status)
    found = states(checkout.run("--no-cache"))
    found.pop("ServedModel")
    assert found == dict.fromkeys(NODES, "complete")
    assert checkout.served() == ["1", "2", "3"]


@pytest.mark.slow
def test_a_deleted_version_is_pushed_again(checkout, first_run):
    for _ in range(2):
        shutil.rmtree(checkout.root / "serving/mnist_mlp")
        record = checkout.run()
        assert record["pushed"]["version"] == 1
        assert checkout.served() == ["1"]
    # The second time nothing but the push had to be done.
    assert [node for node, state in states(record).items() if state == "complete"] == ["Pusher"]


@pytest.mark.slow
def test_a_version_that_was_changed_is_pushed_again_beside_it(checkout, first_run):
    changed = checkout.root / "serving/mnist_mlp/1/saved_model.pb"
    changed.write_bytes(changed.read_bytes() + b"\0")
    record = checkout.run()
    assert record["pushed"]["version"] == 2
    assert [node for node, state in states(record).items() if state == "complete"] == ["Pusher"]
    assert checkout.run()["pushed"]["version"] == 2
    assert checkout.served() == ["1", "2"]


@pytest.mark.slow
def test_a_search_sets_the_hyperparameters_that_training_uses(checkout, first_run):
    record = checkout.run("--tune", "--trials", "2", "--seed", "11", expect=(0, 3))
    outputs = {node["id"]: node["outputs"] for node in record["nodes"]}
    best = json.loads(Path(outputs["Tuner"]["best_hyperparameters"][0], "best_hyperparameters.txt").read_text())["values"]
    history = json.loads(Path(outputs["Trainer"]["model_run"][0], "history.json").read_text())
    assert best.items() <= history["hparams"].items()
    trials = json.loads(Path(outputs["Tuner"]["tuner_results"][0], "tuner_results.json").read_text())
    assert len(trials) == 2
    assert {name: max(trials, key=lambda trial: trial["score"])[name] for name in best} == best


@pytest.mark.slow
def test_real_mnist_reaches_its_reference(checkout, real_data, monkeypatch):
    monkeypatch.setenv("DARSENA_DATA", str(real_data))
    record = checkout.run("--data", "full")
    (value,) = [gate for gate in record["gates"] if gate["kind"] == "value"]
    assert value["bound"] == 0.978
    assert value["value"] >= 0.978
    assert record["verdict"] == "blessed and pushed"
