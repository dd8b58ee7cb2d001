"""Vertex AI and Kubeflow Pipelines on loopback: they speak the official clients' own messages, and answer what a test tells them to."""

import contextlib
import dataclasses
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import kfp_server_api as kfp
from google.cloud import aiplatform_v1 as vertex
from google.rpc.status_pb2 import Status

PACKAGE = "google.cloud.aiplatform.v1"
TaskState = vertex.PipelineTaskDetail.State


@dataclasses.dataclass
class Look:
    """What is to be seen of a run at one look.

    Attributes:
        state: of the run.
        tasks: by name, with an error's message or none.
        reason: of the run's failure.
    """

    state: str
    tasks: dict[str, tuple[str, str]]
    reason: str = ""


@dataclasses.dataclass
class Fault:
    """A request that fails.

    Attributes:
        call: that it meets.
        code: of gRPC's, or of HTTP's; none for a connection that is cut.
        message: of whoever is asked.
        late: whether what was asked for has been done all the same.
    """

    call: str
    code: Any = None
    message: str = ""
    late: bool = False


class Fake:
    """What both have.

    Attributes:
        looks: at the run, one after the other; the last one stays.
        faults: of the next requests.
        calls: names of all requests, in order.
        made: what was asked for.
    """

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.made: list[Any] = []

    def fault(self, call: str) -> Fault | None:
        """Notes a request; returns how it is to fail."""
        self.calls.append(call)
        return self.faults.pop(0) if self.faults and self.faults[0].call == call else None

    def look(self) -> Look:
        """What is to be seen now."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


class FakeGoogle(Fake):
    """A server of services of Google's, by gRPC."""

    def services(self) -> dict[str, dict[str, Any]]:
        """Handlers by the name of a service, and of its method."""
        raise NotImplementedError

    def handler(self, call: str, answer: Any, request: Any, response: Any) -> Any:
        def handle(message: Any, context: Any) -> Any:
            fault = self.fault(call)
            if fault and not fault.late:
                context.abort(fault.code, fault.message)
            try:
                answered = answer(message)
            except FileExistsError:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, "it is there")
            if fault:
                context.abort(fault.code, fault.message)
            return answered

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request.deserialize if hasattr(request, "deserialize") else request.FromString,
            response.serialize if hasattr(response, "serialize") else response.SerializeToString,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its host:port."""
        server = grpc.server(futures.ThreadPoolExecutor(2))
        for name, handlers in self.services().items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


class FakeVertex(FakeGoogle):
    """PipelineService and ScheduleService; `made` has their requests.

    Args:
        spec: of the run that is looked at.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        self.spec = spec

    def create_job(self, request: Any) -> Any:
        if any(each.pipeline_job_id == request.pipeline_job_id for each in self.made):
            raise FileExistsError
        self.made.append(request)
        return vertex.PipelineJob(name=f"{request.parent}/pipelineJobs/{request.pipeline_job_id}")

    def create_schedule(self, request: Any) -> Any:
        self.made.append(request)
        return vertex.Schedule(name=f"{request.parent}/schedules/77")

    def get_job(self, request: Any) -> Any:
        look = self.look()
        job = vertex.PipelineJob(
            name=request.name, state=f"PIPELINE_STATE_{look.state}", error=Status(message=look.reason), pipeline_spec=self.spec
        )
        details = [vertex.PipelineTaskDetail(task_id=1, task_name="whole", state=TaskState.RUNNING)]
        for number, (name, (state, error)) in enumerate(look.tasks.items(), 2):
            container = vertex.PipelineTaskExecutorDetail.ContainerDetail(main_job=f"{request.name}/customJobs/{number}00")
            executor = vertex.PipelineTaskExecutorDetail(container_detail=container)
            details.append(
                vertex.PipelineTaskDetail(
                    task_id=number,
                    parent_task_id=1,
                    task_name=name,
                    state=TaskState[state],
                    error=Status(message=error),
                    executor_detail=executor if state != "PENDING" else None,
                )
            )
        job.job_detail = vertex.PipelineJobDetail(task_details=details)
        return job

    def services(self) -> dict[str, dict[str, Any]]:
        pipelines = {
            "CreatePipelineJob": self.handler("create", self.create_job, vertex.CreatePipelineJobRequest, vertex.PipelineJob),
            "GetPipelineJob": self.handler("get", self.get_job, vertex.GetPipelineJobRequest, vertex.PipelineJob),
        }
        schedules = {"CreateSchedule": self.handler("schedule", self.create_schedule, vertex.CreateScheduleRequest, vertex.Schedule)}
        return {f"{PACKAGE}.PipelineService": pipelines, f"{PACKAGE}.ScheduleService": schedules}


