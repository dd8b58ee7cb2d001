"""Graph models made by hand, asked in TensorFlow.js."""

import json

import numpy as np
import pytest

from components.child import ChildFailed
from pipelines.common.tfjs.asking import ask, decoded, encoded

ADD = {"name": "sum", "op": "AddV2", "input": ["x", "w"], "attr": {"T": {"type": "DT_FLOAT"}}}


def node(name, dtype):
    return {"name": name, "op": "Placeholder", "attr": {"dtype": {"type": dtype}, "shape": {"shape": {"dim": [{"size": "-1"}]}}}}


@pytest.fixture
def graph(tmp_path):
    """x + w of two numbers, the second number of w in a shard of its own; n as it is."""
    folder = tmp_path / "model"
    folder.mkdir()

    def write(add=ADD):
        weight = {"name": "w", "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}}}
        same = {"name": "same", "op": "Identity", "input": ["n"], "attr": {"T": {"type": "DT_INT32"}}}
        model = {
            "format": "graph-model",
            "modelTopology": {"node": [node("x", "DT_FLOAT"), node("n", "DT_INT32"), weight, add, same], "versions": {}},
            "weightsManifest": [{"paths": ["one.bin", "two.bin"], "weights": [{"name": "w", "shape": [2], "dtype": "float32"}]}],
            "signature": {
                "inputs": {"length": {"name": "x:0"}, "number": {"name": "n:0"}},
                "outputs": {"total": {"name": "sum:0"}, "kept": {"name": "same:0"}},
            },
            "userDefinedMetadata": {"structuredOutputKeys": ["total", "kept"]},
        }
        (folder / "model.json").write_text(json.dumps(model))
        for name, value in (("one.bin", 10), ("two.bin", 200)):
            (folder / name).write_bytes(np.float32(value).tobytes())
        return folder

    return write


INPUTS = {"length": np.array([0.5, 0.25]), "number": np.array([-7, 2**31 - 1], np.int64)}


def test_inputs_and_outputs_go_by_their_names_and_shards_in_their_order(graph, tfjs_packages, tmp_path):
    answers, told = ask(graph(), INPUTS, tfjs_packages, tmp_path)
    assert answers["total"].dtype == np.float32 and answers["total"].tolist() == [10.5, 200.25]
    assert answers["kept"].dtype == np.int32 and answers["kept"].tolist() == [-7, 2**31 - 1]
    assert "TensorFlow.js 4.22.0, cpu backend" in told


def test_what_tensorflow_js_cannot_do_is_told_in_a_line(graph, tfjs_packages, tmp_path):
    with pytest.raises(ChildFailed, match=r"Unknown op 'Conjure'") as failure:
        ask(graph({**ADD, "op": "Conjure"}), INPUTS, tfjs_packages, tmp_path)
    assert "\n" not in failure.value.reason


def test_it_ends_after_its_time(graph, tfjs_packages, tmp_path):
    with pytest.raises(ChildFailed, match=r"it took longer than 0.001 s"):
        ask(graph(), INPUTS, tfjs_packages, tmp_path, seconds=0.001)


@pytest.mark.parametrize("values", [np.array([[True, False]]), np.array([1, -3], np.int8), np.float16([0.5, np.nan]), np.zeros((0, 2))])
def test_arrays_come_back_in_the_nearest_type(values):
    np.testing.assert_array_equal(decoded(encoded(values)), values)
