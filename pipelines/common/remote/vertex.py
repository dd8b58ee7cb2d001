"""Vertex AI, through its official client."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from components import vertex_api
from components.vertex_api import WHO
from pipelines.common.errors import DarsenaError
from pipelines.common.remote.submitting import FAILED, TIMEOUT, Job, Run, Show, Unreachable, failure, new_name, persist, refused

CONSOLE = "https://console.cloud.google.com/vertex-ai/locations"
PIPELINES = "PipelineServiceClient"


@dataclasses.dataclass(frozen=True)
class Vertex:
    """Pipelines of a project in a region (submitting.Service says what the methods do).

    Attributes:
        project: id.
        region: such as europe-west4.
        service_account: that runs get; empty for the project's default.
        label: labels of runs.
    """

    project: str
    region: str
    service_account: str = ""
    label: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def parent(self) -> str:
        """The resource that all others are in."""
        return f"projects/{self.project}/locations/{self.region}"

    @contextlib.contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """The official client of a service of the API, by the name of its class; its errors become DarsenaErrors.

        Raises:
            DarsenaError: there are no credentials.
        """
        try:
            with vertex_api.client(service, self.region) as made:
                yield made
        except vertex_api.RequestFailed as error:
            raise refused(WHO, error.code, error.reason) from error
        except vertex_api.NotSignedIn as error:
            raise DarsenaError(str(error)) from error

    def message(self, job: Job) -> Any:
        """A PipelineJob of the API."""
        from google.cloud import aiplatform_v1
        from google.protobuf import json_format

        made = aiplatform_v1.PipelineJob(labels=self.label, service_account=self.service_account)
        json_format.ParseDict(job, aiplatform_v1.PipelineJob.pb(made))
        return made

    def submit(self, job: Job, show: Show) -> str:
        """See submitting.Service. An answer that got lost is asked for again: of one name there is one run."""
        from google.api_core.exceptions import AlreadyExists

        run, message = new_name(job), self.message(job)

        def create() -> None:
            # Nobody else makes a run of this name: an earlier try has.
            with self.client(PIPELINES) as client, contextlib.suppress(AlreadyExists):
                client.create_pipeline_job(parent=self.parent, pipeline_job=message, pipeline_job_id=run, timeout=TIMEOUT)

        persist(create, show)
        return run

    def schedule(self, job: Job, cron: str) -> str:
        """See submitting.Service."""
        from google.cloud import aiplatform_v1

        request = aiplatform_v1.CreatePipelineJobRequest(parent=self.parent, pipeline_job=self.message(job))
        name = new_name(job)
        schedule = aiplatform_v1.Schedule(display_name=name, cron=cron, create_pipeline_job_request=request, max_concurrent_run_count=1)
        try:
            with self.client("ScheduleServiceClient") as client:
                made = client.create_schedule(parent=self.parent, schedule=schedule, timeout=TIMEOUT)
        except Unreachable as error:
            raise DarsenaError(
                f"{error} See whether the schedule {name} was made, before you try again: {self.schedule_address('')}"
            ) from error
        return str(made.name.rpartition("/")[2])

    def get(self, run: str) -> tuple[Any, list[Any]]:
        """A run, and its tasks that run something: it lists itself and inner graphs among them."""
        from google.protobuf import json_format

        with self.client(PIPELINES) as client:
            job = client.get_pipeline_job(name=f"{self.parent}/pipelineJobs/{run}", timeout=TIMEOUT)
        spec = json_format.MessageToDict(type(job).pb(job).pipeline_spec)
        graphs = [each["dag"]["tasks"] for each in (spec["root"], *spec["components"].values()) if "dag" in each]
        running = {
            name for tasks in graphs for name, task in tasks.items() if "dag" not in spec["components"][task["componentRef"]["name"]]
        }
        return job, [task for task in job.job_detail.task_details if task.task_name in running]

    def status(self, run: str) -> Run:
        """See submitting.Service."""
        job, tasks = self.get(run)
        state = plain(job.state.name.removeprefix("PIPELINE_STATE_"))
        nodes = {task.task_name: plain(task.state.name) for task in tasks}
        failed = [task for task in tasks if nodes[task.task_name] == FAILED]
        messages = [task.error.message for task in failed if task.error.message] or [job.error.message]
        return Run(state, nodes, failure([task.task_name for task in failed], messages))

    def logs(self, run: str) -> list[str]:
        """See submitting.Service."""
        jobs = {task.task_name: task.executor_detail.container_detail.main_job.rpartition("/")[2] for task in self.get(run)[1]}
        return [
            f'gcloud logging read \'resource.type="ml_job" AND resource.labels.job_id="{job}"\' --project {self.project} --order asc '
            f"--format 'value(textPayload, jsonPayload.message)'  # {node}"
            for node, job in jobs.items()
            if job
        ]

    def address(self, run: str) -> str:
        """See submitting.Service."""
        return f"{CONSOLE}/{self.region}/pipelines/runs/{run}?project={self.project}"

    def schedule_address(self, schedule: str) -> str:
        """See submitting.Service."""
        return f"{CONSOLE}/{self.region}/pipelines/schedules/{schedule}?project={self.project}"


def plain(state: str) -> str:
    """The name of a state as words."""
    return state.lower().replace("_", " ")
