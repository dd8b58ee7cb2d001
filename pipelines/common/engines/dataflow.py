"""A Dataflow job made and staged but not submitted: Beam checks its graph and packs what the workers install, without a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines.common.engines.checks import cloud
from pipelines.common.engines.options import Engine, beam_args


@dataclasses.dataclass(frozen=True)
class Plan:
    """What would be submitted.

    Attributes:
        steps: names of the graph's transforms that do the work.
        image: that the workers run in.
        packages: names of the files that they install.
    """

    steps: tuple[str, ...]
    image: str
    packages: tuple[str, ...]


def dry_run(engine: Engine, build: Callable[[Callable[[], beam.Pipeline]], None]) -> Plan:
    """Makes a job.

    Args:
        engine: Dataflow, with its options.
        build: makes a pipeline with the function that it is given, and runs it; as a TFX executor does.

    Returns:
        What Beam would submit.

    Raises:
        UsageError: an option is missing.
        ValueError: Dataflow can't run the graph.
    """
    cloud(engine)
    made: list[beam.Pipeline] = []

    def make() -> beam.Pipeline:
        made.append(beam.Pipeline(options=PipelineOptions([*beam_args(engine), "--dry_run=True"])))
        return made[-1]

    build(make)
    proto = made[-1].result.job.proto_pipeline
    components = proto.components
    environment = next(found for found in components.environments.values() if found.urn == common_urns.environments.DOCKER.urn)
    steps = [name.unique_name for name in components.transforms.values() if not name.subtransforms and name.spec.urn]
    staged = [beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload) for artifact in environment.dependencies]
    return Plan(
        tuple(steps),
        beam_runner_api_pb2.DockerPayload.FromString(environment.payload).container_image,
        tuple(artifact.staged_name for artifact in staged),
    )
