"""Every model on its embedded sample, from nothing to a pushed version that answers raw inputs as evaluation saw them."""

import contextlib
import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import classification_pb2, prediction_service_pb2_grpc, regression_pb2

from components.tflite_exporter.converters import convertible
from pipelines.common.cli import main
from pipelines.common.config import BINARY, OWN, REGRESSION, ModelConfig
from pipelines.common.datasets import own
from pipelines.common.layout import load_model, model_names
from pipelines.common.tfjs.asking import ask
from reporting.evaluation import read_evaluation
from serving.server import ModelServer
from tests.e2e.pages import as_row, with_exact_pictures
from tests.web.browser import Visit, visited

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MOST_ROWS, BATCH = 200, 256
PAGE_ROWS = 100
# A model of the user's own data (`darsena new`) has no other sample than that.
NAMES = [name for name in model_names() if load_model(name).data.write_sample is not own.absent]
SECONDS = 480  # a sample takes two minutes on two idle cores


def darsena(*arguments: str) -> Any:
    """The JSON that a command prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments, "--json"], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


def output(record: dict, name: str) -> Path:
    """The folder of an artifact of a run."""
    return Path(next(node["outputs"][name][0] for node in record["nodes"] if name in node["outputs"]))


def held_out(record: dict) -> list[bytes]:
    """Serialized examples of the test split."""
    files = sorted(str(path) for path in (output(record, "examples") / "Split-test").iterdir())
    return list(tf.data.TFRecordDataset(files).as_numpy_iterator())


def golden(record: dict) -> list[bytes]:
    """Serialized examples of what a model is served with, which may be no feature of what it learns from."""
    return list(tf.data.TFRecordDataset(str(output(record, "model_run") / "golden/examples.tfrecord")).as_numpy_iterator())


def write_raw(model: ModelConfig, examples: list[bytes], folder: Path) -> list[Path]:
    """Files as a user has them: rows of JSON with null for what is missing, an array of pixels, or pictures."""
    found = [tf.train.Example.FromString(example).features.feature for example in examples]
    if model.data.table is not None:
        rows = [{name: values(feature) for name, feature in features.items() if name != model.label} for features in found]
        names = {name for row in rows for name in row}
        path = folder / "rows.json"
        path.write_text(json.dumps([{name: row.get(name) for name in names} for row in rows]))
        return [path]
    if model.data.episodes:
        observations = [features["observation"] for features in found]
        numbers = [list(each.float_list.value) or np.frombuffer(each.bytes_list.value[0], np.uint8) for each in observations]
        shape = [int(size) for size in model.hparams["observation"].split()[0].split("x")]
        np.savez(folder / "observations.npz", observation=np.array(numbers).reshape(-1, *shape))
        return [folder / "observations.npz"]
    if "image" not in found[0]:
        columns = {name: [values(features[name]) for features in found] for name in found[0]}
        np.savez(folder / "inputs.npz", **{name: np.array(column) for name, column in columns.items() if name != model.label})
        return [folder / "inputs.npz"]
    contents = [features["image"].bytes_list.value[0] for features in found]
    if model.data.encoded:
        paths = [folder / f"{number}.jpg" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths
    shape = [found[0][f"image/{side}"].int64_list.value[0] for side in ("height", "width", "channels")]
    pixels = np.stack([np.frombuffer(content, np.uint8) for content in contents]).reshape(-1, *(shape if shape[2] > 1 else shape[:2]))
    np.save(folder / "images.npy", pixels)
    return [folder / "images.npy"]


def values(feature: tf.train.Feature) -> Any:
    """The one value of a feature, or the list of several, as JSON has it."""
    found = [value.decode() if isinstance(value, bytes) else value for value in getattr(feature, feature.WhichOneof("kind")).value]
    return found[0] if len(found) == 1 else found


def label(model: ModelConfig, example: bytes) -> float:
    return float(values(tf.train.Example.FromString(example).features.feature[model.label]))


def metrics_of(model: ModelConfig, outputs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics that evaluation computes too, from a model's answers."""
    if model.task == REGRESSION:
        errors = outputs[:, 0] - labels
        return {"root_mean_squared_error": float(np.sqrt(np.mean(errors**2))), "mean_absolute_error": float(np.mean(np.abs(errors)))}
    if model.task == BINARY:
        return {"binary_accuracy": float(np.mean((outputs[:, 0] > 0.5) == labels))}
    return {"sparse_categorical_accuracy": float(np.mean(outputs.argmax(axis=1) == labels))}


