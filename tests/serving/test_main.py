"""`python -m serving` as a process: what it says, how it ends, and what a client is told when it dies."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.client import RestClient
from serving.errors import ServingError
from tests import tiny_model
from tests.serving.exported import NAME

REPOSITORY = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def running(base: Path, *options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The process and its first line; it is killed in the end."""
    command = [sys.executable, "-m", "serving", "--base", str(base), "--grpc-port", "0", "--rest-port", "0", *options]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def client_of(line: str) -> RestClient:
    return RestClient(re.search(r"REST (http://[\d.:]+)", line)[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(exported, tmp_path, number):
    exported.publish(1, tmp_path)
    with running(tmp_path) as (process, line):
        assert re.fullmatch(r"serving tiny version 1: gRPC 127\.0\.0\.1:\d+, REST http://127\.0\.0\.1:\d+/v1/models/\n", line)
        answer = client_of(line).predict(NAME, {"image": tiny_model.images(1)})["probabilities"]
        assert abs(answer - exported.answer(1, tiny_model.images(1))).max() < 1e-6
        process.send_signal(number)
        said, errors = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "serving: stopped.\n")
        assert "Traceback" not in errors


def test_a_killed_server_is_one_clear_line_for_its_client(exported, tmp_path):
    exported.publish(1, tmp_path)
    with running(tmp_path, "--model", NAME) as (process, line):
        client = client_of(line)
        assert client.status(NAME)[0].state == "AVAILABLE"
        process.kill()
        process.wait(30)
        with pytest.raises(ServingError, match=r"^no model server answers at \S+\. Start one with: darsena serve$"):
            client.predict(NAME, {"image": tiny_model.images(1)})


def test_a_start_that_fails_is_one_clear_line(tmp_path):
    with running(tmp_path, "--model", NAME) as (process, line):
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, line, said) == (1, "", "")
    assert errors.splitlines()[-1].startswith(f"serving: expected a complete version of tiny under {tmp_path / NAME}, found none.")
    assert "Traceback" not in errors


def test_the_rest_client_and_the_server_module_import_no_tensorflow():
    code = "import sys, serving.client, serving.server; serving.client.RestClient('http://127.0.0.1:1'); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout == "False\n"
