"""A TFJob of Kubeflow's training operator, in the Kubernetes cluster that kubectl's configuration or the pod's own names."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer_modules.common.jobs import told

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
CONTAINER = "tensorflow"


def check(job: Mapping[str, Any], file: Path) -> None:
    """Refuses what is no TFJob with workers that have a container for TensorFlow.

    Raises:
        ValueError: it is none.
    """
    try:
        kind = job["apiVersion"], job["kind"]
        names = [each["name"] for each in job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"expected {file} to be a TFJob like kubeflow/tfjob.yaml, could not read it ({type(error).__name__}: {error})."
        ) from error
    if kind != (f"{GROUP}/{VERSION}", "TFJob") or CONTAINER not in names:
        received = f"{' '.join(kind)} with {', '.join(names)}"
        raise ValueError(f"expected {file} to be a TFJob of {GROUP}/{VERSION} with a container {CONTAINER}, received {received}.")


@dataclasses.dataclass(frozen=True)
class TFJob:
    """A job that was made (jobs.Job says what the methods do).

    Attributes:
        api: client of the cluster.
        namespace, name: of the job.
    """

    api: Any
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"TFJob {self.namespace}/{self.name}"

    def ended(self) -> str | None:
        """See jobs.Job."""
        from kubernetes.client import ApiException

        try:
            found = self.api.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, self.name)
        except ApiException as error:
            raise RuntimeError(f"expected {self} to train, it can't be asked: {told(error)}.") from error
        holding = {each["type"]: each for each in found.get("status", {}).get("conditions", ()) if each["status"] == "True"}
        if "Failed" in holding:
            return str(holding["Failed"].get("message") or "no reason was told")
        return "" if "Succeeded" in holding else None

    def lost(self, reason: str) -> bool:
        """Never: the operator starts them again by the exit code (`restartPolicy`)."""
        return False

    def remove(self) -> None:
        """See jobs.Job."""
        self.api.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, self.name)


def make(job: Mapping[str, Any], name: str, count: int, command: Sequence[str]) -> TFJob:
    """Has the cluster make a job.

    Args:
        job: to start from.
        name: of the job.
        count: of workers.
        command: that each runs.

    Raises:
        RuntimeError: there is no cluster, or it refuses.
    """
    from kubernetes import client, config

    described = manifest(job, name, count, command)
    namespace = described["metadata"].get("namespace", "default")
    try:
        config.load_config()
        api = client.CustomObjectsApi()
        api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, described)
    except (config.ConfigException, client.ApiException) as error:
        raise RuntimeError(
            f"expected a Kubernetes cluster with Kubeflow's training operator to take a TFJob, received: {told(error)}. "
            "Look at kubectl config current-context, or train with --workers alone."
        ) from error
    return TFJob(api, namespace, name)


def manifest(job: Mapping[str, Any], name: str, count: int, command: Sequence[str]) -> dict[str, Any]:
    """The job with its name, so many workers, and what they run."""
    found = copy.deepcopy(dict(job))
    found["metadata"] = found.get("metadata", {}) | {"name": name}
    worker = found["spec"]["tfReplicaSpecs"]["Worker"]
    worker["replicas"] = count
    for container in worker["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            container["command"] = list(command)
    return found
