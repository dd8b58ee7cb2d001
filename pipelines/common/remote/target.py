"""Where a compiled pipeline is to run, and what its nodes get there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.common.errors import UsageError

VERTEX, KUBEFLOW = "vertex", "kubeflow"
TARGETS = (VERTEX, KUBEFLOW)
# What an address of a pipeline root begins with: what each target's launcher reads and writes.
SCHEMES = {VERTEX: ("gs",), KUBEFLOW: ("gs", "s3", "minio")}
# Vertex AI's names of accelerators, and Kubernetes' names of resources.
ACCELERATORS = {
    VERTEX: (
        "NVIDIA_TESLA_T4",
        "NVIDIA_TESLA_V100",
        "NVIDIA_TESLA_P100",
        "NVIDIA_L4",
        "NVIDIA_TESLA_A100",
        "NVIDIA_A100_80GB",
        "NVIDIA_H100_80GB",
        "TPU_V2",
        "TPU_V3",
        "TPU_V5_LITEPOD",
    ),
    KUBEFLOW: ("nvidia.com/gpu", "amd.com/gpu", "google.com/tpu"),
}
# What a job of a training by several machines is like.
JOBS = {VERTEX: "kubeflow/customjob.yaml", KUBEFLOW: "kubeflow/tfjob.yaml"}
# As Kubernetes names Secrets and their keys.
_SECRET = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?)/([-._a-zA-Z0-9]+)")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)(Mi|Gi|M|G)?")
_MEGABYTES = {"M": 1e-3, "Mi": 2**20 / 1e9, "G": 1.0, "Gi": 2**30 / 1e9, None: 1.0}


@dataclasses.dataclass(frozen=True)
class Resources:
    """What a node gets; None for the target's default.

    Attributes:
        cpu: cores.
        memory: GB.
        accelerator: name of a kind.
        count: of accelerators.
    """

    cpu: float | None = None
    memory: float | None = None
    accelerator: str | None = None
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Remote:
    """Where and how a pipeline runs remotely.

    Attributes:
        target: VERTEX or KUBEFLOW.
        pipeline_root: address in an object store for the artifacts of runs.
        image: container image of all nodes but those in `images`; it has this repository.
        code: folder of this repository in the image.
        images: by node.
        resources: by node.
        volume: of Kubernetes, claimed by that name and mounted at the root for every node; empty for none.
        mount: where it is mounted.
        pull_secret: of Kubernetes, with the sign-in to a private registry of images; empty for none.
        secrets: of Kubernetes: by environment variable of the nodes, a Secret and its key. Values are never in a compiled file.
        webhook: address that is told how a run ended; empty for none.
        cache: whether nodes may be answered by earlier runs.
    """

    target: str
    pipeline_root: str
    image: str
    code: str = "/darsena"
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resources: Mapping[str, Resources] = dataclasses.field(default_factory=dict)
    volume: str = ""
    mount: str = ""
    pull_secret: str = ""
    secrets: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    webhook: str = ""
    cache: bool = True

    def __post_init__(self) -> None:
        """Raises UsageError for what the target can't do."""
        scheme = self.pipeline_root.partition("://")[0]
        if "://" not in self.pipeline_root or scheme not in SCHEMES[self.target]:
            known = ", ".join(f"{each}://" for each in SCHEMES[self.target])
            raise UsageError(f"expected --pipeline-root of {self.target} to begin with {known}, received {self.pipeline_root!r}.")
        for node, each in self.resources.items():
            if each.accelerator and each.accelerator not in ACCELERATORS[self.target]:
                raise UsageError(
                    f"expected an accelerator of {self.target} ({', '.join(ACCELERATORS[self.target])}) for {node}, "
                    f"received {each.accelerator!r}."
                )
        if self.volume and self.target == VERTEX:
            raise UsageError("expected no --volume with --target vertex, which mounts buckets at /gcs.")
        if (self.secrets or self.pull_secret) and self.target == VERTEX:
            raise UsageError(
                "expected no --secret or --pull-secret with --target vertex, whose nodes have the rights of --service-account."
            )
        if self.webhook and not self.webhook.startswith(("https://", "http://")):
            raise UsageError(f"expected --notify to be an http(s) address, received {self.webhook!r}.")

    def check_job(self, job: Mapping[str, Any]) -> None:
        """Refuses a job for the machines of a training or of a search that the target can't have.

        Args:
            job: of jobs.read.

        Raises:
            UsageError: it is the other target's, or needs a volume.
        """
        if (self.target == KUBEFLOW) != ("kind" in job):
            raise UsageError(f"expected --train-on of {self.target} to be like {JOBS[self.target]}, received the other target's.")
        if self.target == KUBEFLOW and not self.volume:
            raise UsageError("expected --volume with --train-on: the claim that the nodes and the machines of the job mount.")


def secret_key(text: str) -> tuple[str, str]:
    """A Secret of Kubernetes and its key, from SECRET/KEY.

    Raises:
        ValueError: it is none.
    """
    match = _SECRET.fullmatch(text)
    if not match:
        raise ValueError(f"expected SECRET/KEY, received {text!r}")
    return match[1], match[3]


def gigabytes(text: str) -> float:
    """An amount of memory, such as 16G or 512Mi, in GB.

    Raises:
        ValueError: it is none.
    """
    match = _MEMORY.fullmatch(text)
    if not match:
        raise ValueError(f"expected an amount of memory such as 16G or 512Mi, received {text!r}.")
    return float(match[1]) * _MEGABYTES[match[2]]


def default_root(target: str, pipeline_root: str) -> Path:
    """The folder that holds data, checkpoints and pushed versions, as nodes see it: the bucket's, where one is mounted."""
    if target == VERTEX:
        return Path("/gcs") / pipeline_root.partition("://")[2].strip("/")
    return Path("/mnt/darsena")
