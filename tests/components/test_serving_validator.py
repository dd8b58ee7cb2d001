import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import channel, standard_artifacts

from components.arrays import load_arrays, save_arrays
from components.artifacts import Exports, Validation
from components.child import ChildFailed, run_module
from components.serving_validator import c_loader, executor
from components.serving_validator.component import ServingValidator
from tests.components.conftest import artifact, write_golden

C_LOADER = "components.serving_validator.c_loader"


class _Everything(tf.Module):
    """Strings in and out, and every type of number."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="text"), tf.TensorSpec([None, 3], tf.float32, name="number")])
    def __call__(self, text, number):
        numbers = {dtype.name: tf.cast(number, dtype) for dtype in c_loader._DTYPES.values()}
        return {"upper": tf.strings.upper(text) + b"\0", "length": tf.strings.length(text), "sine": tf.sin(number), **numbers}


def test_the_c_loader_answers_like_python(tmp_path):
    module = _Everything()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"raw": module.__call__})
    # Up to 22 bytes are kept inside a TF_TString, longer ones outside.
    texts = np.array([[b"short", b"", b"x" * 22], [b"x" * 23, b"nul\0inside", b"\xff" * 5000]], object)
    numbers = np.array([[0.0, 1.0, 2.5]], np.float32)
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures["raw"]
    expected = {name: tensor.numpy() for name, tensor in signature(text=tf.constant(texts), number=tf.constant(numbers)).items()}
    tensors = {name: signature.structured_outputs[name] for name in expected}
    save_arrays(tmp_path / "in.npz", {"a": texts, "b": numbers})
    graph_names = executor.serving_signatures(tmp_path / "model")["raw"]
    call = {
        "feeds": {graph_names.inputs["text"].name: "a", graph_names.inputs["number"].name: "b"},
        "fetches": {name: graph_names.outputs[name].name for name in tensors},
    }
    (tmp_path / "job.json").write_text(json.dumps({"saved_model": str(tmp_path / "model"), "calls": [call]}))

    run_module(C_LOADER, [str(tmp_path / "job.json"), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")], tmp_path, timeout=60)

    answers = load_arrays(tmp_path / "out.npz")
    assert answers.keys() == expected.keys() and len(expected) == 15
    assert answers["upper"].tolist() == expected["upper"].tolist()
    assert answers["upper"][1, 1] == b"NUL\0INSIDE\0"
    for name in expected.keys() - {"upper"}:
        assert answers[name].dtype == expected[name].dtype
        np.testing.assert_allclose(answers[name], expected[name], rtol=0, atol=1e-6)


def test_the_c_loader_does_not_import_python_tensorflow(trained):
    code = (
        "import pathlib, sys; from components.serving_validator.c_loader import SavedModel; "
        "SavedModel(pathlib.Path(sys.argv[1])); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(trained.saved_model)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_c_loader_reports_what_tensorflow_says(tmp_path):
    (tmp_path / "job.json").write_text(json.dumps({"saved_model": str(tmp_path / "nothing"), "calls": []}))
    save_arrays(tmp_path / "in.npz", {})
    with pytest.raises(ChildFailed, match="LoaderError: Could not find SavedModel"):
        run_module(C_LOADER, [str(tmp_path / "job.json"), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")], tmp_path, timeout=60)


def test_a_good_model_passes(trained, tmp_path):
    validation = executor.validate(trained.saved_model, trained.model_run, tmp_path, tolerance=1e-5, timeout=60)
    assert validation["passed"] and validation["reason"] == "" and 0 < validation["load_seconds"] < 60
    assert [(record["name"], record["examples"]) for record in validation["signatures"]] == [("serving_default", 32), ("raw", 32)]
    assert all(record["max_abs_diff"] <= 1e-6 for record in validation["signatures"])
    assert list(tmp_path.iterdir()) == []


class Binary(tf.Module):
    """A model of one probability, with the signature for TF Serving's Classify; it may be another probability there."""

    def __init__(self, off: float):
        super().__init__()
        self.off = tf.Variable(off)

    def raw(self, x):
        return {"probability": tf.sigmoid(x)}

    def decode(self, examples):
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})

    def classify(self, inputs):
        second = self.raw(**self.decode(inputs))["probability"] + self.off
        return {"classes": tf.repeat([["no", "yes"]], tf.size(inputs), axis=0), "scores": tf.concat([1 - second, second], axis=1)}


