"""Is a compiled pipeline sound? The official protos take much that neither target can run: references to nothing, for instance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.common.errors import UsageError
from pipelines.common.remote.target import KUBEFLOW


def check_job(job: dict[str, Any], target: str) -> None:
    """Refuses a job that the target could not run.

    Raises:
        UsageError: it has what the target lacks.
        ValueError: it isn't what the protos say, refers to what isn't there, or lacks a value.
    """
    check_protos(job)
    spec = job["pipelineSpec"]
    problems = [*dag_problems(spec, "root", spec["root"]), *executor_problems(spec), *parameter_problems(job)]
    if problems:
        raise ValueError(f"the compiled pipeline is not sound: {'; '.join(problems)}.")
    if target == KUBEFLOW:
        executors = spec["deploymentSpec"]["executors"].items()
        lacking = sorted(label for label, executor in executors if "resolver" in executor or "lifecycle" in executor.get("container", {}))
        if lacking:
            raise UsageError(f"Kubeflow Pipelines has no resolvers and no hooks before its cache, which {', '.join(lacking)} would need.")


def check_protos(job: dict[str, Any]) -> None:
    """Raises ValueError unless the official protos take the job and all in it, without unknown fields."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2 as protos

    try:
        json_format.ParseDict({name: value for name, value in job.items() if name != "platforms"}, protos.PipelineJob())
        spec = json_format.ParseDict(job["pipelineSpec"], protos.PipelineSpec())
        json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), protos.PipelineDeploymentConfig())
        for label, config in job.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {}).items():
            if label not in spec.deployment_spec["executors"]:
                raise ValueError(f"the platform's part is of {label}, which is not there")
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise ValueError(f"expected a pipeline job as its protos say, received another: {error}") from error


def dag_problems(spec: dict[str, Any], name: str, component: dict[str, Any]) -> Iterator[str]:
    """References of a graph's tasks, and of those in it, that lead nowhere."""
    tasks = component["dag"]["tasks"]
    own = set(component.get("inputDefinitions", {}).get("parameters", {}))
    for task_name, task in tasks.items():
        where = f"{task_name} of {name}"
        found = spec["components"].get(task["componentRef"]["name"])
        if found is None:
            yield f"{where} is of no component"
            continue
        for other in task.get("dependentTasks", ()):
            if other not in tasks:
                yield f"{where} waits for {other}, which is not there"
        inputs = task.get("inputs", {})
        for key, artifact in inputs.get("artifacts", {}).items():
            producer = artifact["taskOutputArtifact"]["producerTask"]
            outputs = spec["components"].get(tasks.get(producer, {}).get("componentRef", {}).get("name"), {}).get("outputDefinitions", {})
            if artifact["taskOutputArtifact"]["outputArtifactKey"] not in outputs.get("artifacts", {}):
                yield f"{where} takes {key} from {producer}, which has no such output"
        taken = found.get("inputDefinitions", {}).get("parameters", {})
        for key, parameter in inputs.get("parameters", {}).items():
            if key not in taken:
                yield f"{where} is given {key}, which it does not take"
            if "componentInputParameter" in parameter and parameter["componentInputParameter"] not in own:
                yield f"{where} takes {key} from the parameter {parameter['componentInputParameter']}, which {name} has not"
            if "taskFinalStatus" in parameter and parameter["taskFinalStatus"]["producerTask"] not in tasks:
                yield f"{where} takes the status of {parameter['taskFinalStatus']['producerTask']}, which is not there"
        missing = {key for key, each in taken.items() if not each.get("isOptional") and "defaultValue" not in each} - set(
            inputs.get("parameters", {})
        )
        if missing:
            yield f"{where} is not given {', '.join(sorted(missing))}"
        if "dag" in found:
            yield from dag_problems(spec, task_name, found)


def executor_problems(spec: dict[str, Any]) -> Iterator[str]:
    """Components whose executor is not there, and executors of none."""
    executors = spec["deploymentSpec"]["executors"]
    used = {component["executorLabel"] for component in spec["components"].values() if "executorLabel" in component}
    for label in sorted(used ^ set(executors)):
        yield f"the executor {label} is {'not there' if label in used else 'of no component'}"


def parameter_problems(job: dict[str, Any]) -> Iterator[str]:
    """Parameters of the pipeline without a value, and values of none."""
    defined = set(job["pipelineSpec"]["root"].get("inputDefinitions", {}).get("parameters", {}))
    given = set(job.get("runtimeConfig", {}).get("parameterValues", {}))
    for name in sorted(defined ^ given):
        yield f"the parameter {name} {'has no value' if name in defined else 'is not there'}"
