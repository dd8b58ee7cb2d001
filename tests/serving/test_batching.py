"""Requests put together: which, how many, and that each gets its own answer."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from serving.batching import Batcher, Batching
from serving.client import GrpcClient, RestClient
from serving.errors import InvalidRequest, RequestError, invalid
from serving.server import ModelServer
from tests import tiny_model
from tests.serving.conftest import NEVER
from tests.serving.exported import NAME


class Watched(Batcher):
    """Doubles numbers, in one batch at a time; the first call waits until it may go on."""

    def __init__(self, **settings: int) -> None:
        super().__init__(self._double, Batching(num_batch_threads=1, **settings))
        self.sizes: list[int] = []
        self.waits = threading.Semaphore(0)
        self.first_is_under_way, self.go_on = threading.Event(), threading.Event()

    def _double(self, inputs):
        self.sizes.append(len(inputs["x"]))
        if len(self.sizes) == 1:
            self.first_is_under_way.set()
            assert self.go_on.wait(30)
        if (inputs["x"] < 0).any():
            raise invalid("expected no negative numbers")
        if np.isnan(inputs["x"]).any():
            raise ZeroDivisionError("a fault in the model")
        return {"y": 2 * inputs["x"]}

    def _join(self, task):
        super()._join(task)
        self.waits.release()


def asked(batcher: Watched, *requests: np.ndarray) -> list[Future]:
    """What comes of a first request, and of others that come, in this order, while it is answered."""
    found: list[Future] = []
    with ThreadPoolExecutor(len(requests) + 1) as threads:
        for x in (np.zeros(1), *requests):
            found.append(threads.submit(batcher, {"x": x}))
            assert batcher.waits.acquire(timeout=30) and batcher.first_is_under_way.wait(30)
        batcher.go_on.set()
    return found


def test_what_comes_while_a_batch_is_answered_is_the_next_batch():
    batcher = Watched()
    first, *others = asked(batcher, np.array([1.0]), np.array([2.0, 3.0]), np.array([4.0]))
    assert batcher.sizes == [1, 4]
    assert [list(each.result()["y"]) for each in (first, *others)] == [[0], [2], [4, 6], [8]]


def test_a_batch_has_no_more_rows_than_it_may():
    batcher = Watched(max_batch_size=4)
    others = asked(batcher, np.full(3, 1.0), np.full(2, 2.0), np.full(1, 3.0), np.full(2, 4.0))[1:]
    assert batcher.sizes == [1, 4, 4], "the oldest and the one behind it that fits, then the others"
    assert [list(each.result()["y"]) for each in others] == [[2, 2, 2], [4, 4], [6], [8, 8]]


def test_a_request_larger_than_a_batch_goes_by_itself():
    batcher = Watched(max_batch_size=2)
    batcher.go_on.set()
    assert list(batcher({"x": np.arange(5.0)})["y"]) == [0, 2, 4, 6, 8]
    assert batcher.sizes == [5]


def test_rows_of_other_shapes_are_not_put_together():
    batcher = Watched()
    others = asked(batcher, np.ones((1, 2)), np.ones((1, 3)), np.full((1, 2), 2.0))[1:]
    assert batcher.sizes == [1, 2, 1]
    assert [each.result()["y"].tolist() for each in others] == [[[2, 2]], [[2, 2, 2]], [[4, 4]]]


def test_a_refusal_is_only_for_the_request_that_earned_it():
    good, bad, other = asked(Watched(), np.array([1.0]), np.array([-1.0]), np.array([3.0]))[1:]
    assert (list(good.result()["y"]), list(other.result()["y"])) == ([2], [6])
    with pytest.raises(RequestError, match=r"^expected no negative numbers$"):
        bad.result()


def test_a_fault_reaches_everyone_who_waits():
    for each in asked(Watched(), np.array([1.0]), np.array([np.nan]))[1:]:
        with pytest.raises(ZeroDivisionError):
            each.result()


def test_a_batch_waits_for_more_until_it_is_full():
    batcher = Watched(max_batch_size=4, batch_timeout_micros=30_000_000)
    batcher.go_on.set()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda value: batcher({"x": np.array([value])})["y"][0], [1.0, 2.0, 3.0, 4.0]))
    assert (found, batcher.sizes) == ([2, 4, 6, 8], [4])


def test_a_batch_that_is_not_full_goes_in_the_end():
    batcher = Watched(max_batch_size=4, batch_timeout_micros=1000)
    batcher.go_on.set()
    assert list(batcher({"x": np.array([1.0])})["y"]) == [2]


def test_many_threads_get_their_own_answers():
    batcher = Batcher(lambda inputs: {"y": inputs["x"] + 1}, Batching(max_batch_size=7, num_batch_threads=3))

    def ask(thread: int) -> bool:
        sizes = np.random.default_rng(thread).integers(1, 9, 300)
        asked = [np.full(size, 1000.0 * thread + turn) for turn, size in enumerate(sizes)]
        return all(np.array_equal(batcher({"x": x})["y"], x + 1) for x in asked)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(16)))


@pytest.mark.parametrize("protocol", ["gRPC", "REST"])
def test_a_server_with_batching_answers_as_without(exported, tmp_path, protocol):
    exported.publish(1, tmp_path)
    rows = [tiny_model.images(1 + client % 3, seed=client) for client in range(12)]
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=NEVER, batching=Batching(8)) as server:

        def ask(images: np.ndarray) -> list[np.ndarray]:
            client = (
                GrpcClient(f"127.0.0.1:{server.grpc_port}") if protocol == "gRPC" else RestClient(f"http://127.0.0.1:{server.rest_port}")
            )
            with pytest.raises(InvalidRequest, match=r"expected shape \[\?, 4, 4\]"):
                client.predict(NAME, {"image": images[:, :2]})
            return [client.predict(NAME, {"image": images})["probabilities"] for _ in range(5)]

        with ThreadPoolExecutor(len(rows)) as threads:
            for images, answers in zip(rows, threads.map(ask, rows), strict=True):
                for answer in answers:
                    np.testing.assert_allclose(answer, exported.answer(1, images), atol=1e-6)
