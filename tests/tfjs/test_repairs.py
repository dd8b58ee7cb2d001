"""model.json as TensorFlow.js reads it."""

import pytest

from pipelines.common.tfjs.repairs import name_outputs, unfused


@pytest.mark.parametrize("key", ["{}", "Identity_{}:0"])
def test_outputs_of_the_signature_get_their_names_in_their_order(key):
    nodes = {"a": "Identity:0", **{name: f"Identity_{place}:0" for place, name in enumerate("bcdefghijkl", 1)}}
    shuffled = {key.format(name): {"name": nodes[name]} for name in "kcabldefghij"}
    model = {"signature": {"outputs": shuffled}, "userDefinedMetadata": {"structuredOutputKeys": list("abcdefghijkl")}}
    name_outputs(model)
    assert list(model["signature"]["outputs"].items()) == [(name, {"name": node}) for name, node in sorted(nodes.items())]


def test_a_fused_tanh_becomes_a_node_of_its_own_under_the_old_name():
    parts = {"T": {"type": "DT_FLOAT"}, "fused_ops": {"list": {"s": ["Qmlhc0FkZA==", "VGFuaA=="]}}, "num_args": {"i": "1"}}
    first, last = unfused({"name": "dense", "op": "_FusedMatMul", "input": ["x", "w", "b"], "attr": parts})
    assert first == {
        "name": "dense/before_tanh",
        "op": "_FusedMatMul",
        "input": ["x", "w", "b"],
        "attr": {**parts, "fused_ops": {"list": {"s": ["Qmlhc0FkZA=="]}}},
    }
    assert last == {"name": "dense", "op": "Tanh", "input": ["dense/before_tanh"], "attr": {"T": {"type": "DT_FLOAT"}}}


def test_other_nodes_stay_as_they_are():
    relu = {"name": "dense", "op": "_FusedMatMul", "attr": {"fused_ops": {"list": {"s": ["Qmlhc0FkZA==", "UmVsdQ=="]}}}}
    assert unfused(relu) == [relu] and unfused({"name": "x", "op": "Placeholder"}) == [{"name": "x", "op": "Placeholder"}]