def answers_to(examples: list[bytes], saved_model: Path) -> dict[str, np.ndarray]:
    """What a SavedModel answers to raw examples, by output."""
    answer = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    batches = [answer(examples=tf.constant(examples[at : at + BATCH])) for at in range(0, len(examples), BATCH)]
    return {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in batches[0]}


def scores_of(model: ModelConfig, examples: list[bytes], server: ModelServer) -> np.ndarray:
    """What Classify, or Regress, answers to tf.Examples over gRPC: [N, classes] or [N, 1]."""
    kind, api = (
        (regression_pb2.RegressionRequest, "Regress")
        if model.task == REGRESSION
        else (classification_pb2.ClassificationRequest, "Classify")
    )
    request = kind(model_spec={"name": model.name, "signature_name": api.lower()})
    request.input.example_list.examples.extend(map(tf.train.Example.FromString, examples))
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        result = getattr(prediction_service_pb2_grpc.PredictionServiceStub(channel), api)(request).result
    if model.task == REGRESSION:
        return np.array([[one.value] for one in result.regressions])
    assert all([each.label for each in one.classes] == list(model.class_names) for one in result.classifications)
    return np.array([[each.score for each in one.classes] for one in result.classifications])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a model's sample once for all tests; gives the record and the root."""

    @functools.cache
    def once(name: str) -> tuple[dict, Path]:
        root = tmp_path_factory.mktemp(name) / "root"
        return darsena("run", name, "--root", str(root)), root

    return once


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_made_from_its_sample_and_answers_raw_inputs(name, run, tmp_path):
    record, root = run(name)
    assert record["verdict"] == "blessed and pushed"
    model = dataclasses.replace(load_model(name), class_names=tuple(record["class_names"]))
    assert record["gates"] and all(gate["passed"] for gate in record["gates"])

    examples = held_out(record) if model.task != OWN else golden(record)
    (saved,) = output(record, "model").rglob("saved_model.pb")
    seen = answers_to(examples, saved.parent)
    if model.task != OWN:
        (values,) = seen.values()
        evaluated = read_evaluation(output(record, "evaluation")).overall.metrics
        for metric, value in metrics_of(model, values, np.array([label(model, example) for example in examples])).items():
            assert value == pytest.approx(evaluated[metric].value, rel=1e-5), metric

    asked = examples[:MOST_ROWS]
    files = write_raw(model, asked, tmp_path)
    with ModelServer(root / "serving", [name], grpc_port=0, rest_port=0) as server:
        if model.task != OWN:
            (values,) = seen.values()
            scores = scores_of(model, asked, server)[:, -values.shape[1] :]  # of two classes a model may give the second's only
            np.testing.assert_allclose(scores, values[: len(asked)], rtol=1e-5, atol=1e-5)
        for options in (["--server", f"127.0.0.1:{server.rest_port}"], ["--server", f"127.0.0.1:{server.grpc_port}", "--grpc"]):
            answers = darsena("predict", name, *map(str, files), *options)
            assert len(answers) == len(asked)
            for key, values in seen.items():
                served = np.array([each["outputs"][key] for each in answers])
                expected = values[: len(served)].reshape(served.shape)
                np.testing.assert_allclose(served, expected, atol=1e-5 * max(1.0, float(np.abs(values).max())), err_msg=key)
            if model.class_names and model.task != OWN:
                (values,) = seen.values()
                truths = np.array([label(model, example) for example in asked])
                agreed = np.mean([each["prediction"] == model.class_names[int(truth)] for each, truth in zip(answers, truths, strict=True)])
                assert [agreed] == pytest.approx(list(metrics_of(model, values[: len(truths)], truths).values()))


