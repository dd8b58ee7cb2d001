"""The two local runners: one node after the other, or TFX's Beam orchestrator. Both report each node to an observer."""

import contextlib
import datetime
from collections.abc import Iterator
from typing import Protocol
from unittest import mock

from apache_beam.options.pipeline_options import StandardOptions
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner, PipelineNodeAsDoFn
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipelines.common.databases import with_password
from pipelines.common.engines.options import DIRECT_RUNNER


class Observer(Protocol):
    """Is told when a node starts and ends."""

    def node(self, node_id: str) -> contextlib.AbstractContextManager[None]:
        """Surrounds the launch of a node."""


def run(ir: pipeline_pb2.Pipeline, runner: str, observer: Observer) -> None:
    """Runs a compiled pipeline to its end, or to the first failure.

    Args:
        ir: TFX's intermediate representation.
        runner: "local" or "beam".
        observer: told of each node.

    Raises:
        Exception: whatever the failing node raised; under Beam, possibly wrapped.
    """
    run_id = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S.%f")
    if runner == "local":
        runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
        run_in_order(ir, observer)
        return
    # BeamDagRunner makes its pipeline with Beam's default runner, which first tries to download another one.
    with observed(observer), mock.patch.object(StandardOptions, "DEFAULT_RUNNER", DIRECT_RUNNER):
        ObservedBeamDagRunner().run_with_ir(ir)


def run_in_order(ir: pipeline_pb2.Pipeline, observer: Observer) -> None:
    """Launches the nodes one after the other, as TFX's LocalDagRunner does (the IR lists them in topological order)."""
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = with_password(deployment.metadata_connection_config.database_connection_config)
    for node in (node.pipeline_node for node in ir.nodes):
        node_id = node.node_info.id
        with observer.node(node_id):
            launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=ir.pipeline_info,
                pipeline_runtime_spec=ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
            ).launch()


# The Beam runner copies the DoFns it runs, so the observer cannot be one of their attributes.
_observers: list[Observer] = []


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Makes `observer` the one that Beam's node launches report to."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.pop()


class ObservedNode(PipelineNodeAsDoFn):
    """TFX's DoFn that launches a node, with its start and end reported, and a password that TFX's runner would log."""

    _mlmd_connection_config: pb.ConnectionConfig

    def _run_node(self) -> None:
        with _observers[-1].node(self._node_id):
            self._mlmd_connection_config = with_password(self._mlmd_connection_config)
            super()._run_node()


class ObservedBeamDagRunner(BeamDagRunner):
    """TFX's Beam orchestrator with observed nodes."""

    _PIPELINE_NODE_DO_FN_CLS = ObservedNode
