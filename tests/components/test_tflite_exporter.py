import dataclasses
import json
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tfx.types import channel, standard_artifacts

from components.artifacts import Exports
from components.child import ChildFailed
from components.golden import Comparison
from components.tflite_exporter import converters, executor
from components.tflite_exporter.component import TFLiteExporter
from components.tflite_exporter.gating import Gating
from components.tflite_exporter.interpreter import answer
from tests import tiny_model
from tests.components.conftest import GOLDEN_IMAGES, TEST_IMAGES, TEST_LABELS, Holder, artifact, save_holder

CLASS_NAMES = [f"class {number}" for number in range(tiny_model.CLASSES)]
ABOUT = {"name": "tiny", "description": "tells noise apart", "version": "1+abc", "author": "someone", "license": "CC0-1.0"}
PARAMETERS = {
    "split": "train",
    "metric_split": "test",
    "metrics": '{"SparseCategoricalAccuracy": true}',
    "label": "label",
    "class_names": json.dumps(CLASS_NAMES),
    "about": json.dumps(ABOUT),
    "timeout_seconds": 120.0,
    "formats": '["float32", "float16", "dynamic", "int8"]',
    **dataclasses.asdict(executor.Bounds()),
}


def inputs(trained, blessed):
    examples = artifact(standard_artifacts.Examples, trained.examples)
    examples.split_names = '["train", "test"]'
    return {
        "model": [artifact(standard_artifacts.Model, trained.root / "model")],
        "model_run": [artifact(standard_artifacts.ModelRun, trained.model_run)],
        "examples": [examples],
        "blessing": [artifact(standard_artifacts.ModelBlessing, trained.root / "blessing", blessed=blessed)],
    }


@pytest.fixture(scope="module")
def exports(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    executor.Executor().Do(inputs(trained, blessed=1), {"exports": [artifact(Exports, folder)]}, PARAMETERS)
    return folder


def export(trained, out_dir, saved_model=None, model_run=None, formats=("float32",)):
    """Exports without a metric."""
    train = trained.examples / "Split-train"
    executor.export(
        saved_model or trained.saved_model,
        model_run or trained.model_run,
        train,
        out_dir,
        executor.Bounds(),
        Gating({}, train, "", ()),
        ABOUT,
        timeout=120,
        formats=formats,
    )


def test_all_formats_answer_like_the_trained_model(exports, trained):
    content = json.loads((exports / "exports.json").read_text())
    golden = np.load(trained.model_run / "golden" / "outputs.npz")["probabilities"]

    assert [record["name"] for record in content["exports"]] == ["float32", "float16", "dynamic", "int8"]
    for record, bound in zip(content["exports"], (1e-5, 5e-3, 0.05, 0.05), strict=True):
        file = exports / record["file"]
        outputs, _ = answer(file, {"image": GOLDEN_IMAGES})
        difference = np.abs(outputs["probabilities"] - golden).max()
        assert difference <= bound
        assert record["max_abs_diff"] == pytest.approx(difference, abs=1e-7)
        assert record["agreement"] == np.mean(outputs["probabilities"].argmax(1) == golden.argmax(1))
        assert record["bytes"] == file.stat().st_size
        assert (
            record["format"] == "tflite"
            and record["passed"] is True
            and 0 < record["latency_ms"] < 100
            and 0 < record["latency_2_threads_ms"] < 100
        )
    assert sorted(path.name for path in exports.iterdir()) == [
        "dynamic.tflite", "exports.json", "float16.tflite", "float32.tflite", "int8.tflite"
    ]  # fmt: skip


def test_metrics_are_those_of_the_labelled_examples(exports, trained):
    content = json.loads((exports / "exports.json").read_text())
    model = tf.saved_model.load(str(trained.saved_model)).signatures["raw"]
    expected = np.mean(model(image=tf.constant(TEST_IMAGES))["probabilities"].numpy().argmax(1) == TEST_LABELS)
    assert content["reference"]["metrics"] == {"SparseCategoricalAccuracy": pytest.approx(expected)}
    for record in content["exports"]:
        outputs, _ = answer(exports / record["file"], {"image": TEST_IMAGES})
        accuracy = np.mean(outputs["probabilities"].argmax(1) == TEST_LABELS)
        assert record["metrics"] == {"SparseCategoricalAccuracy": pytest.approx(accuracy)}
        assert record["points_lost"] == pytest.approx(100 * (expected - accuracy), abs=1e-4)


def test_the_reference_is_the_saved_model(exports, trained):
    reference = json.loads((exports / "exports.json").read_text())["reference"]
    assert reference["bytes"] == sum(file.stat().st_size for file in trained.saved_model.rglob("*") if file.is_file())
    assert reference["name"] == "SavedModel" and 0 < reference["latency_ms"] < 1000


@pytest.mark.parametrize(("name", "weights"), [("float32", np.float32), ("float16", np.float16), ("int8", np.int8)])
def test_a_format_keeps_weights_as_its_name_says_and_takes_one_row(exports, name, weights):
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(exports / f"{name}.tflite"))
    kinds = {detail["dtype"] for detail in model.get_tensor_details() if len(detail["shape"]) == 2 and 8 in detail["shape"]}
    (image,) = model.get_input_details()
    assert weights in kinds
    assert (np.float16 in kinds, np.int8 in kinds) == (name == "float16", name == "int8")
    assert image["shape_signature"].tolist() == [1, 4, 4] and image["dtype"] == np.uint8


