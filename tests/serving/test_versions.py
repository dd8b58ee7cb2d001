"""Which version is served while folders come, break and go."""

import gc
import re
import shutil
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.batching import Batching
from serving.client import GrpcClient, RestClient
from serving.errors import RequestError, ServingError
from serving.server import ModelServer
from serving.store import ModelStore
from tests import tiny_model
from tests.serving.conftest import MAX_BYTES, NEVER
from tests.serving.exported import NAME

IMAGES = tiny_model.images(3)


@pytest.fixture
def store(tmp_path, exported) -> ModelStore:
    """A store of every model under tmp_path, which serves the tiny model's version 1."""
    exported.publish(1, tmp_path)
    result = ModelStore(tmp_path, None, MAX_BYTES)
    result.scan()
    return result


def answer(store: ModelStore) -> np.ndarray:
    return store.find(NAME).predict("serving_default", {"image": IMAGES})["probabilities"]


def states(store: ModelStore) -> dict[int, str]:
    return {version: state.state for version, state in store.states(NAME).items()}


@pytest.mark.parametrize("batching", [None, Batching()], ids=["one by one", "batching"])
def test_versions_swapped_under_load_lose_no_request(exported, tmp_path, batching):
    """Twelve clients that do not retry ask all the time while four versions follow each other and the old ones are deleted."""
    exported.publish(1, tmp_path)
    stop, answered = threading.Event(), threading.Condition()
    last_seen: dict[int, int] = {}

    def keep_asking(number: int, client: GrpcClient | RestClient) -> int:
        count = 0
        while not stop.is_set():
            answer = client.predict(NAME, {"image": IMAGES})["probabilities"]
            (kind,) = [version for version in (1, 2) if np.allclose(answer, exported.answer(version, IMAGES), atol=1e-6)]
            count += 1
            with answered:
                last_seen[number] = kind
                answered.notify_all()
        return count

    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=0.05, batching=batching) as server, ThreadPoolExecutor(12) as threads:
        grpc_address, rest_address = f"127.0.0.1:{server.grpc_port}", f"http://127.0.0.1:{server.rest_port}"
        clients = [GrpcClient(grpc_address, retries=0) if one % 2 else RestClient(rest_address, retries=0) for one in range(12)]
        counts = [threads.submit(keep_asking, number, client) for number, client in enumerate(clients)]
        try:
            for number in range(1, 6):
                kind = 1 + (number + 1) % 2
                if number > 1:
                    exported.publish(kind, tmp_path, number=number)
                with answered:
                    assert answered.wait_for(lambda kind=kind: list(last_seen.values()) == [kind] * 12 or any(map(Future.done, counts)), 60)
                assert not any(map(Future.done, counts)), [each.exception() for each in counts if each.done()]
                if number > 1:
                    shutil.rmtree(tmp_path / NAME / str(number - 1))
        finally:
            stop.set()
        assert server.served() == {NAME: 5}
    assert all(each.result() >= 5 for each in counts)


def test_requests_in_flight_keep_the_old_version(store, exported, tmp_path):
    held = store.find(NAME)
    exported.publish(2, tmp_path)
    store.scan()
    assert states(store) == {2: "AVAILABLE", 1: "UNLOADING"}
    old = held.predict("serving_default", {"image": IMAGES})["probabilities"]
    np.testing.assert_allclose(old, exported.answer(1, IMAGES), atol=1e-6)
    np.testing.assert_allclose(answer(store), exported.answer(2, IMAGES), atol=1e-6)
    del held
    assert states(store) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(RequestError, match=r"Specific\(tiny, 1\)"):
        store.find(NAME, 1)


def test_the_memory_of_a_version_let_go_is_freed(store, exported, tmp_path):
    """It is full of reference cycles; with automatic collection off, only the watcher's own frees it."""
    freed = threading.Event()
    weakref.finalize(store.find(NAME)._root, freed.set)
    exported.publish(2, tmp_path)
    gc.disable()
    try:
        store.watch(0.01)
        assert freed.wait(30)
    finally:
        gc.enable()
        store.close()
    np.testing.assert_allclose(answer(store), exported.answer(2, IMAGES), atol=1e-6)


