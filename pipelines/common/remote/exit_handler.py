"""What runs when a pipeline has ended, in whatever way: a node that tells a webhook how."""

from __future__ import annotations

from typing import Any

from pipelines.common.remote.target import Remote

NODE, INNER = "Notify", "pipeline"


def add(spec: dict[str, Any], remote: Remote, command: list[str]) -> None:
    """Puts all tasks into an inner graph, and beside it a task that runs after it has ended.

    The inner graph takes the pipeline's parameters by the same names.

    Args:
        spec: of the pipeline, which is changed.
        remote: with the webhook.
        command: of nodes; the notifying one runs the module beside its entry point.
    """
    definitions = spec["root"].get("inputDefinitions", {"parameters": {}})
    spec["components"][INNER] = {"dag": spec["root"]["dag"], "inputDefinitions": definitions}
    parameters = {name: {"componentInputParameter": name} for name in definitions["parameters"]}
    inputs = {
        "parameters": {"webhook": {"runtimeValue": {"constant": remote.webhook}}, "status": {"taskFinalStatus": {"producerTask": INNER}}}
    }
    spec["root"]["dag"] = {
        "tasks": {
            INNER: {"taskInfo": {"name": INNER}, "componentRef": {"name": INNER}, "inputs": {"parameters": parameters}},
            NODE: {
                "taskInfo": {"name": NODE},
                "componentRef": {"name": NODE},
                "inputs": inputs,
                "dependentTasks": [INNER],
                "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
                "cachingOptions": {},
            },
        }
    }
    taken = {"webhook": {"parameterType": "STRING"}, "status": {"parameterType": "TASK_FINAL_STATUS", "isOptional": True}}
    spec["components"][NODE] = {"executorLabel": f"{NODE}_executor", "inputDefinitions": {"parameters": taken}}
    spec["deploymentSpec"]["executors"][f"{NODE}_executor"] = {
        "container": {
            "image": remote.images.get(NODE, remote.image),
            "command": [*command[:-1], "pipelines.common.remote.notify"],
            "args": ["{{$.inputs.parameters['webhook']}}", "{{$.inputs.parameters['status']}}"],
        }
    }
