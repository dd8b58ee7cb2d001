"""The terminal's view of a run: exact lines in a pipe, a live table on a terminal, the summary at the end."""

import io
import itertools
import re
import threading
from pathlib import Path

from rich.console import Console

from reporting.terminal import Progress, summary
from tests.reporting import records

GRAPH = [("Gen", []), ("Trainer", ["Gen"]), ("Pusher", ["Trainer"])]


def plain(text: str) -> str:
    """The text without control sequences."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text)


def test_pipe_gets_one_line_for_each_node_as_it_ends() -> None:
    out = io.StringIO()
    with Progress(GRAPH, {"Trainer": "learns"}, Console(file=out, width=20)) as progress:
        progress.started("Gen")
        assert out.getvalue() == ""
        progress.finished("Gen", "cached", 0.1, "[red]:boat:")
        progress.started("Trainer")
        progress.finished("Trainer", "complete", 65.0, "20 epochs")
        progress.finished("Pusher", "skipped", 0)
    assert out.getvalue().splitlines() == [
        "Gen       cached       0.10 s   [red]:boat:",
        "Trainer   complete   1 min 5 s   learns · 20 epochs",
        "Pusher    skipped      0.00 s",
    ]


def test_terminal_gets_a_table_whose_last_state_stays() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=90, height=20)
    clock = itertools.count().__next__
    with Progress(GRAPH, {"Gen": "reads [raw] data"}, console, clock=lambda: float(clock())) as progress:
        progress.started("Gen")
        progress.finished("Gen", "complete", 2.5, "noted")
        progress.started("Trainer")
    last = plain(out.getvalue()).split("✓")[-1].splitlines()
    assert last[0].split() == ["Gen", "complete", "2.50", "s", "reads", "[raw]", "data", "·", "noted"]
    assert last[1].split()[:3] == ["✗", "Trainer", "failed"]
    assert last[1].split()[-2:] == ["←", "Gen"]
    assert last[2].split() == ["–", "Pusher", "skipped", "←", "Trainer"]
    assert last[3].split()[:2] == ["all", "nodes"]


def test_running_node_shows_its_time_so_far() -> None:
    out = io.StringIO()
    now = 100.0
    with Progress(GRAPH, {}, Console(file=out, force_terminal=True, width=60), clock=lambda: now) as progress:
        now = 101.0
        progress.started("Trainer")
        now = 108.0
        progress.finished("Gen", "complete", 1.0)
        assert re.search(r"▶\s+Trainer\s+running\s+7\.00 s", plain(out.getvalue()))
        assert re.search(r"all nodes\s+8\.00 s", plain(out.getvalue()))


def test_nodes_may_end_in_many_threads_at_once() -> None:
    out = io.StringIO()
    names = [f"Node{number:02}" for number in range(40)]
    progress = Progress([(name, []) for name in names], {}, Console(file=out, width=80))
    start = threading.Barrier(len(names))

    def node(name: str) -> None:
        start.wait()
        progress.started(name)
        progress.finished(name, "complete", 1.0)

    threads = [threading.Thread(target=node, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(out.getvalue().splitlines()) == [f"{name}   complete     1.00 s" for name in names]


def test_node_that_the_graph_does_not_list_is_shown() -> None:
    out = io.StringIO()
    Progress([], {}, Console(file=out)).finished("Extra", "complete", 1.0)
    assert out.getvalue() == "Extra   complete     1.00 s\n"


def test_summary_of_a_pushed_run(tmp_path: Path) -> None:
    run = records.write_run(tmp_path) | {"report": "runs/report.html"}
    run["gates"].append(run["gates"][0] | {"kind": "change", "bound": 0.95, "low": None, "passed": False})
    out = io.StringIO()
    Console(file=out, width=80).print(summary(run))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[0] == "blessed and pushed  berths in 1 min 23 s"
    assert lines[3] == "SparseCategoricalAccuracy  0.9412  0.9205 – 0.9619  ≥ 0.9000           passed"
    assert lines[4] == "SparseCategoricalAccuracy  0.9412                –  ≥ 0.9500 (served)  failed"
    assert lines[-2:] == ["pushed  version 7, serving/berths/7", "report  runs/report.html"]


def test_summary_says_what_differs_from_the_original_data(tmp_path: Path) -> None:
    run = records.write_run(tmp_path)
    run["config"]["data_note"] = "a JPEG copy, not the original pixels"
    out = io.StringIO()
    Console(file=out, width=80).print(summary(run))
    assert out.getvalue().splitlines()[1].rstrip() == "data    a JPEG copy, not the original pixels"


def test_summary_of_a_failed_run(tmp_path: Path) -> None:
    run = records.failed(records.write_run(tmp_path), "Trainer", "not blessed", "[bold]3 anomalies")
    out = io.StringIO()
    Console(file=out, width=80).print(summary(run))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == ["not blessed  berths in 1 min 23 s", "[bold]3 anomalies"]


def test_anomalies_that_were_let_through_are_told(tmp_path: Path) -> None:
    allowed = {
        "feature": "rooms",
        "anomaly": "FLOAT_TYPE_BIG_FLOAT",
        "reason": "palaces",
        "until": "2027-03-31",
        "splits": ["train", "test"],
    }
    out = io.StringIO()
    whole = allowed | {"feature": "", "anomaly": "DATASET_LOW_NUM_EXAMPLES", "splits": ["test"]}
    Console(file=out, width=140).print(summary(records.write_run(tmp_path) | {"allowed": [allowed, whole]}))
    assert "allowed FLOAT_TYPE_BIG_FLOAT of rooms (train, test) until 2027-03-31: palaces" in out.getvalue()
    assert "allowed DATASET_LOW_NUM_EXAMPLES of the data set (test) until 2027-03-31: palaces" in out.getvalue()
