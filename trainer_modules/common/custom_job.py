"""A CustomJob of Vertex AI, which mounts buckets at /gcs on every machine and sets TF_CONFIG."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer_modules.common.jobs import told
from trainer_modules.common.workers import LOST

PARENT = re.compile(r"projects/[^/]+/locations/(?P<region>[^/]+)")
# For tests and emulators: host:port of another server of the same API, asked without encryption and credentials.
ENDPOINT = "DARSENA_VERTEX_ENDPOINT"
TIMEOUT = 60.0  # of a request, in seconds
SUCCEEDED = "JOB_STATE_SUCCEEDED"
ENDED = (SUCCEEDED, "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED", "JOB_STATE_PARTIALLY_SUCCEEDED")


def check(job: Mapping[str, Any], file: Path) -> None:
    """Refuses what is no CustomJob with one pool of machines.

    Raises:
        ValueError: it is none.
    """
    unknown = sorted(set(job) - {"parent", "jobSpec"})
    try:
        if unknown:
            raise ValueError(f"it has {', '.join(unknown)}")
        if not PARENT.fullmatch(job["parent"]):
            raise ValueError(f"its parent is {job['parent']!r}, not projects/PROJECT/locations/REGION")
        (pool,) = job["jobSpec"]["workerPoolSpecs"]
        pool["containerSpec"]["imageUri"]
        message(job, "name", 2, ["python"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected {file} to be like kubeflow/customjob.yaml, with one pool of machines, could not read it "
            f"({type(error).__name__}: {' '.join(str(error).split())})."
        ) from error


def message(job: Mapping[str, Any], name: str, count: int, command: Sequence[str]) -> Any:
    """The CustomJob of the API: a first machine, which Vertex AI calls chief, and so many more that there are `count` in all.

    Raises:
        ValueError: the API has no such field.
    """
    from google.cloud import aiplatform_v1
    from google.protobuf import json_format

    spec = copy.deepcopy(dict(job["jobSpec"]))
    (pool,) = spec["workerPoolSpecs"]
    pool["containerSpec"] |= {"command": list(command), "args": []}
    more = [copy.deepcopy(pool) | {"replicaCount": str(count - 1)}] if count > 1 else []
    spec["workerPoolSpecs"] = [pool | {"replicaCount": "1"}, *more]
    made = aiplatform_v1.CustomJob()
    try:
        json_format.ParseDict({"displayName": name, "jobSpec": spec}, aiplatform_v1.CustomJob.pb(made))
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    return made


@dataclasses.dataclass(frozen=True)
class CustomJob:
    """A job that was made (jobs.Job says what the methods do).

    Attributes:
        name: the resource.
    """

    name: str

    def __str__(self) -> str:
        return f"CustomJob {self.name}"

    def ended(self) -> str | None:
        """See jobs.Job."""
        from google.api_core.retry import Retry

        with asked(self.name, "answer for a job") as client:
            found = client.get_custom_job(name=self.name, retry=Retry(), timeout=TIMEOUT)
        if found.state.name not in ENDED:
            return None
        return "" if found.state.name == SUCCEEDED else found.error.message or found.state.name.removeprefix("JOB_STATE_").lower()

    def lost(self, reason: str) -> bool:
        """See jobs.Job: Vertex AI tells the exit code of a machine in its message."""
        return bool(re.search(rf"\bnon-zero status of {LOST}\b", reason))

    def remove(self) -> None:
        """See jobs.Job: cancelled, as a job that runs can't be deleted."""
        with asked(self.name, "cancel a job") as client:
            client.cancel_custom_job(name=self.name, timeout=TIMEOUT)


def make(job: Mapping[str, Any], name: str, count: int, command: Sequence[str]) -> CustomJob:
    """Has Vertex AI make a job.

    Args:
        job: to start from.
        name: shown.
        count: of machines.
        command: that each runs.

    Raises:
        RuntimeError: it refuses.
    """
    with asked(job["parent"], "take a CustomJob") as client:
        made = client.create_custom_job(parent=job["parent"], custom_job=message(job, name, count, command), timeout=TIMEOUT)
    return CustomJob(made.name)


@contextlib.contextmanager
def asked(resource: str, what: str) -> Iterator[Any]:
    """The official client of jobs.

    Args:
        resource: whose region is asked.
        what: is asked for, for the message.

    Raises:
        RuntimeError: the request fails.
    """
    import grpc
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.aiplatform_v1 import JobServiceClient

    endpoint, region = os.environ.get(ENDPOINT), PARENT.match(resource)
    try:
        if endpoint:
            made = JobServiceClient(transport=JobServiceClient.get_transport_class("grpc")(channel=grpc.insecure_channel(endpoint)))
        else:
            made = JobServiceClient(client_options={"api_endpoint": f"{region and region['region']}-aiplatform.googleapis.com"})
        with made:
            yield made
    except (GoogleAPIError, GoogleAuthError) as error:
        raise RuntimeError(
            f"expected Vertex AI ({resource}) to {what}, received: {told(error)}. Look at the quotas and rights of the service account."
        ) from error
