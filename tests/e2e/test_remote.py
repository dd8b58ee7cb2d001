"""Compiled pipelines, node by node as their containers would run them, end in the model that a local run pushes."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.common.fingerprint import REPOSITORY
from tests.trainer_modules.given import variables

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MODEL = "mnist_softmax"
ROOTS = {"vertex": "gs://bucket/darsena/pipelines", "kubeflow": "minio://mlpipeline/v2/artifacts"}


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """The version that a local run pushed."""
    root = tmp_path_factory.mktemp("local")
    darsena("run", MODEL, "--root", str(root))
    return root / "serving" / MODEL / "1"


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict]]]:
    """The address of a webhook, and what it was told."""
    told: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
        server.shutdown()


def darsena(*arguments: str, expect: int = 0, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=REPOSITORY,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def emulated(job: Path, target: str, store: Path) -> dict:
    """What came of a compiled pipeline's nodes."""
    command = [sys.executable, "-m", "tests.remote.emulator", str(job), target, str(store), str(store / "outcome.json")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict = json.loads((store / "outcome.json").read_text())
    return found


def compiled(target: str, root: Path, out: Path, *arguments: str, **variables: str) -> Path:
    """Compiles into a JSON file whatever the target, for the emulator."""
    image = ("--image", "registry.example/darsena:1", "--remote-root", str(root), "--root", str(root))
    done = darsena("compile", MODEL, "--target", target, "--pipeline-root", ROOTS[target], *image, "-o", str(out), *arguments, **variables)
    assert f"is to be at {root}/data" in done
    text = out.read_text()
    if target == "kubeflow":
        import yaml

        spec = next(yaml.safe_load_all(text))
        parameters = {name: each["defaultValue"] for name, each in spec["root"]["inputDefinitions"]["parameters"].items()}
        text = json.dumps({"pipelineSpec": spec, "runtimeConfig": {"gcsOutputDirectory": ROOTS[target], "parameterValues": parameters}})
    # The image has the repository at a place of its own.
    out.write_text(text.replace('"/darsena/schemas', f'"{REPOSITORY}/schemas'))
    return out


@pytest.mark.parametrize("target", list(ROOTS))
def test_every_node_runs_and_the_pushed_model_is_the_local_runs(local, webhook, tmp_path, target):
    address, told = webhook
    store, root = tmp_path / "store", tmp_path / "root"
    store.mkdir()
    outcome = emulated(compiled(target, root, tmp_path / "job.json", "--notify", address), target, store)
    assert outcome["error"] == "" and set(outcome["ended"].values()) == {"SUCCEEDED"} and len(outcome["ended"]) == 13
    assert [message["text"] for message in told] == ["jobs/1: SUCCEEDED"]
    pushed = root / "serving" / MODEL / "1"
    for one, two in zip(variables(local), variables(pushed), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    lineages = [json.loads((folder / "assets.extra/darsena.json").read_text()) for folder in (local, pushed)]
    assert lineages[0]["lineage"]["recipe"] == lineages[1]["lineage"]["recipe"]
    assert sorted(each.name for each in (pushed / "assets.extra").rglob("*")) == sorted(
        each.name for each in (local / "assets.extra").rglob("*")
    )

    if target == "vertex":
        return
    # The next candidate is compared with what was pushed.
    baseline = ("--baseline", str(pushed / "assets.extra/darsena.json"), "--seed", "7")
    mount = str(store / "container")
    outcome = emulated(compiled(target, root, tmp_path / "second.json", *baseline, DARSENA_MOUNT=mount), target, store)
    assert outcome["error"] == "" and outcome["ended"]["ServedModel"] == "SUCCEEDED"
    assert outcome["made"]["ServedModel"]["result"]["uri"].startswith(ROOTS[target])
    assert outcome["made"]["Evaluator"]["blessing"]["metadata"]["blessed"] in (0, 1)


def test_a_node_that_fails_ends_the_pipeline_and_the_webhook_is_told_why(webhook, tmp_path):
    address, told = webhook
    store, root = tmp_path / "store", tmp_path / "root"
    store.mkdir()
    job = compiled("kubeflow", root, tmp_path / "job.json", "--notify", address)
    for file in (root / "data").rglob("*.np*"):
        file.write_bytes(b"no pictures")
    outcome = emulated(job, "kubeflow", store)
    assert outcome["ended"] == {"ImageExampleGen": "FAILED", "ImportSchemaGen": "SUCCEEDED", "Notify": "SUCCEEDED"} or outcome["ended"] == {
        "ImageExampleGen": "FAILED",
        "Notify": "SUCCEEDED",
    }
    assert told[0]["status"]["state"] == "FAILED" and "DataRejected" in told[0]["text"]
    assert not (root / "serving").exists()
