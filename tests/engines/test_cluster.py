"""The parts of a Flink cluster that need no Flink: its processes, its jars' checksums, and the class that is written anew."""

import hashlib
import socket
import struct
import sys

import pytest

from pipelines.common.engines import cluster, jars, loopback, processes
from pipelines.common.errors import DarsenaError


def test_a_process_is_ended_with_what_it_started_and_another_with_its_number_is_let_be(tmp_path):
    program = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('there', flush=True); time.sleep(60)"
    there = processes.start("it", [sys.executable, "-c", program], tmp_path / "log", {"PATH": "/usr/bin:/bin"})
    assert processes.wait(lambda: (tmp_path / "log").read_text() == "there\n", 20)
    assert there.alive
    other = processes.Process("it", there.pid, there.started - 1)
    assert not other.alive
    processes.stop([other], 0.1)
    assert there.alive
    processes.stop([there], 10)
    assert not there.alive


def test_a_process_that_ignores_sigterm_is_killed(tmp_path):
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('there', flush=True); time.sleep(60)"
    there = processes.start("it", [sys.executable, "-c", program], tmp_path / "log", {})
    assert processes.wait(lambda: (tmp_path / "log").read_text() == "there\n", 20)
    processes.stop([there], 0.5)
    assert processes.wait(lambda: not there.alive, 10)


def test_jars_are_held_to_their_checksums(tmp_path):
    (tmp_path / "a.jar").write_bytes(b"a")
    right = {"a.jar": hashlib.sha256(b"a").hexdigest()}
    jars.check(tmp_path, right)
    for wanted in ({"a.jar": "0" * 64}, right | {"b.jar": "0" * 64}, {}):
        with pytest.raises(DarsenaError, match=r"with the SHA-256 that jars.lock has"):
            jars.check(tmp_path, wanted)


def test_the_lock_has_flink_and_the_job_server():
    locked = jars.locked()
    assert {"beam-runners-flink-1.19-2.62.0.jar", "flink-runtime-1.19.0.jar"} <= locked.keys()
    assert all(len(checksum) == 64 for checksum in locked.values())


def test_a_cluster_is_read_back_and_is_dead_when_its_processes_are(tmp_path):
    assert cluster.read(tmp_path) is None
    cluster.folder_of(tmp_path).mkdir()
    (cluster.folder_of(tmp_path) / cluster.STATE).write_text(
        '{"rest": "a:1", "job_endpoint": "a:2", "worker_pool": "a:3", "processes": [{"name": "JobManager", "pid": 1, "started": -1}]}'
    )
    found = cluster.read(tmp_path)
    assert (found.job_endpoint, found.worker_pool, found.dead) == ("a:2", "a:3", ["JobManager"])
    assert cluster.down(tmp_path)
    assert cluster.read(tmp_path) is None
    assert not cluster.down(tmp_path)


def test_a_cluster_takes_the_ports_of_the_last_one_unless_one_is_taken(tmp_path):
    first = cluster.ports(tmp_path / "ports.json")
    assert len(set(first)) == 5
    assert cluster.ports(tmp_path / "ports.json") == first
    with socket.create_server(("127.0.0.1", first[2])):
        second = cluster.ports(tmp_path / "ports.json")
    assert second != first and cluster.ports(tmp_path / "ports.json") == second


def test_all_of_flink_is_on_loopback(tmp_path):
    settings = cluster.configuration(1, 2, tmp_path)
    hosts = {name: value for name, value in settings.items() if name.endswith(("host", "address"))}
    assert len(hosts) == 6 and set(hosts.values()) == {"127.0.0.1"}


def entry(text: bytes) -> bytes:
    return struct.pack(">BH", 1, len(text)) + text


def class_file(calls: int) -> bytes:
    """A constant pool as Beam's class has it, followed by as many places that call forPort with an address's port."""
    pool = [
        entry(b"java/net/InetSocketAddress"),
        struct.pack(">BH", 7, 1),
        entry(b"getPort"),
        entry(b"()I"),
        struct.pack(">BHH", 12, 3, 4),
        struct.pack(">BHH", 10, 2, 5),
        entry(b"a/NettyServerBuilder"),
        struct.pack(">BH", 7, 7),
        entry(b"forPort"),
        entry(b"(I)La/NettyServerBuilder;"),
        struct.pack(">BHH", 12, 9, 10),
        struct.pack(">BHH", 10, 8, 11),
    ]
    head = b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + struct.pack(">H", len(pool) + 1) + b"".join(pool)
    return head + b"\x2b" + struct.pack(">BHBH", 0xB6, 6, 0xB8, 12) * calls + b"\xb0"


def test_the_call_is_replaced_and_nothing_else():
    before, after = class_file(1), loopback.on_address(class_file(1))
    entries, end = loopback.constants(after)
    old_end = loopback.constants(before)[1]
    assert after[10:old_end] == before[10:old_end]
    assert entries[13] == (1, b"\x00\x0aforAddress")
    assert entries[14][1][2:] == b"(Ljava/net/SocketAddress;)La/NettyServerBuilder;"
    assert entries[15] == (12, struct.pack(">HH", 13, 14))
    assert entries[16] == (10, struct.pack(">HH", 8, 15))
    assert after[end:] == b"\x2b\x00\x00\x00" + struct.pack(">BH", 0xB8, 16) + b"\xb0"


@pytest.mark.parametrize("calls", [0, 2])
def test_another_class_is_refused(calls):
    with pytest.raises(DarsenaError, match=rf"expected one forPort.*found {calls}"):
        loopback.on_address(class_file(calls))
