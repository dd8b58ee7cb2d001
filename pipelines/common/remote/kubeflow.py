"""Kubeflow Pipelines, through the official client of its API, v2beta1.

Not through kfp.Client, which looks for a cluster, sleeps and prints.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Iterator
from typing import Any

from pipelines.common.errors import DarsenaError
from pipelines.common.remote.submitting import FAILED, TIMEOUT, Job, Run, Show, Unreachable, failure, new_name, refused

WHO = "Kubeflow Pipelines"
# Sent as a bearer token, where the host asks for one.
TOKEN = "DARSENA_KUBEFLOW_TOKEN"
EQUALS = "EQUALS"
# Beside the tasks of a pipeline, Kubeflow lists these, and a "<task>-driver" for each: its own pods.
OWN = ("root", "executor")
DRIVER = "-driver"


@dataclasses.dataclass(frozen=True)
class Kubeflow:
    """Pipelines of a Kubeflow installation (submitting.Service says what the methods do).

    Attributes:
        host: address of its API or user interface.
        namespace: of the runs, where the installation has several users; empty where it has one.
        experiment: that runs are listed in; it is made if it is not there.
        service_account: that runs get; empty for the installation's default.
    """

    host: str
    namespace: str = ""
    experiment: str = "Default"
    service_account: str = ""

    @functools.cached_property
    def connection(self) -> Any:
        """What all parts of the API are asked through."""
        import kfp_server_api

        configuration = kfp_server_api.Configuration(host=self.host)
        # Whoever asks knows what may be asked again, and tells of it.
        configuration.retries = False
        if os.environ.get(TOKEN):
            configuration.api_key = {"authorization": os.environ[TOKEN]}
            configuration.api_key_prefix = {"authorization": "Bearer"}
        return kfp_server_api.ApiClient(configuration)

    def experiment_id(self) -> str:
        """The id of the experiment, which is made if need be."""
        import kfp_server_api

        api = kfp_server_api.ExperimentServiceApi(self.connection)
        within = {"namespace": self.namespace} if self.namespace else {}
        named = {"predicates": [{"operation": EQUALS, "key": "display_name", "stringValue": self.experiment}]}
        with told():
            found = api.experiment_service_list_experiments(filter=json.dumps(named), _request_timeout=TIMEOUT, **within).experiments
            if found:
                return str(found[0].experiment_id)
            made = kfp_server_api.V2beta1Experiment(display_name=self.experiment, **within)
            return str(api.experiment_service_create_experiment(made, _request_timeout=TIMEOUT).experiment_id)

    def described(self, job: Job, name: str) -> dict[str, Any]:
        """What a run and a recurring run have in common."""
        import kfp_server_api

        spec = job["pipelineSpec"]
        return {
            "display_name": name,
            "experiment_id": self.experiment_id(),
            "pipeline_spec": {"pipeline_spec": spec, "platform_spec": {"platforms": job["platforms"]}} if "platforms" in job else spec,
            "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters=job["runtimeConfig"]["parameterValues"]),
            "service_account": self.service_account or None,
        }

    def submit(self, job: Job, show: Show) -> str:
        """See submitting.Service. The API takes no id, so a lost answer is not asked for again: there might be two runs."""
        import kfp_server_api

        name = new_name(job)
        run = kfp_server_api.V2beta1Run(**self.described(job, name))
        with once(f"a run {name} has begun", f"{self.host}/#/runs"):
            made = kfp_server_api.RunServiceApi(self.connection).run_service_create_run(run, _request_timeout=TIMEOUT)
        return str(made.run_id)

    def schedule(self, job: Job, cron: str) -> str:
        """See submitting.Service."""
        import kfp_server_api

        name = new_name(job)
        recurring = kfp_server_api.V2beta1RecurringRun(
            **self.described(job, name),
            # Its first field is seconds: without them, it would take the five for others.
            trigger=kfp_server_api.V2beta1Trigger(cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=f"0 {cron}")),
            mode=kfp_server_api.RecurringRunMode.ENABLE,
            max_concurrency="1",
            no_catchup=True,
        )
        api = kfp_server_api.RecurringRunServiceApi(self.connection)
        with once(f"a recurring run {name} was made", f"{self.host}/#/recurringruns"):
            made = api.recurring_run_service_create_recurring_run(recurring, _request_timeout=TIMEOUT)
        return str(made.recurring_run_id)

    def status(self, run: str) -> Run:
        """See submitting.Service."""
        import kfp_server_api

        with told():
            found = kfp_server_api.RunServiceApi(self.connection).run_service_get_run(run, _request_timeout=TIMEOUT)
        tasks = (found.run_details.task_details if found.run_details else None) or []
        nodes = {each.display_name: plain(each.state) for each in tasks if own_name(each) == each.display_name}
        failed = [each for each in tasks if plain(each.state) == FAILED]
        messages = [each.error.message for each in failed if each.error] or ([found.error.message] if found.error else [])
        return Run(plain(found.state), nodes, failure(filter(None, map(own_name, failed)), messages))

    def logs(self, run: str) -> list[str]:
        """See submitting.Service. The API has none: they are the pods', as long as these are there."""
        namespace = self.namespace or "kubeflow"
        return [f"kubectl logs --namespace {namespace} --selector pipeline/runid={run} --container main --prefix --tail -1"]

    def address(self, run: str) -> str:
        """See submitting.Service."""
        return f"{self.host.rstrip('/')}/#/runs/details/{run}"

    def schedule_address(self, schedule: str) -> str:
        """See submitting.Service."""
        return f"{self.host.rstrip('/')}/#/recurringrun/details/{schedule}"


def plain(state: str | None) -> str:
    """The name of a state as words; it has none before it begins."""
    return (state or "pending").lower().replace("_", " ")


def own_name(task: Any) -> str:
    """The name of the pipeline's task that a listed one belongs to; empty where it is only Kubeflow's."""
    name = str(task.display_name).removesuffix(DRIVER)
    return "" if name in OWN else name


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turns the client's errors into DarsenaErrors, Unreachable if they may pass."""
    import urllib3
    from kfp_server_api.exceptions import ApiException

    try:
        yield
    except ApiException as error:
        raise refused(WHO, error.status, reason(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{WHO} does not answer ({error}).") from error


@contextlib.contextmanager
def once(made: str, where: str) -> Iterator[None]:
    """The same for a request that must not be made twice."""
    try:
        with told():
            yield
    except Unreachable as error:
        raise DarsenaError(f"{error} See whether {made}, before you try again: {where}") from error


def reason(error: Any) -> str:
    """What the API says of a refused request: its message if it is one, else the page of whoever stands before it, in short."""
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"