def test_a_deleted_version_falls_back_to_the_next_lower(store, exported, tmp_path):
    exported.publish(2, tmp_path)
    store.scan()
    shutil.rmtree(tmp_path / NAME / "2")
    store.scan()
    assert states(store) == {2: "END", 1: "AVAILABLE"}
    np.testing.assert_allclose(answer(store), exported.answer(1, IMAGES), atol=1e-6)
    shutil.rmtree(tmp_path / NAME / "1")
    store.scan()
    assert states(store) == {2: "END", 1: "END"}
    with pytest.raises(RequestError, match=r"Latest\(tiny\)\. Models served: none"):
        store.find(NAME)


def test_numbers_are_compared_as_numbers(store, exported, tmp_path):
    exported.publish(2, tmp_path, number=10)
    exported.publish(1, tmp_path, number=9)
    store.scan()
    assert states(store) == {10: "AVAILABLE", 1: "END"}


@pytest.mark.parametrize("name", [".staged-2", "2.tmp", "tmp-2", "-2", "+2", "2 ", "٢", "9" * 19, "latest"])
def test_what_is_no_number_is_not_looked_at(store, exported, tmp_path, name):
    shutil.copytree(exported.folder / "2", tmp_path / NAME / name)
    (tmp_path / NAME / "3").write_text("a file")
    store.scan()
    assert states(store) == {1: "AVAILABLE"}


@pytest.mark.parametrize("missing", ["saved_model.pb", "variables", "variables/variables.index", "variables/variables.data-00000-of-00001"])
def test_an_incomplete_version_is_not_served_until_it_is_complete(store, exported, tmp_path, missing):
    target = tmp_path / NAME / "2"
    shutil.copytree(exported.folder / "2", target)
    hidden = (target / missing).rename(tmp_path / NAME / "hidden")
    store.scan()
    assert states(store) == {1: "AVAILABLE"}
    hidden.rename(target / missing)
    store.scan()
    assert states(store) == {2: "AVAILABLE", 1: "END"}


def break_graph(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"no graph")


def empty_graph(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"")


def cut_graph(version: Path) -> None:
    graph = version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:-200])


def cut_variables(version: Path) -> None:
    data = version / "variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-200])


def flip_variables(version: Path) -> None:
    data = version / "variables/variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[10] ^= 0xFF
    data.write_bytes(content)


def break_index(version: Path) -> None:
    (version / "variables/variables.index").write_bytes(b"no index")


@pytest.mark.parametrize("damage", [break_graph, empty_graph, cut_graph, cut_variables, flip_variables, break_index])
def test_a_broken_version_leaves_the_old_one_served(store, exported, tmp_path, damage):
    shutil.copytree(exported.folder / "2", tmp_path / "staged")
    damage(tmp_path / "staged")
    broken = (tmp_path / "staged").rename(tmp_path / NAME / "2")
    store.scan()
    store.scan()
    assert states(store) == {2: "END", 1: "AVAILABLE"}
    failed = store.states(NAME)[2]
    assert failed.error_code != "OK" and failed.error and "\n" not in failed.error
    np.testing.assert_allclose(answer(store), exported.answer(1, IMAGES), atol=1e-6)
    shutil.rmtree(broken)
    exported.publish(2, tmp_path)
    store.scan()
    assert states(store) == {2: "AVAILABLE", 1: "END"}, "the version mended under the same number is tried again"


def test_a_version_that_changes_while_it_loads_is_not_served(store, exported, tmp_path, monkeypatch):
    target = exported.publish(2, tmp_path)
    load = tf.saved_model.load

    def slow_copy(folder: str):
        loaded = load(folder)
        shutil.copy(exported.folder / "1" / "saved_model.pb", target / "saved_model.pb")
        return loaded

    monkeypatch.setattr(tf.saved_model, "load", slow_copy)
    store.scan()
    assert states(store) == {2: "END", 1: "AVAILABLE"} and "changed while it was loaded" in store.states(NAME)[2].error


