"""JobService of Vertex AI on loopback, which runs the machines of a job as it would."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as vertex
from google.protobuf import empty_pb2
from google.rpc.status_pb2 import Status

from tests.remote.fakes import PACKAGE, FakeGoogle
from trainer_modules.common import cluster

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "kubeflow" / "customjob.yaml"
State = vertex.JobState


class FakeJobs(FakeGoogle):
    """JobService; `made` has requests for jobs, and a look is a state and an error.

    Attributes:
        cancelled: names.
        runs: whether it is to run a job's machines.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []
        self.looks: list[Any] = [(State.JOB_STATE_PENDING, ""), (State.JOB_STATE_RUNNING, ""), (State.JOB_STATE_SUCCEEDED, "")]
        self.runs = False
        self.lock = threading.Lock()
        self.processes: list[list[subprocess.Popen]] = []

    def create(self, request: Any) -> Any:
        with self.lock:
            self.made.append(request)
            if self.runs:
                self.start([(pool.replica_count, pool.container_spec) for pool in request.custom_job.job_spec.worker_pool_specs])
            return vertex.CustomJob(name=f"{request.parent}/customJobs/{len(self.made)}")

    def start(self, pools: list[tuple[int, Any]]) -> None:
        """Runs machines, each with the TF_CONFIG that Vertex AI sets: the first pool is called chief."""
        self.processes.append([])
        addresses = iter(cluster.free_addresses(sum(count for count, _ in pools)))
        described = {kind: [next(addresses) for _ in range(count)] for kind, (count, _) in zip(("chief", "worker"), pools, strict=False)}
        for kind, (count, container) in zip(("chief", "worker"), pools, strict=False):
            for index in range(count):
                config = {"cluster": described, "environment": "cloud", "task": {"type": kind, "index": index}, "job": "{}"}
                environment = os.environ | {"TF_CONFIG": json.dumps(config), "PYTHONPATH": str(REPOSITORY)}
                command = [sys.executable, *container.command[1:]]
                self.processes[-1].append(subprocess.Popen(command, cwd=REPOSITORY, env=environment))

    def get(self, request: Any) -> Any:
        if self.runs:
            codes = [process.wait(300) for process in self.processes[int(request.name.rpartition("/")[2]) - 1]]
            state, error = (State.JOB_STATE_FAILED, f"{codes}") if any(codes) else (State.JOB_STATE_SUCCEEDED, "")
        else:
            state, error = self.look()
        return vertex.CustomJob(name=request.name, state=state, error=Status(message=error) if error else None)

    def cancel(self, request: Any) -> Any:
        self.cancelled.append(request.name)
        return empty_pb2.Empty()

    def services(self) -> dict[str, dict[str, Any]]:
        return {
            f"{PACKAGE}.JobService": {
                "CreateCustomJob": self.handler("create", self.create, vertex.CreateCustomJobRequest, vertex.CustomJob),
                "GetCustomJob": self.handler("get", self.get, vertex.GetCustomJobRequest, vertex.CustomJob),
                "CancelCustomJob": self.handler("cancel", self.cancel, vertex.CancelCustomJobRequest, empty_pb2.Empty),
            }
        }
