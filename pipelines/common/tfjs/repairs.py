"""What the converter writes into model.json otherwise than TensorFlow.js reads it."""

from __future__ import annotations

import base64
from typing import Any

TANH = base64.b64encode(b"Tanh").decode()


def repair(model: dict[str, Any]) -> None:
    """Makes the content of a model.json what TensorFlow.js takes it for.

    Args:
        model: the content, which is changed.
    """
    name_outputs(model)
    model["modelTopology"]["node"] = [part for node in model["modelTopology"]["node"] for part in unfused(node)]


def name_outputs(model: dict[str, Any]) -> None:
    """Brings the signature's outputs into the order of their names.

    TensorFlow.js gives the n-th name of structuredOutputKeys to the n-th output of the signature, which the converter writes in any
    order, and sometimes under other names. The nodes are Identity, Identity_1, … in the order of the names.

    Args:
        model: what model.json has; its signature is changed.
    """

    def place(output: dict[str, Any]) -> int:
        return int(output["name"].removesuffix(":0").removeprefix("Identity").removeprefix("_") or 0)

    outputs = sorted(model["signature"]["outputs"].values(), key=place)
    model["signature"]["outputs"] = dict(zip(model["userDefinedMetadata"]["structuredOutputKeys"], outputs, strict=True))


def unfused(node: dict[str, Any]) -> list[dict[str, Any]]:
    """A node of the graph; one that ends in tanh in two, because no backend of TensorFlow.js has tanh as a part of another operation."""
    fused = node.get("attr", {}).get("fused_ops", {}).get("list", {}).get("s", [])
    if TANH not in fused:
        return [node]
    before = {**node, "name": f"{node['name']}/before_tanh"}
    before["attr"] = {**node["attr"], "fused_ops": {"list": {"s": [each for each in fused if each != TANH]}}}
    return [before, {"name": node["name"], "op": "Tanh", "input": [before["name"]], "attr": {"T": node["attr"]["T"]}}]
