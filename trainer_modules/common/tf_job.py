"""A training by several machines of a Kubernetes cluster: a TFJob of Kubeflow's training operator, made, watched and waited for.

Each worker runs `python -m trainer_modules.common.workers`. What the Trainer reads and writes is on a volume that all of them mount at
the same path.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer_modules.common import workers

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
CONTAINER = "tensorflow"
ARGUMENTS = "fn_args.json"
SECONDS = 10.0  # between two looks at the job


def train(fn_args: FnArgs) -> None:
    """Trains by a TFJob and waits for its end; the job is removed if this process is stopped before.

    Args:
        fn_args: of TFX's Trainer; custom_config holds `run_fn`, `workers` (how many) and `tf_job` (path of a manifest to start from).

    Raises:
        ValueError: the manifest is none of a TFJob with a container for TensorFlow.
        RuntimeError: the cluster refuses the job, or the job failed.
    """
    given = fn_args.custom_config
    arguments = Path(fn_args.model_run_dir) / ARGUMENTS
    job = manifest(read(Path(given["tf_job"])), name_of(given), given["workers"], str(arguments))
    namespace, name = job["metadata"].get("namespace", "default"), job["metadata"]["name"]
    arguments.write_text(workers.written(fn_args))
    try:
        api = made(job, namespace)
        logging.info("TFJob %s/%s was made; kubectl logs -n %s -l training.kubeflow.org/job-name=%s", namespace, name, namespace, name)
        try:
            wait(api, namespace, name)
        except BaseException:
            api.delete_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name)
            raise
    finally:
        arguments.unlink(missing_ok=True)


def made(job: dict[str, Any], namespace: str) -> Any:
    """Has the cluster make a job; returns the client that it was asked through.

    Raises:
        RuntimeError: there is no cluster, or it refuses.
    """
    from kubernetes import client, config

    try:
        config.load_config()
        api = client.CustomObjectsApi()
        api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, job)
    except (config.ConfigException, client.ApiException) as error:
        raise RuntimeError(
            f"expected a Kubernetes cluster with Kubeflow's training operator to take a TFJob, received: {told(error)}. "
            "Look at kubectl config current-context, or train with --workers alone."
        ) from error
    return api


def read(file: Path) -> dict[str, Any]:
    """A manifest from a file.

    Raises:
        ValueError: it is none of a TFJob with workers that have a container for TensorFlow.
    """
    import yaml

    try:
        found: dict[str, Any] = yaml.safe_load(file.read_text())
        kind = found["apiVersion"], found["kind"]
        names = [each["name"] for each in found["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(
            f"expected {file} to be a TFJob like kubeflow/tfjob.yaml, could not read it ({type(error).__name__}: {error})."
        ) from error
    if kind != (f"{GROUP}/{VERSION}", "TFJob") or CONTAINER not in names:
        received = f"{' '.join(kind)} with {', '.join(names)}"
        raise ValueError(f"expected {file} to be a TFJob of {GROUP}/{VERSION} with a container {CONTAINER}, received {received}.")
    return found


def name_of(given: Mapping[str, Any]) -> str:
    """A name for the job that no other has."""
    return f"{given['run_fn'].split('.')[-2].replace('_', '-')}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"


def manifest(template: Mapping[str, Any], name: str, count: int, arguments: str) -> dict[str, Any]:
    """The template with the job's name, so many workers, and what they run.

    Args:
        template: of `read`.
        name: of the job.
        count: of workers.
        arguments: path of the Trainer's, as the workers see it.
    """
    found: dict[str, Any] = copy.deepcopy(dict(template))
    found["metadata"] = found.get("metadata", {}) | {"name": name}
    worker = found["spec"]["tfReplicaSpecs"]["Worker"]
    worker["replicas"] = count
    for container in worker["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            container["command"] = ["python", "-m", "trainer_modules.common.workers", arguments]
    return found


def wait(api: Any, namespace: str, name: str) -> None:
    """Waits until the job has succeeded.

    Raises:
        RuntimeError: it failed, or is gone.
    """
    from kubernetes.client import ApiException

    while True:
        try:
            found = api.get_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name)
        except ApiException as error:
            raise RuntimeError(f"expected TFJob {namespace}/{name} to train, it can't be asked: {told(error)}.") from error
        holding = {each["type"]: each for each in found.get("status", {}).get("conditions", ()) if each["status"] == "True"}
        if "Succeeded" in holding:
            return
        if "Failed" in holding:
            reason = holding["Failed"].get("message", "no reason was told")
            raise RuntimeError(f"expected TFJob {namespace}/{name} to train to the end, it failed: {reason}")
        pause()


def told(error: Exception) -> str:
    """What the cluster says of a refused request, in short."""
    try:
        return str(json.loads(getattr(error, "body", "") or "")["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return " ".join(str(error).split())[:300].rstrip(".")


def pause() -> None:
    """Waits between two looks."""
    time.sleep(SECONDS)