class FakeKubeflow(Fake):
    """The API v2beta1; `made` has runs and recurring runs, as its own models.

    Attributes:
        experiments: ids by name.
        namespaces: that experiments were asked for, and made, in.
        headers: of the last request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.experiments: dict[str, str] = {}
        self.namespaces: list[str | None] = []
        self.headers: Any = None
        self.client = kfp.ApiClient()

    def parsed(self, body: bytes, model: type) -> Any:
        unknown = set(json.loads(body)) - set(model.attribute_map.values())
        assert not unknown, unknown
        return self.client.deserialize(SimpleNamespace(data=body), model)

    def answer(self, call: str, path: str, body: bytes) -> Any:
        if call == "list experiments":
            (predicate,) = json.loads(path)["predicates"]
            assert (predicate["operation"], predicate["key"]) == ("EQUALS", "display_name")
            found = [
                kfp.V2beta1Experiment(experiment_id=number, display_name=name)
                for name, number in self.experiments.items()
                if name == predicate["stringValue"]
            ]
            return kfp.V2beta1ListExperimentsResponse(experiments=found)
        if call == "create experiments":
            made = self.parsed(body, kfp.V2beta1Experiment)
            self.namespaces.append(made.namespace)
            made.experiment_id = self.experiments[made.display_name] = f"experiment-{len(self.experiments)}"
            return made
        if call == "get runs":
            return self.run(path)
        made = self.parsed(body, kfp.V2beta1Run if call == "create runs" else kfp.V2beta1RecurringRun)
        self.made.append(made)
        setattr(made, "run_id" if call == "create runs" else "recurring_run_id", f"id-{len(self.made)}")
        return made

    def run(self, run: str) -> Any:
        look = self.look()
        tasks = [
            kfp.V2beta1PipelineTaskDetail(display_name=name, state=state, error=kfp.GoogleRpcStatus(message=error) if error else None)
            for name, (state, error) in look.tasks.items()
        ]
        error = kfp.GoogleRpcStatus(message=look.reason) if look.reason else None
        return kfp.V2beta1Run(run_id=run, state=look.state, error=error, run_details=kfp.V2beta1RunDetails(task_details=tasks))

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                kind, _, name = url.path.removeprefix("/apis/v2beta1/").partition("/")
                query = parse_qs(url.query)
                if not name:
                    fake.namespaces += query.get("namespace", [None])
                self.reply(f"{'get' if name else 'list'} {kind}", name or query["filter"][0])

            def do_POST(self) -> None:
                self.reply(f"create {self.path.removeprefix('/apis/v2beta1/')}", "")

            def reply(self, call: str, path: str) -> None:
                fake.headers = self.headers
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = fake.fault(call)
                answered = fake.client.sanitize_for_serialization(fake.answer(call, path, body)) if not fault or fault.late else {}
                if fault and fault.code is None:
                    self.close_connection = True
                    return
                if fault:
                    answered = {"code": 2, "message": fault.message}
                text = json.dumps(answered).encode()
                self.send_response(fault.code if fault else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Tells the terminal nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()