def test_dynamic_range_keeps_large_weights_in_8_bits_and_small_ones_as_they_are(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    rows = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    x = keras.Input((64,))
    model = keras.Model(x, keras.layers.Dense(4)(keras.layers.Dense(32, "relu")(x)))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("model", lambda x: {"y": model(x)}, input_signature=[tf.TensorSpec([None, 64], tf.float32, name="x")])
    archive.add_endpoint("raw", lambda x: {"y": model(x)}, input_signature=[tf.TensorSpec([None, 64], tf.float32, name="x")])
    archive.write_out(str(tmp_path / "model"), verbose=False)
    file = converters.dynamic(tmp_path / "model", tmp_path, {"x": rows})
    kinds = {tuple(detail["shape"]): detail["dtype"] for detail in Interpreter(str(file)).get_tensor_details() if len(detail["shape"]) == 2}
    assert kinds[32, 64] is np.int8 and kinds[4, 32] is np.float32
    answers, _ = answer(file, {"x": rows})
    expected = np.asarray(model(rows))
    assert 1e-6 < np.abs(answers["y"] - expected).max() < 0.05 * np.ptp(expected)


def test_the_integer_form_computes_in_integers(exports):
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(exports / "int8.tflite"))
    hidden = [detail for detail in model.get_tensor_details() if detail["shape"].tolist() == [1, 8]]
    assert [detail["dtype"] for detail in hidden] == [np.int8]


def test_calibration_sees_the_extremes_of_a_tables_numbers(tmp_path):
    """Of 1,000 examples, the largest and the smallest number lie behind those that are taken anyway."""
    values = np.linspace(0, 1, 1000, dtype=np.float32)
    values[[500, 900]] = [40, -30]
    with tf.io.TFRecordWriter(str(tmp_path / "examples")) as writer:
        for row in range(1000):
            writer.write(str(row).encode())

    def decoded(records):
        rows = [int(record) for record in records]
        return {"x": values[rows, np.newaxis], "id": np.array(rows)[:, np.newaxis]}

    found = executor.representative(tmp_path, decoded)
    assert found["id"][:, 0].tolist() == [*range(200), 500, 900]
    np.testing.assert_array_equal(found["x"], values[found["id"]])
    pixels = executor.representative(tmp_path, lambda records: {"x": np.zeros((len(records), 4, 4), np.float32)})
    assert len(pixels["x"]) == 200


@pytest.mark.parametrize(
    ("dtypes", "signature"),
    [(["uint8"], "raw"), (["int64", "uint8"], "raw"), (["float32"], "model"), (["uint8", "string"], "model")],
)
def test_only_whole_numbers_are_converted_as_they_are_served(dtypes, signature):
    specs = {str(number): tf.TensorSpec([None], dtype) for number, dtype in enumerate(dtypes)}
    model = types.SimpleNamespace(signatures={"raw": types.SimpleNamespace(structured_input_signature=((), specs))})
    assert converters.convertible(model)[0] == signature


