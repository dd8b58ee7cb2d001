"""The workers of a training: what TF_CONFIG says of them, and how they meet."""

import json
import socket
import threading

import pytest

from trainer_modules.common import cluster, strategies
from trainer_modules.common.cluster import Cluster


def config(jobs: dict, kind: str, index: int) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_the_chief_is_first_whichever_way_it_is_told():
    apart = {"chief": ["c:1"], "worker": ["w:1", "w:2"]}
    assert cluster.from_environment(config(apart, "chief", 0)) == Cluster(("c:1", "w:1", "w:2"), 0)
    assert cluster.from_environment(config(apart, "worker", 1)) == Cluster(("c:1", "w:1", "w:2"), 2)
    found = cluster.from_environment(config({"worker": ["w:1", "w:2"]}, "worker", 0))
    assert found == Cluster(("w:1", "w:2"), 0) and found.is_chief
    assert cluster.from_environment({"TF_CONFIG": found.config()}) == found


def test_one_process_is_no_cluster():
    assert cluster.from_environment({}) is None
    assert cluster.from_environment(config({"worker": ["w:1"]}, "worker", 0)) is None
    # Vertex AI sets this for a training on one machine.
    assert cluster.from_environment(config({"chief": ["c:1"]}, "chief", 0)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "expected TF_CONFIG like .*JSONDecodeError"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "expected TF_CONFIG like .*KeyError: 'task'"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "received task worker 2"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "ps", "index": 0}}', "received task ps 0"),
    ],
)
def test_what_is_wrong_with_tf_config_is_told(text, says):
    with pytest.raises(ValueError, match=says):
        cluster.from_environment({"TF_CONFIG": text})


def met(addresses: list[str], present: list[int], seconds: float) -> dict[int, BaseException | None]:
    """What came of the meeting of those that are present, by number."""
    outcomes: dict[int, BaseException | None] = {}

    def one(index: int) -> None:
        try:
            outcomes[index] = cluster.meet(Cluster(tuple(addresses), index), seconds)
        except (OSError, ValueError) as error:
            outcomes[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in present]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def test_all_meet_and_their_ports_are_free_afterwards():
    addresses = cluster.free_addresses(3)
    assert met(addresses, [0, 1, 2], 30) == {0: None, 1: None, 2: None}
    for address in addresses:
        socket.create_server(cluster.parts(address)).close()


def test_who_did_not_come_is_named():
    addresses = cluster.free_addresses(3)
    outcomes = met(addresses, [0, 2], 0.5)
    for index in (0, 2):
        assert isinstance(outcomes[index], TimeoutError)
        assert f"after 0.5 s worker 1 at {addresses[1]} had not come to worker {index}" in str(outcomes[index])


def test_a_strangers_connection_counts_for_nothing():
    addresses = cluster.free_addresses(2)
    outcomes: dict[int, BaseException | None] = {}
    thread = threading.Thread(target=lambda: outcomes.update(met(addresses, [0], 1.0)))
    thread.start()
    with socket.create_server(cluster.parts(addresses[1])) as listener:
        listener.settimeout(30)
        listener.accept()[0].close()
        with socket.create_connection(cluster.parts(addresses[0]), timeout=30) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n")
        thread.join(30)
    assert f"worker 1 at {addresses[1]} had not come" in str(outcomes[0])


def test_an_address_that_is_none_or_is_taken_is_told():
    with pytest.raises(ValueError, match=r"expected host:port in TF_CONFIG, received 'here'"):
        cluster.meet(Cluster(("here", "there:1"), 0))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=rf"expected to listen at {address}, this worker's address in TF_CONFIG"):
            cluster.meet(Cluster((address, "127.0.0.1:1"), 0))


def test_auto_takes_what_is_there(monkeypatch):
    for variable in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(variable, raising=False)
    assert strategies.resolve("auto") == "single"
    monkeypatch.setenv("TF_CONFIG", config({"worker": ["a:1", "b:1"]}, "worker", 1)["TF_CONFIG"])
    assert strategies.resolve("auto") == "multiworker" and strategies.resolve("single") == "single"
    assert not strategies.is_chief()
    monkeypatch.setenv("TPU_NAME", "local")
    assert strategies.resolve("auto") == "tpu"


@pytest.mark.parametrize(
    ("name", "workers", "batch_size", "says"),
    [
        ("multiworker", 0, 32, r"--workers N with N at least 2 together, received multiworker and 0"),
        ("mirrored", 2, 32, r"together, received mirrored and 2"),
        ("multiworker", 3, 32, r"expected a batch_size that 3 replicas can share equally, received 32. Set it to 30 or 33"),
        ("mirrored", 0, 1, r"that 2 replicas can share equally, received 1. Set it to 2."),
    ],
)
def test_what_could_only_fail_later_is_refused(name, workers, batch_size, says):
    with pytest.raises(ValueError, match=says):
        strategies.check(name, workers, batch_size)


def test_what_can_be_had_is_not_refused():
    for name, workers, batch_size in (("auto", 0, 7), ("single", 0, None), ("mirrored", 0, 6), ("multiworker", 3, 6)):
        strategies.check(name, workers, batch_size)


def test_a_strategy_of_no_cluster_says_so(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(RuntimeError, match=r"expected TF_CONFIG with a cluster of at least two workers"):
        strategies.make_strategy("multiworker")


def test_scaled_batches_and_rates_grow_with_the_replicas():
    hparams = strategies.scaled({"batch_size": 32, "learning_rate": 0.1, "epochs": 9}, 4)
    assert hparams == {"batch_size": 128, "learning_rate": 0.4, "epochs": 9, "warm_up_from": 0.25}
