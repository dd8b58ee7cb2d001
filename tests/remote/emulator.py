"""Runs a compiled pipeline node by node as its target would: same commands and arguments, with object stores as folders.

    python -m tests.remote.emulator JOB.json TARGET STORE OUTCOME.json

Vertex AI mounts buckets, so a node there works in the store itself. Kubeflow's launcher copies a node's inputs into its container and its
outputs back into the store, and tells it no types. One process imports TFX, and a fork of it runs each node, as a container would.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

VERTEX = "vertex"
PLACEHOLDER = "{{$}}"


class Emulator:
    """A target with its store, and what came of the nodes.

    Args:
        job: the compiled pipeline job.
        target: "vertex" or "kubeflow".
        store: folder of the object stores.
        name: of the run.
    """

    def __init__(self, job: dict[str, Any], target: str, store: Path, name: str):
        self.spec, self.target, self.store, self.name = job["pipelineSpec"], target, store, name
        self.root: str = job["runtimeConfig"]["gcsOutputDirectory"]
        self.parameters: dict[str, Any] = job["runtimeConfig"].get("parameterValues", {})
        self.made: dict[str, dict[str, dict[str, Any]]] = {}
        self.ended: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """Runs all nodes in order, up to the first that fails, and then the one that notifies, if there is one."""
        root, dag = self.spec["root"]["dag"]["tasks"], self.spec["root"]["dag"]["tasks"]
        inner = [task for task in root.values() if "dag" in self.spec["components"][task["componentRef"]["name"]]]
        if inner:
            dag = self.spec["components"][inner[0]["componentRef"]["name"]]["dag"]["tasks"]
        error = ""
        for name in ordered(dag):
            try:
                self.run_task(name, dag[name])
                self.ended[name] = "SUCCEEDED"
            except RuntimeError as failure:
                self.ended[name], error = "FAILED", str(failure)
                break
        for name, task in root.items():
            if "triggerPolicy" in task:
                status = {"state": "FAILED" if error else "SUCCEEDED", "pipelineJobResourceName": "jobs/1", "error": {"message": error}}
                self.run_last(name, task, status)
        return {"ended": self.ended, "error": error, "made": self.made}

    def run_task(self, name: str, task: dict[str, Any]) -> None:
        """Runs one node."""
        component = self.spec["components"][task["componentRef"]["name"]]
        executor = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]
        if "importer" in executor:
            self.made[name] = {
                key: {
                    "name": key,
                    "uri": executor["importer"]["artifactUri"]["constant"],
                    "metadata": executor["importer"].get("metadata", {}),
                }
                for key in component["outputDefinitions"]["artifacts"]
            }
            return
        folder = f"{self.root}/{self.name}/{name}"
        container = executor["container"]
        invocation = self.invocation(name, task, component, folder)
        with Container(self, invocation) as environment:
            hook = container.get("lifecycle", {}).get("preCacheCheck")
            for command in ([hook] if hook else []) + [container]:
                execute(
                    [*command["command"], *(json.dumps(invocation) if each == PLACEHOLDER else each for each in command["args"])],
                    environment,
                )
            report = json.loads(Path(self.inside(invocation["outputs"]["outputFile"], environment)).read_text())
        self.made[name] = {}
        for key, found in report["artifacts"].items():
            artifact = found["artifacts"][0]
            expected = invocation["outputs"]["artifacts"][key]["artifacts"][0]["uri"]
            if artifact["uri"] != expected:
                raise RuntimeError(f"{name} reported {key} at {artifact['uri']}, expected {expected}")
            self.made[name][key] = {"name": f"{name}-{key}", "uri": artifact["uri"], "metadata": artifact.get("metadata", {})}

    def run_last(self, name: str, task: dict[str, Any], status: dict[str, Any]) -> None:
        """Runs the node that notifies."""
        component = self.spec["components"][task["componentRef"]["name"]]
        container = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        webhook = task["inputs"]["parameters"]["webhook"]["runtimeValue"]["constant"]
        values = {"{{$.inputs.parameters['webhook']}}": webhook, "{{$.inputs.parameters['status']}}": json.dumps(status)}
        try:
            execute([*container["command"], *(values[each] for each in container["args"])], dict(os.environ))
            self.ended[name] = "SUCCEEDED"
        except RuntimeError:
            self.ended[name] = "FAILED"

    def invocation(self, name: str, task: dict[str, Any], component: dict[str, Any], folder: str) -> dict[str, Any]:
        """The ExecutorInput of a node."""

        def artifact(spec: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
            kind = spec["artifactType"] if self.target == VERTEX else {"schemaTitle": "system.Artifact"}
            return {"artifacts": [found | {"type": kind}]}

        taken, inputs = component.get("inputDefinitions", {}), task.get("inputs", {})
        given = {}
        for key, each in inputs.get("artifacts", {}).items():
            source = each["taskOutputArtifact"]
            given[key] = artifact(taken["artifacts"][key], self.made[source["producerTask"]][source["outputArtifactKey"]])
        values = {
            key: self.parameters[each["componentInputParameter"]] if "componentInputParameter" in each else each["runtimeValue"]["constant"]
            for key, each in inputs.get("parameters", {}).items()
        }
        made = {
            key: artifact(spec, {"name": f"{name}-{key}", "uri": f"{folder}/{key}"})
            for key, spec in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        }
        output = f"{folder}/executor_output.json" if self.target == VERTEX else "/tmp/kfp_outputs/output_metadata.json"
        return {"inputs": {"artifacts": given, "parameterValues": values}, "outputs": {"artifacts": made, "outputFile": output}}

    def inside(self, uri: str, environment: dict[str, str]) -> str:
        """Where a container finds what is at an address."""
        scheme, separator, rest = uri.partition("://")
        return f"{environment['DARSENA_MOUNT']}/{'gcs' if scheme == 'gs' else scheme}/{rest}" if separator else uri


class Container:
    """The files of a node: the store itself with Vertex AI; with Kubeflow a folder that its launcher fills and empties.

    Args:
        emulator: whose node it is.
        invocation: of the node; a plain path of its output file is put into the folder.
    """

    def __init__(self, emulator: Emulator, invocation: dict[str, Any]):
        self.emulator, self.invocation = emulator, invocation
        self.copies = emulator.target != VERTEX
        self.folder = emulator.store / "container" if self.copies else emulator.store
        self.environment = os.environ | {"DARSENA_MOUNT": str(self.folder)}

    def __enter__(self) -> dict[str, str]:
        if self.copies:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.invocation["outputs"]["outputFile"] = f"{self.folder}{self.invocation['outputs']['outputFile']}"
            for stored, copied in self.pairs("inputs"):
                shutil.copytree(stored, copied, dirs_exist_ok=True)
        return self.environment

    def __exit__(self, kind: object, *_: object) -> None:
        if self.copies and kind is None:
            for stored, copied in self.pairs("outputs"):
                shutil.copytree(copied, stored)

    def pairs(self, side: str) -> list[tuple[Path, Path]]:
        """Of each artifact of one side: its folder in the store, and in the container."""
        uris = [each["artifacts"][0]["uri"] for each in self.invocation[side]["artifacts"].values()]
        store = {"DARSENA_MOUNT": str(self.emulator.store)}
        return [(Path(self.emulator.inside(uri, store)), Path(self.emulator.inside(uri, self.environment))) for uri in uris]


def ordered(tasks: dict[str, Any]) -> list[str]:
    """Names of tasks, each after those that it waits for."""
    left, done = dict(tasks), list[str]()
    while left:
        ready = sorted(name for name, task in left.items() if not set(needs(task)) & set(left))
        done += ready
        for name in ready:
            del left[name]
    return done


def needs(task: dict[str, Any]) -> list[str]:
    """The tasks that one waits for."""
    producers = [each["taskOutputArtifact"]["producerTask"] for each in task.get("inputs", {}).get("artifacts", {}).values()]
    return [*task.get("dependentTasks", ()), *producers]


def execute(command: list[str], environment: dict[str, str]) -> None:
    """Runs `python -m MODULE ARGUMENT…` in a fork of this process.

    Raises:
        RuntimeError: it did not end well; the last line of its traceback.
    """
    python, flag, module, *arguments = command
    if (python, flag) != ("python", "-m"):
        raise RuntimeError(f"expected a command that begins with python -m, received {command[:2]}")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 (whatever it is, the node has failed)
            traceback.print_exc()
            os.write(writing, traceback.format_exc().strip().splitlines()[-1].encode())
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        reason = told.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(reason or f"it ended with {os.waitstatus_to_exitcode(status)}")


def main() -> None:
    """The command line, see the head of this module."""
    job, target, store, outcome = sys.argv[1:]
    import tfx.components  # noqa: F401 (once, for all nodes)

    from pipelines.common.remote import entrypoint  # noqa: F401 (likewise)

    found = Emulator(json.loads(Path(job).read_text()), target, Path(store), Path(job).stem).run()
    Path(outcome).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