def test_answers_of_another_model_fail_and_leave_nothing(trained, other_model_run, tmp_path):
    with pytest.raises(
        executor.ExportFailed, match="float32 does not answer like the trained model: expected a largest difference of at most"
    ):
        export(trained, tmp_path, model_run=other_model_run)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_gives_nan_fails(trained, tmp_path):
    nan = save_holder(Holder(lambda pixels: tf.math.log(-1.0 - tf.reshape(pixels, [-1, 16])[:, :3])), tmp_path / "nan")
    out_dir = tmp_path / "out"
    out_dir.mkdir()
    with pytest.raises(executor.ExportFailed, match="not finite"):
        export(trained, out_dir, saved_model=nan)
    assert list(out_dir.iterdir()) == []


def test_a_crash_names_the_format(trained, tmp_path, monkeypatch):
    def crash(*arguments):
        raise ChildFailed("it crashed (SIGSEGV)", last_line="int8")

    monkeypatch.setattr(executor, "run_module", crash)
    with pytest.raises(executor.ExportFailed, match=r"could not convert the model to TFLite int8: it crashed \(SIGSEGV\)"):
        export(trained, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "found", "examples", "holds"),
    [
        ("float32", Comparison(1e-5, 1e-5, 0.0, 0.0, 1.0), 32, True),
        ("float32", Comparison(2e-5, 2e-5, 0.0, 0.0, 1.0), 32, False),
        ("float16", Comparison(5e-3, 5e-3, 0.0, 0.0, 1.0), 32, True),
        ("float16", Comparison(6e-3, 6e-3, 0.0, 0.0, 1.0), 32, False),
        ("int8", Comparison(0.9, 0.9, 0.9, 0.0, 31 / 32), 32, True),
        ("int8", Comparison(0.0, 0.0, 0.0, 0.0, 30 / 32), 32, False),
        ("int8", Comparison(0.0, 0.0, 0.0, 0.0, 0.97), 1000, True),
        ("int8", Comparison(0.0, 0.0, 0.0, 0.0, 0.969), 1000, False),
        ("int8", Comparison(5.0, 5.0, 0.09, 0.0, None), 32, True),
        ("int8", Comparison(5.0, 5.0, 0.11, 0.0, None), 32, False),
        ("int8", Comparison(5.0, 5.0, 0.09, 0.11, None), 32, False),
    ],
)
def test_bounds(name, found, examples, holds):
    assert (executor.Bounds().violation(name, found, examples) == "") == holds


def test_a_model_that_is_not_blessed_is_not_exported(trained, tmp_path):
    executor.Executor().Do(inputs(trained, blessed=0), {"exports": [artifact(Exports, tmp_path)]}, PARAMETERS)
    content = json.loads((tmp_path / "exports.json").read_text())
    assert content["exports"] == [] and "did not bless" in content["reason"]
    assert [path.name for path in tmp_path.iterdir()] == ["exports.json"]


def test_the_component_passes_its_parameters_on():
    component = TFLiteExporter(
        model=channel.Channel(standard_artifacts.Model),
        model_run=channel.Channel(standard_artifacts.ModelRun),
        examples=channel.Channel(standard_artifacts.Examples),
        blessing=channel.Channel(standard_artifacts.ModelBlessing),
        metrics={"SparseCategoricalAccuracy": True},
        label="label",
        class_names=CLASS_NAMES,
        about=ABOUT,
        bounds=executor.Bounds(int8_agreement=0.5),
        code_fingerprint="abc",
    )
    assert component.exec_properties == {**PARAMETERS, "int8_agreement": 0.5, "timeout_seconds": 300.0, "code_fingerprint": "abc"}
    assert component.outputs["exports"].type is Exports


def test_only_the_formats_asked_for_are_made(trained, tmp_path):
    export(trained, tmp_path, formats=("float16",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exports.json", "float16.tflite"]
    assert [export["name"] for export in json.loads((tmp_path / "exports.json").read_text())["exports"]] == ["float16"]