def test_the_newest_that_loads_is_served_at_the_start(exported, tmp_path):
    exported.publish(1, tmp_path)
    break_graph(exported.publish(2, tmp_path))
    with ModelServer(tmp_path, [NAME], grpc_port=0, rest_port=0, poll_seconds=NEVER) as server:
        assert server.served() == {NAME: 1}
        for client in (GrpcClient(f"127.0.0.1:{server.grpc_port}"), RestClient(f"http://127.0.0.1:{server.rest_port}")):
            broken, served = client.status(NAME)
            assert (broken.version, broken.state) == (2, "END") and broken.error.startswith("DecodeError")
            assert (served.version, served.state, served.error) == (1, "AVAILABLE", "")


def test_models_that_come_later(store, exported, tmp_path):
    exported.publish(2, tmp_path, name="another")
    store.scan()
    assert store.served() == {NAME: 1, "another": 2}
    named = ModelStore(tmp_path, [NAME], MAX_BYTES)
    named.scan()
    assert named.served() == {NAME: 1}


def test_a_server_without_what_it_was_asked_for_does_not_start(exported, tmp_path):
    with pytest.raises(ServingError, match=r"expected a complete version of tiny under \S+, found none\. Push one first: darsena run tiny"):
        ModelServer(tmp_path, [NAME], grpc_port=0, rest_port=0).start()
    break_graph(exported.publish(1, tmp_path))
    with pytest.raises(ServingError, match=r"found version 1, which is broken \(DecodeError: Error parsing message"):
        ModelServer(tmp_path, [NAME], grpc_port=0, rest_port=0).start()
    with pytest.raises(ServingError, match="expected a folder with a folder per model, found none"):
        ModelServer(tmp_path / "absent").start()
    for name in ("../tiny", "", ".hidden", "a/b"):
        with pytest.raises(ServingError, match="expected a model name"):
            ModelServer(tmp_path, [name]).start()


def test_a_port_in_use(server, exported, tmp_path):
    exported.publish(1, tmp_path)
    for ports, named in (
        ({"grpc_port": server.grpc_port, "rest_port": 0}, "grpc"),
        ({"grpc_port": 0, "rest_port": server.rest_port}, "rest"),
    ):
        with pytest.raises(ServingError, match=rf"127\.0\.0\.1:{ports[named + '_port']}: the port is in use.*--{named}-port"):
            ModelServer(tmp_path, **ports).start()


def test_stopping_frees_threads_and_ports(exported, tmp_path):
    exported.publish(1, tmp_path)
    before = threading.enumerate()
    server = ModelServer(tmp_path, grpc_port=0, rest_port=0)
    server.start()
    waiting = threading.Thread(target=server.wait)
    waiting.start()
    server.stop()
    server.stop()
    for thread in set(threading.enumerate()) - set(before):
        thread.join(30)  # gRPC's own end a moment after its server has
        assert not thread.is_alive(), thread
    assert not waiting.is_alive()
    with ModelServer(tmp_path, grpc_port=server.grpc_port, rest_port=server.rest_port) as again:
        assert RestClient(f"http://127.0.0.1:{again.rest_port}").status(NAME)[0].state == "AVAILABLE"


def test_warm_up_requests_are_answered_and_broken_ones_reported(exported, tmp_path, caplog):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["image"].CopyFrom(tf.make_tensor_proto(IMAGES))
    wrong = prediction_log_pb2.PredictionLog()
    wrong.predict_log.request.inputs["image"].CopyFrom(tf.make_tensor_proto(IMAGES[:, :2]))
    for version, entries, says in (
        (1, [log, log], "answered 2 warm-up requests"),
        (2, [log, wrong], r"warm-up request 2 of .* failed: input image"),
    ):
        staged = tmp_path / f"staged-{version}"
        shutil.copytree(exported.folder / str(version), staged)
        (staged / "assets.extra").mkdir()
        with tf.io.TFRecordWriter(str(staged / "assets.extra" / "tf_serving_warmup_requests")) as writer:
            for entry in entries:
                writer.write(entry.SerializeToString())
        (tmp_path / NAME).mkdir(exist_ok=True)
        staged.rename(tmp_path / NAME / str(version))
        caplog.clear()
        with caplog.at_level("INFO", "serving"):
            store = ModelStore(tmp_path, [NAME], MAX_BYTES)
            store.scan()
        assert store.served() == {NAME: version}
        assert [record for record in caplog.messages if re.search(says, record)], caplog.messages