@pytest.mark.parametrize("name", NAMES)
def test_a_models_page_answers_like_python(name, run, chromium, packages, tmp_path):
    record, root = run(name)
    assert main(["web", name, "--root", str(root), "-o", str(tmp_path / "page"), "--runtime", str(packages), "--json"]) == 0
    content = json.loads((tmp_path / "page/page.json").read_text())
    signatures = tf.saved_model.load(record["pushed"]["path"]).signatures
    examples = [*golden(record), *(held_out(record) if load_model(name).task != OWN else [])][:PAGE_ROWS]
    inputs = with_exact_pictures(signatures["decode"](examples=tf.constant(examples)), content["inputs"])
    expected = signatures["raw"](**inputs)
    with visited(chromium, tmp_path / "page", viewport={"width": 320, "height": 640}) as visit:
        answers = visit.ask([as_row(inputs, row) for row in range(len(examples))])
        assert visit.foreign == [] and visit.errors == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 320
        assert not visit.page.is_visible("#status")
    for key, values in expected.items():
        python = values.numpy().reshape(len(examples), -1)
        bound = load_model(name).export_bounds.get("float32_diff", 1e-5) * max(1.0, float(np.abs(python).max()))
        np.testing.assert_allclose([answer[key] for answer in answers], python, rtol=0, atol=bound, err_msg=key)


@pytest.mark.parametrize("name", ["mnist_mlp", "sms_spam"])
def test_a_graph_model_answers_like_python_in_tensorflow_js(name, run, tfjs_packages, tmp_path):
    record, root = run(name)
    assert main(["tfjs", name, "--root", str(root), "-o", str(tmp_path / "graph"), "--json"]) == 0
    model = tf.saved_model.load(record["pushed"]["path"])
    signature, decoder = convertible(model)
    examples = [*golden(record), *held_out(record)][:PAGE_ROWS]
    inputs = model.signatures[decoder](examples=tf.constant(examples))
    answers, _ = ask(tmp_path / "graph", {key: values.numpy() for key, values in inputs.items()}, tfjs_packages, tmp_path)
    ((key, python),) = model.signatures[signature](**inputs).items()
    assert len(answers[key]) == PAGE_ROWS
    np.testing.assert_allclose(answers[key], python, rtol=0, atol=1e-5)


@pytest.fixture
def page_of(run, chromium, packages, tmp_path):
    """Opens the page of a model."""
    with contextlib.ExitStack() as stack:

        def opened(name: str) -> Visit:
            _, root = run(name)
            assert main(["web", name, "--root", str(root), "-o", str(tmp_path / name), "--runtime", str(packages)]) == 0
            return stack.enter_context(visited(chromium, tmp_path / name))

        yield opened


def test_typing_moves_the_probabilities(page_of):
    visit = page_of("sms_spam")
    visit.page.fill("textarea", "WINNER!! You have won a £1000 prize, txt CLAIM to 07781 now")
    visit.until("document.querySelector('.best .name').innerText == 'spam'")
    visit.page.focus("textarea")
    visit.page.keyboard.press("Control+a")
    visit.page.keyboard.type("ok see you at home then")
    visit.until("document.querySelector('.best .name').innerText == 'ham'")
    assert visit.errors == [] and visit.foreign == []


def test_a_row_is_checked_and_answered_as_it_is_typed(page_of):
    visit = page_of("house_prices")
    before = visit.page.inner_text(".number")
    visit.page.get_by_label("median income").fill("1.5")
    visit.until(f"document.querySelector('.number').innerText != '{before}'")
    visit.page.get_by_label("median income").fill("")
    visit.until("document.querySelector('#answer').classList.contains('stale')")
    assert visit.page.inner_text("#field-median_income-problem") == "Expected a number."
    visit.page.get_by_label("median income").fill("2")
    visit.page.get_by_label("total bedrooms").fill("")  # may be missing
    visit.until("!document.querySelector('#answer').classList.contains('stale')")
    assert visit.page.get_by_label("ocean proximity").locator("option").count() >= 4


def test_a_picture_is_chosen_and_what_is_none_is_told(page_of, tmp_path):
    visit = page_of("cifar10_cnn")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    visit.page.set_input_files("#file", tmp_path / "noise.png")
    visit.until("document.querySelector('.drop canvas').ariaLabel == 'noise.png'")
    (answer,) = visit.ask([{"image": pixels.ravel().tolist()}])
    shown = [f"{value * 100:.1f}%" for value in answer["probabilities"]]
    visit.until(f"[...document.querySelectorAll('.bars .value')].map(each => each.innerText).join() == '{','.join(shown)}'")
    (tmp_path / "letter.png").write_text("no picture")
    visit.page.set_input_files("#file", tmp_path / "letter.png")
    visit.until("document.querySelector('.field-error').innerText.startsWith('This file is no picture')")
