"""Which engine each node's data work runs on: the run's, except for nodes that it can't run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.common.engines.options import Engine

# Of each engine, the nodes whose data work fails there, with the reason; tests/e2e/test_flink.py notices when they don't any more.
UNABLE: Mapping[str, Mapping[str, str]] = {
    "flink": {"Evaluator": "TFMA's job is a thousand tasks at once, under which TaskManagers of a small cluster miss heartbeats"}
}


def engine_of(node_id: str, engine: Engine) -> Engine:
    """The engine of a node: the run's, or the direct runner where that can't run the node."""
    return Engine() if node_id in UNABLE.get(engine.name, {}) else engine


def notes(node_ids: Iterable[str], engine: Engine) -> dict[str, str]:
    """What to say of the nodes that run elsewhere than on the run's engine, by their ids."""
    unable = UNABLE.get(engine.name, {})
    return {node_id: f"on the direct runner: {unable[node_id]}" for node_id in node_ids if node_id in unable}


def described(engine: Engine) -> dict[str, Any]:
    """The engine as run.json has it: its name, and the settings that were made."""
    return {"engine": engine.name} | {name: value for name, value in dataclasses.asdict(engine).items() if value and name != "name"}
