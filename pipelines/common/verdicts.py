"""From what became of a run's nodes to its verdict, and from TFMA's results to the gates that decided it.

There are three verdicts: "blessed and pushed"; "not blessed", where a gate held back the data or the model; and "failed".
"""

import json
from pathlib import Path
from typing import Any

from components.anomaly_gate.executor import ALLOWED
from components.errors import DataRejected
from components.manual_blessing.properties import BY, REASON
from pipelines.common.config import Gate, ModelConfig, RunConfig
from pipelines.common.errors import ExitCode
from pipelines.common.metadata_store import NodeOutcome
from reporting.evaluation import Value, read_evaluation

PUSHED, NOT_BLESSED, FAILED = "blessed and pushed", "not blessed", "failed"

Outcomes = dict[str, NodeOutcome]


def judge(model: ModelConfig, run: RunConfig, outcomes: Outcomes, error: tuple[str, Exception] | None) -> dict[str, Any]:
    """The end of a run.

    Args:
        model: its gates.
        run: which bounds apply, and whether there was a served model to compare with.
        outcomes: of the nodes.
        error: the node that failed and what it raised, if one did.

    Returns:
        `verdict`, `exit_code`, `reason`, `gates`, `pushed` and `allowed` (anomalies that were let through), as in run.json.
    """
    gates = read_gates(model, run, outcomes)
    known: dict[str, Any] = {"gates": gates, "allowed": allowed_anomalies(outcomes)}
    if error is not None:
        node, raised = error
        if isinstance(raised, DataRejected):
            return ended(NOT_BLESSED, ExitCode.DATA_REJECTED, f"the data was rejected by {node}: {one_line(raised)}", **known)
        return ended(FAILED, ExitCode.FAILED, f"{node}: {one_line(raised)}", **known)
    reason = why_not_blessed(gates, outcomes)
    if reason:
        return ended(NOT_BLESSED, ExitCode.NOT_BLESSED, reason, **known)
    pushed = outcomes["Pusher"].properties["pushed_model"]
    release = {"version": int(pushed["pushed_version"]), "path": pushed["pushed_destination"]}
    if not Path(release["path"]).is_dir():
        lost = FileNotFoundError(f"expected version {release['version']} in {release['path']}, it is gone. Run again with --no-cache.")
        return judge(model, run, outcomes, ("Pusher", lost))
    return ended(PUSHED, ExitCode.OK, how_blessed(gates, outcomes), release, **known)


def ended(verdict: str, code: ExitCode, reason: str, pushed: dict[str, Any] | None = None, **known: Any) -> dict[str, Any]:
    """The end of a run as in run.json."""
    return {"verdict": verdict, "exit_code": int(code), "reason": reason, "pushed": pushed, **known}


def allowed_anomalies(outcomes: Outcomes) -> list[dict[str, Any]]:
    """The allowances that the AnomalyGate made use of; see pipelines/common/allowances.py."""
    properties = outcomes["AnomalyGate"].properties if "AnomalyGate" in outcomes else {}
    found: list[dict[str, Any]] = json.loads(properties.get("blessing", {}).get(ALLOWED, "[]"))
    return found


def read_gates(model: ModelConfig, run: RunConfig, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Each gate with the value it was held against; empty where the Evaluator did not run.

    A gate on its own value has kind "value". Where there is a served model, the same metric also has one of kind "change": its
    bound is the served model's value on the same examples, less what the gate tolerates.
    """
    if "Evaluator" not in outcomes or "evaluation" not in outcomes["Evaluator"].outputs:
        return []
    overall = read_evaluation(Path(outcomes["Evaluator"].outputs["evaluation"][0])).overall
    gates = []
    for gate in model.gates:
        gates.append(gate_record(gate, "value", gate.bound(run.data.kind), overall.metrics[gate.key]))
        if gate.key in overall.baseline:
            tolerated = -gate.tolerance if gate.higher_is_better else gate.tolerance
            gates.append(gate_record(gate, "change", overall.baseline[gate.key].value + tolerated, overall.metrics[gate.key]))
    return gates


def gate_record(gate: Gate, kind: str, bound: float, found: Value) -> dict[str, Any]:
    """One gate as in run.json."""
    passed = found.value >= bound - gate.margin if gate.higher_is_better else found.value <= bound + gate.margin
    return {
        "metric": gate.metric,
        "kind": kind,
        "operator": ">=" if gate.higher_is_better else "<=",
        "bound": bound,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "passed": passed,
    }


def why_not_blessed(gates: list[dict[str, Any]], outcomes: Outcomes) -> str:
    """One line on what held the model back; empty when it was pushed."""
    deciding = outcomes.get("ManualBlessing", outcomes["Evaluator"])
    if deciding.properties["blessing"].get("blessed") != 1:
        return refused(gates)
    if outcomes["Pusher"].properties["pushed_model"].get("pushed") != 1:
        validation = Path(outcomes["ServingValidator"].outputs["validation"][0], "validation.json")
        return f"the serving validator did not bless it: {json.loads(validation.read_text())['reason']}"
    return ""


def how_blessed(gates: list[dict[str, Any]], outcomes: Outcomes) -> str:
    """One line on a blessing by hand, and on what it set aside; empty where the Evaluator gave it."""
    given = outcomes["ManualBlessing"].properties["blessing"] if "ManualBlessing" in outcomes else {}
    return f"blessed by hand by {given[BY]} ({given[REASON]}): {refused(gates)}" if REASON in given else ""


def refused(gates: list[dict[str, Any]]) -> str:
    """What the Evaluator had against the model."""
    failed = [describe(gate) for gate in gates if not gate["passed"]]
    return f"the Evaluator did not bless it: {'; '.join(failed) or 'see the evaluation in the report'}"


def describe(gate: dict[str, Any]) -> str:
    """A gate that failed, for people: "SparseCategoricalAccuracy is 0.8812, expected >= 0.9000"."""
    against = " (the served model's, less the tolerance)" if gate["kind"] == "change" else ""
    return f"{gate['metric']} is {gate['value']:.4f}, expected {gate['operator']} {gate['bound']:.4f}{against}"


def one_line(error: Exception) -> str:
    """The error as one line, with its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__
