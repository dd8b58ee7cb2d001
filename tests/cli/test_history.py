"""`list`, `status` and `report` over what runs left behind."""

import fcntl
import http.server
import json
import threading

import pytest

from pipelines.common.commands import status
from tests.cli.conftest import MODEL, record, write_run


def test_list_gives_the_last_verdict(darsena, root, tmp_path):
    listed = {model["name"]: model for model in darsena("list", "--json", "--root", root).json}
    assert listed[MODEL]["last_verdict"] == "not blessed"
    assert set(listed[MODEL]) == {"name", "learns", "data", "reference", "last_verdict"}
    assert "97.80%" in listed[MODEL]["reference"]
    assert "not blessed" in darsena("list", "--root", root).out
    fresh = tmp_path / "fresh"
    assert darsena("list", "--json", "--root", fresh).json[0]["last_verdict"] is None
    assert "not run yet" in darsena("list", "--root", fresh).out
    assert not fresh.exists()


def test_status_reads_runs_and_versions(darsena, root, monkeypatch):
    monkeypatch.setattr(status, "answering", lambda model: None)
    (state,) = darsena("status", MODEL, "--json", "--root", root).json["models"]
    first, last = state["runs"]
    assert (first["run_id"], first["version"], first["seconds"], first["gate"]["value"]) == ("20261123-201500", 10, 41.25, 0.9375)
    assert (last["verdict"], last["version"], last["gate"]["passed"]) == ("not blessed", None, False)
    assert [(version["version"], version["latest"]) for version in state["versions"]] == [(9, False), (10, True)]
    assert state["versions"][0]["pushed"] == "2026-11-22T10:00:00+00:00"
    assert (state["latest"], state["server"]["versions"]) == (10, None)
    shown = darsena("status", "--root", root).out
    assert "version 10 is the latest pushed; no server answers" in shown
    assert "SparseCategoricalAccuracy 0.9375" in shown and "2026-11-22 10:00:00" in shown


def test_status_tells_a_killed_run_from_one_that_goes_on(darsena, root, monkeypatch):
    monkeypatch.setattr(status, "answering", lambda model: None)
    folder = write_run(root, record("20261125-000000", "running", None, gates=[], seconds=None, finished=None), report=False)

    def last_verdict():
        return darsena("status", MODEL, "--json", "--root", root).json["models"][0]["runs"][-1]["verdict"]

    assert last_verdict() == "interrupted"
    with (folder.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert last_verdict() == "running"
    assert last_verdict() == "interrupted"
    assert "interrupted" in darsena("list", "--root", root).out


def test_a_broken_record_is_one_line(darsena, root):
    (root / "runs" / MODEL / "20261124-080000" / "run.json").write_text('{"schema": 1, ')
    ended = darsena("status", "--root", root)
    assert ended.code == 1
    assert ended.err.startswith("darsena: expected readable records of runs") and ended.err.count("\n") == 1


@pytest.fixture
def rest_server(monkeypatch):
    """Answers like TF Serving's REST status: version 10 available, version 9 unloaded, of one model."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == f"/v1/models/{MODEL}"
            states = [{"version": "10", "state": "AVAILABLE"}, {"version": "9", "state": "END"}]
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"model_version_status": states} if known else {"error": "not found"}).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(status, "SERVER", f"http://127.0.0.1:{server.server_address[1]}")
        yield server
        server.shutdown()


def test_status_asks_the_server_what_it_serves(darsena, root, rest_server):
    assert status.answering(MODEL) == [10]
    assert status.answering("another") == []
    assert "answers with version 10" in darsena("status", MODEL, "--root", root).out


def test_status_without_a_server(monkeypatch, rest_server):
    rest_server.shutdown()
    rest_server.server_close()
    assert status.answering(MODEL) is None


def test_report_finds_the_last_report(darsena, root):
    runs = root / "runs" / MODEL
    assert darsena("report", MODEL, "--root", root).out.strip() == str(runs / "20261124-080000" / "report.html")
    assert darsena("report", MODEL, "--root", root, "--run", "20261123-201500", "--json").json == {
        "model": MODEL,
        "run_id": "20261123-201500",
        "report": str(runs / "20261123-201500" / "report.html"),
    }
    write_run(root, record("20261126-000000", "running", None), report=False)
    assert "20261124-080000" in darsena("report", MODEL, "--root", root).out


def test_report_errors(darsena, root, tmp_path, monkeypatch):
    unknown = darsena("report", MODEL, "--root", root, "--run", "20261123-201501")
    assert unknown.code == 2 and "Did you mean '20261123-201500'?" in unknown.err
    none = darsena("report", MODEL, "--root", tmp_path / "fresh")
    assert none.code == 1 and "found none" in none.err
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))
    without_browser = darsena("report", MODEL, "--root", root, "--open")
    assert without_browser.code == 1 and "found none" in without_browser.err
    assert opened == [(root / "runs" / MODEL / "20261124-080000" / "report.html").as_uri()]