@pytest.mark.parametrize("off", [0.0, 0.01])
def test_classify_is_asked_too(tmp_path, off):
    module = Binary(off)
    texts = {name: [tf.TensorSpec([None], tf.string, name=name)] for name in ("examples", "inputs")}
    signatures = {
        "raw": tf.function(module.raw, input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")]),
        "decode": tf.function(module.decode, input_signature=texts["examples"]),
        "serving_default": tf.function(lambda examples: module.raw(**module.decode(examples)), input_signature=texts["examples"]),
        "classify": tf.function(module.classify, input_signature=texts["inputs"]),
    }
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=signatures)
    values = np.linspace(-2, 2, 5, dtype=np.float32)[:, np.newaxis]
    examples = [
        tf.train.Example(features=tf.train.Features(feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=value))}))
        for value in values
    ]
    run = write_golden(tmp_path / "run", [example.SerializeToString() for example in examples], probability=tf.sigmoid(values).numpy())
    validation = executor.validate(tmp_path / "model", run, tmp_path, tolerance=1e-5, timeout=60)
    found = {record["name"]: record["max_abs_diff"] for record in validation["signatures"]}
    assert found == pytest.approx({"serving_default": 0, "raw": 0, "classify": off}, abs=1e-6)
    assert validation["passed"] == (off == 0) and ("signature 'classify' in C++" in validation["reason"]) == (off > 0)


def test_answers_of_another_model_are_refused_by_both_ways(trained, other_model_run, tmp_path):
    validation = executor.validate(trained.saved_model, other_model_run, tmp_path, tolerance=1e-5, timeout=60)
    assert not validation["passed"]
    assert "signature 'serving_default'" in validation["reason"] and "signature 'raw'" in validation["reason"]
    assert all(record["max_abs_diff"] > 1e-2 for record in validation["signatures"])


def test_a_model_that_only_python_loads_is_refused_with_the_words_of_cpp(unservable, trained, tmp_path):
    golden = np.load(trained.model_run / "golden" / "outputs.npz")["probabilities"]
    examples = tf.data.TFRecordDataset(str(trained.model_run / "golden" / "examples.tfrecord"))
    in_python = tf.saved_model.load(str(unservable)).signatures["serving_default"](examples=tf.constant(list(examples.as_numpy_iterator())))
    np.testing.assert_allclose(in_python["probabilities"], golden, atol=1e-6)

    validation = executor.validate(unservable, trained.model_run, tmp_path, tolerance=1e-5, timeout=60)

    assert not validation["passed"] and "Could not find variable" in validation["reason"] and "\n" not in validation["reason"]


@pytest.mark.parametrize("reason", ["it crashed (SIGSEGV)", "it took longer than 60 s"])
def test_a_crash_or_a_hang_is_a_refusal(trained, tmp_path, monkeypatch, reason):
    def fail(*arguments):
        raise ChildFailed(reason, last_line="")

    monkeypatch.setattr(executor, "run_module", fail)
    validation = executor.validate(trained.saved_model, trained.model_run, tmp_path, tolerance=1e-5, timeout=60)
    assert not validation["passed"] and reason in validation["reason"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_signature_is_a_refusal(trained, tmp_path):
    module = tf.Module()
    serve = tf.function(
        lambda image: {"probabilities": tf.cast(image, tf.float32)}, input_signature=[tf.TensorSpec([None, 4, 4], tf.uint8)]
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"raw": serve})
    validation = executor.validate(tmp_path / "model", trained.model_run, tmp_path, tolerance=1e-5, timeout=60)
    assert not validation["passed"] and "serving_default, decode missing" in validation["reason"]


@pytest.mark.parametrize(
    ("blessed", "export_passed", "reason"),
    [
        (1, True, ""),
        (0, True, "the Evaluator did not bless the model"),
        (1, False, "these exports do not answer like the trained model: int8"),
    ],
)
def test_the_blessing_is_what_tfx_looks_for(trained, tmp_path, blessed, export_passed, reason):
    exports = artifact(Exports, tmp_path / "exports")
    (tmp_path / "exports" / "exports.json").write_text(json.dumps({"exports": [{"name": "int8", "passed": export_passed}]}))
    validation, blessing = artifact(Validation, tmp_path / "validation"), artifact(standard_artifacts.InfraBlessing, tmp_path / "infra")
    executor.Executor().Do(
        {
            "model": [artifact(standard_artifacts.Model, trained.root / "model")],
            "model_run": [artifact(standard_artifacts.ModelRun, trained.model_run)],
            "model_blessing": [artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing", blessed=blessed)],
            "exports": [exports],
        },
        {"validation": [validation], "blessing": [blessing]},
        {"tolerance": 1e-5, "timeout_seconds": 60.0},
    )

    passed = reason == ""
    content = json.loads((tmp_path / "validation" / "validation.json").read_text())
    assert (content["passed"], content["reason"]) == (passed, reason)
    assert blessing.get_int_custom_property("blessed") == int(passed)
    assert blessing.get_string_custom_property("reason") == reason
    assert [path.name for path in (tmp_path / "infra").iterdir()] == ["INFRA_BLESSED" if passed else "INFRA_NOT_BLESSED"]


def test_the_component_passes_its_parameters_on():
    component = ServingValidator(
        model=channel.Channel(standard_artifacts.Model),
        model_run=channel.Channel(standard_artifacts.ModelRun),
        model_blessing=channel.Channel(standard_artifacts.ModelBlessing),
        exports=channel.Channel(Exports),
        code_fingerprint="abc",
    )
    assert component.exec_properties == {"tolerance": 1e-5, "timeout_seconds": 120.0, "code_fingerprint": "abc"}
    assert component.outputs["blessing"].type is standard_artifacts.InfraBlessing
