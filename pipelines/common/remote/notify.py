"""The node that runs last: tells a webhook how the pipeline ended.

    python -m pipelines.common.remote.notify WEBHOOK STATUS

STATUS is the JSON that both targets pass: `state`, `pipelineJobResourceName` or `pipeline_job_resource_name`, `error`.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request

SECONDS = 30


def message(status: dict) -> str:
    """One line on how a pipeline ended."""
    name = status.get("pipelineJobResourceName") or status.get("pipeline_job_resource_name") or "a pipeline"
    reason = (status.get("error") or {}).get("message", "")
    return f"{name}: {status.get('state', 'unknown')}" + (f": {reason}" if reason else "")


def main() -> int:
    """The command line, see the head of this module."""
    if len(sys.argv) != 3:
        sys.stderr.write("expected two arguments: WEBHOOK and STATUS.\n")
        return 2
    webhook, status = sys.argv[1], json.loads(sys.argv[2])
    body = json.dumps({"text": message(status), "status": status}).encode()
    request = urllib.request.Request(webhook, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):
            return 0
    except (urllib.error.URLError, OSError) as error:
        sys.stderr.write(f"expected {webhook} to take a message, received: {error}.\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
