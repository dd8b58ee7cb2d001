"""AnomalyGate: TFX's ExampleValidator records anomalies and lets the run go on; this stops it."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.anomaly_gate.executor import Executor
from components.artifacts import DataBlessing


class AnomalyGateSpec(component_spec.ComponentSpec):
    """Interface of AnomalyGate."""

    PARAMETERS = {  # noqa: RUF012 (TFX's interface)
        "allowed": component_spec.ExecutionParameter(type=str, optional=True),
        "code_fingerprint": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {"anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)}  # noqa: RUF012
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=DataBlessing)}  # noqa: RUF012


class AnomalyGate(base_component.BaseComponent):
    """Fails with DataRejected when a split has anomalies that are not allowed.

    Args:
        anomalies: of every split, from ExampleValidator.
        code_fingerprint: enters the cache key.
        allowed: allowances (pipelines/common/allowances.py) as JSON.
    """

    SPEC_CLASS = AnomalyGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, anomalies: types.BaseChannel, code_fingerprint: str, allowed: str = "[]"):
        blessing = types.Channel(type=DataBlessing)
        super().__init__(AnomalyGateSpec(anomalies=anomalies, allowed=allowed, code_fingerprint=code_fingerprint, blessing=blessing))
