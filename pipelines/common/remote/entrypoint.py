"""What the container of a node runs, on either target: TFX's executor of the node, with what the target leaves to do.

    python -m pipelines.common.remote.entrypoint --executor_class_path PATH --json_serialized_invocation_args JSON …
    python -m pipelines.common.remote.entrypoint --only_driver …      before Vertex AI looks into its cache

Kubeflow Pipelines loses the types of artifacts, and runs no driver before an ExampleGen; its launcher copies artifacts to paths, which
executors take in place of addresses. So the types are taken from the specification that is passed along, the driver is run here where
nothing has run it before, and addresses are made paths, and again addresses in what is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as protos
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver
from tfx.types import standard_component_specs

from components.places import local, uri_of

# One side of an invocation: its inputs, or its outputs.
Side = dict[str, Any]
SPECS = ("json_serialized_inputs_spec_args", "json_serialized_outputs_spec_args")


def main(argv: list[str]) -> None:
    """Runs a node.

    Args:
        argv: as the compiled pipeline has it; what is not known here are options of Beam.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("executor_class_path", "json_serialized_invocation_args", *SPECS):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only_driver", action="store_true")
    arguments, beam = parser.parse_known_args(argv)
    taken, made = (json.loads(getattr(arguments, name)) for name in SPECS)
    invocation = json.loads(arguments.json_serialized_invocation_args)
    here(invocation.get("inputs", {}), taken)
    here(invocation["outputs"], made)
    output_file = Path(local(invocation["outputs"]["outputFile"]))
    invocation["outputs"]["outputFile"] = str(output_file)
    output_file.parent.mkdir(parents=True, exist_ok=True)

    if standard_component_specs.INPUT_BASE_KEY in taken.get("parameters", {}):
        if not output_file.exists():
            driver.main(given(arguments, invocation))
        take_over(invocation["outputs"], json.loads(output_file.read_text()))
    if not arguments.only_driver:
        for artifact in artifacts(invocation["outputs"]):
            Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)
        kubeflow_v2_run_executor.main((given(arguments, invocation), beam))
    write_with_addresses(output_file)


def given(arguments: argparse.Namespace, invocation: dict[str, Any]) -> argparse.Namespace:
    """What TFX's entry points take."""
    return argparse.Namespace(**vars(arguments) | {"json_serialized_invocation_args": json.dumps(invocation)})


def artifacts(side: Side) -> list[dict[str, Any]]:
    """All artifacts of a side."""
    return [artifact for found in side.get("artifacts", {}).values() for artifact in found.get("artifacts", ())]


def here(side: Side, spec: dict[str, Any]) -> None:
    """Gives artifacts their types, and paths for addresses."""
    for name, found in side.get("artifacts", {}).items():
        for artifact in found.get("artifacts", ()):
            artifact["type"] = spec["artifacts"][name]["artifactType"]
            artifact["uri"] = local(artifact["uri"])


def take_over(outputs: Side, driven: dict[str, Any]) -> None:
    """Gives artifacts what the driver found of them."""
    for name, found in driven.get("artifacts", {}).items():
        for artifact, described in zip(outputs["artifacts"][name]["artifacts"], found["artifacts"], strict=True):
            artifact["metadata"] = artifact.get("metadata", {}) | described.get("metadata", {})


def write_with_addresses(output_file: Path) -> None:
    """Rewrites what was reported with addresses for paths."""
    report = json.loads(output_file.read_text())
    for artifact in artifacts(report):
        artifact["uri"] = uri_of(artifact["uri"])
    # Whoever reads it may read only what the protos know.
    output_file.write_text(json_format.MessageToJson(json_format.ParseDict(report, protos.ExecutorOutput())))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(sys.argv[1:])
