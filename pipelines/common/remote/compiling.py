"""A model's pipeline as a pipeline job of Vertex AI or Kubeflow Pipelines: TFX's own compilation, and what the target needs beside.

TFX compiles for Vertex AI. What is changed here: the entry point of every node (entrypoint.py), resources also of nodes that TFX leaves
without, caching and paths of this repository by node, and data and serving folder as runtime parameters, all with values.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Iterable
from typing import Any

from pipelines.common.config import ModelConfig, RunConfig
from pipelines.common.errors import UsageError
from pipelines.common.fingerprint import REPOSITORY
from pipelines.common.layout import serving_dir
from pipelines.common.remote import checks, endpoint, exit_handler
from pipelines.common.remote.target import KUBEFLOW, VERTEX, Remote

COMMAND = ["python", "-m", "pipelines.common.remote.entrypoint"]
OUTPUTS_SPEC = "--json_serialized_outputs_spec_args"
# Runtime parameters, with the parameter of a task that each gives.
PARAMETERS = {"data": "input_base", "serving_dir": "serving_dir"}
SPEC = "pipelineSpec"

Job = dict[str, Any]


def compile_job(model: ModelConfig, run: RunConfig, remote: Remote) -> Job:
    """The pipeline job, as JSON's types.

    Args:
        model: what to make.
        run: how; its root and data are paths as nodes see them, and its data has a version.
        remote: where.

    Returns:
        `displayName`, `pipelineSpec` and `runtimeConfig`; for Kubernetes with a volume or secrets `platforms` too.

    Raises:
        UsageError: the target can't do what is asked, or a node is named that is not there.
        ValueError: the compiled pipeline is not sound (checks.py): a fault of Darsena or of TFX.
    """
    from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

    model = model.for_run(run)
    pipeline = importlib.import_module(f"pipelines.{model.name}").create_pipeline(run)
    pipeline.pipeline_info.pipeline_name = model.name.replace("_", "-")
    pipeline.pipeline_info.pipeline_root = remote.pipeline_root
    config = KubeflowV2DagRunnerConfig(
        display_name=model.name, default_image=remote.image, default_commands=COMMAND, use_pipeline_spec_2_1=True
    )
    job: Job = KubeflowV2DagRunner(config=config).run(pipeline, write_out=False)
    del job["labels"]  # of TFX's telemetry, with this machine's Python
    spec = job[SPEC]
    nodes = list(spec["root"]["dag"]["tasks"])
    refuse_unknown({*remote.images, *remote.resources}, nodes)
    for node in nodes:
        adapt(spec, node, remote)
    parametrise(job, {"data": str(run.data.path), "serving_dir": str(serving_dir(run.root, model.name))})
    if remote.webhook:
        exit_handler.add(spec, remote, COMMAND)
    if given := of_kubernetes(remote):
        containers = [label for label, executor in spec["deploymentSpec"]["executors"].items() if "container" in executor]
        job["platforms"] = {"kubernetes": {"deploymentSpec": {"executors": {label: copy.deepcopy(given) for label in containers}}}}
    checks.check_job(job, remote.target)
    return job


def refuse_unknown(named: Iterable[str], nodes: Iterable[str]) -> None:
    """Raises UsageError where a node is named that the pipeline has not."""
    unknown = sorted(set(named) - set(nodes))
    if unknown:
        raise UsageError(f"the pipeline has no node {', '.join(unknown)}. It has {', '.join(nodes)}.")


def adapt(spec: Job, node: str, remote: Remote) -> None:
    """Gives a node its image, resources, entry point, caching and paths."""
    task, component = spec["root"]["dag"]["tasks"][node], spec["components"][node]
    executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
    # What an endpoint serves may have changed since: its node looks each time.
    task["cachingOptions"] = {"enableCache": True} if remote.cache and node != endpoint.NODE else {}
    for parameter in task.get("inputs", {}).get("parameters", {}).values():
        value = parameter.get("runtimeValue", {}).get("constant")
        if isinstance(value, str) and value.startswith(f"{REPOSITORY}/"):
            parameter["runtimeValue"]["constant"] = remote.code + value.removeprefix(str(REPOSITORY))
    container = executor.get("container")
    if not container:
        return
    container["image"] = remote.images.get(node, remote.image)
    container["args"] += [OUTPUTS_SPEC, json.dumps(component.get("outputDefinitions", {}), sort_keys=True)]
    # Kubeflow ignores what is to be run before it looks into its cache; the entry point runs it.
    if container.pop("lifecycle", None) and remote.target == VERTEX:
        container["lifecycle"] = {"preCacheCheck": {"command": [*COMMAND, "--only_driver"], "args": container["args"]}}
    given = remote.resources.get(node)
    if given:
        container["resources"] = resources(given.cpu, given.memory, given.accelerator, given.count)


def resources(cpu: float | None, memory: float | None, accelerator: str | None, count: int) -> Job:
    """A ResourceSpec: limits are what is asked for too, in cores and GB."""
    found: Job = {}
    if cpu:
        found |= {"cpuLimit": cpu, "cpuRequest": cpu}
    if memory:
        found |= {"memoryLimit": memory, "memoryRequest": memory}
    if accelerator:
        found["accelerator"] = {"type": accelerator, "count": str(count)}
    return found


def parametrise(job: Job, values: dict[str, str]) -> None:
    """Makes tasks take some of their parameters from the pipeline's, which get default values and are given too."""
    spec = job[SPEC]
    definitions = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    given = job.setdefault("runtimeConfig", {}).setdefault("parameterValues", {})
    for name, value in values.items():
        taken = [
            task["inputs"]["parameters"]
            for task in spec["root"]["dag"]["tasks"].values()
            if PARAMETERS[name] in task.get("inputs", {}).get("parameters", {})
        ]
        for parameters in taken:
            parameters[PARAMETERS[name]] = {"componentInputParameter": name}
        if taken:
            definitions[name] = {"parameterType": "STRING", "defaultValue": value}
            given[name] = value


def of_kubernetes(remote: Remote) -> Job:
    """What each container gets of Kubernetes: the claimed volume, and secrets by their names."""
    found: Job = {}
    if remote.volume:
        found["pvcMount"] = [{"constant": remote.volume, "mountPath": remote.mount}]
    if remote.pull_secret:
        found["imagePullSecret"] = [named(remote.pull_secret)]
    if remote.secrets:
        found["secretAsEnv"] = [
            named(secret) | {"keyToEnv": [{"secretKey": key, "envVar": variable}]}
            for variable, (secret, key) in sorted(remote.secrets.items())
        ]
    return found


def named(secret: str) -> Job:
    """A secret's name, as new and as older installations take it."""
    return {"secretName": secret, "secretNameParameter": {"runtimeValue": {"constant": secret}}}


def written(job: Job, target: str) -> str:
    """The job as a file's text: JSON for Vertex AI; for Kubeflow YAML of the bare specification, and of its platform's if there is one."""
    if target != KUBEFLOW:
        return json.dumps(job, indent=1, sort_keys=True) + "\n"
    import yaml

    documents = [job[SPEC], *([{"platforms": job["platforms"]}] if "platforms" in job else [])]
    return yaml.safe_dump_all(documents, sort_keys=True, width=1000)
