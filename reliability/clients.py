"""Clients of a served model that ask over REST and gRPC at a steady pace, and what became of each request."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Collection

import aiohttp
import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from benchmarks.serving.servers import PREDICT

MODEL = "line"
TIMEOUT = 10.0  # seconds
AT_ONCE = 8
BATCHES = (1, 1, 1, 8, 64, 512)  # rows
NOBODY = ("Connection refused", "Failed to connect")  # of what gRPC says where nobody listens

# Answers numbers x with a number each.
Ask = Callable[[list[float]], Awaitable[list[float]]]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        way: REST or gRPC, and whether on a connection of its own.
        begun: when it was begun, of `time.perf_counter`.
        error: what its client saw; empty for the right answer.
        refused: whether nobody listened any more.
    """

    way: str
    begun: float
    error: str = ""
    refused: bool = False


class Clients:
    """Ways to ask for y = x / 2 + constant; an asynchronous context manager.

    Attributes:
        ways: by name.
    """

    def __init__(self, grpc_address: str, rest_address: str) -> None:
        self._url = f"http://{rest_address}/v1/models/{MODEL}:predict"
        timeout = aiohttp.ClientTimeout(TIMEOUT)
        self._kept = aiohttp.ClientSession(timeout=timeout)
        self._once = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True))
        self._channel = grpc.aio.insecure_channel(grpc_address)
        self._predict = self._channel.unary_unary(
            PREDICT,
            request_serializer=predict_pb2.PredictRequest.SerializeToString,
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )
        self.ways: dict[str, Ask] = {
            "REST, a connection that is kept": lambda rows: self._rest(self._kept, rows),
            "gRPC": self._grpc,
            "REST, a connection each": lambda rows: self._rest(self._once, rows),
        }

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._kept.close()
        await self._once.close()
        await self._channel.close()

    async def refused(self) -> Outcome:
        """What becomes of a request that is wrong: no JSON, no number, or no such model."""
        begun = time.perf_counter()
        url, body = random.choice([(self._url, "{"), (self._url, '{"instances": ["one"]}'), (self._url.replace(MODEL, "absent"), "{}")])
        async with self._kept.post(url, data=body) as response:
            said = await response.json()
            return Outcome(
                "REST", begun, "" if response.status in (400, 404) and said.keys() == {"error"} else f"{response.status}: {said}"
            )

    async def _rest(self, session: aiohttp.ClientSession, rows: list[float]) -> list[float]:
        async with session.post(self._url, json={"instances": rows}) as response:
            answer = await response.json()
            response.raise_for_status()
            return list(answer["predictions"])

    async def _grpc(self, rows: list[float]) -> list[float]:
        request = predict_pb2.PredictRequest(inputs={"x": tf.make_tensor_proto(rows, tf.float32)})
        request.model_spec.name = MODEL
        answer = await self._predict(request, timeout=TIMEOUT)
        return list(answer.outputs["y"].float_val)


async def outcome(way: str, ask: Ask, constants: Collection[float], rows: int = 1) -> Outcome:
    """What becomes of a request about random numbers.

    Args:
        way: its name.
        ask: sends it.
        constants: of the models, one of which must have made the whole answer.
        rows: how many numbers.
    """
    begun, xs = time.perf_counter(), [random.uniform(-1000, 1000) for _ in range(rows)]
    try:
        ys = await ask(xs)
    except aiohttp.ClientConnectorError as error:
        return Outcome(way, begun, str(error), refused=True)
    except grpc.aio.AioRpcError as error:
        said = f"{error.code().name}: {error.details()}"
        return Outcome(way, begun, said, refused=any(sign in said for sign in NOBODY))
    except (aiohttp.ClientError, TimeoutError) as error:
        return Outcome(way, begun, f"{type(error).__name__}: {error}")
    right = len(ys) == rows and any(all(abs(y - x / 2 - constant) < 1e-3 for x, y in zip(xs, ys, strict=True)) for constant in constants)
    return Outcome(way, begun, "" if right else f"a wrong answer: {ys[:3]} for {xs[:3]}")


async def ask_steadily(clients: Clients, per_second: int, until: asyncio.Event, constant: float) -> list[Outcome]:
    """Asks so many times a second by each way, whether or not there are answers.

    Args:
        clients: that ask.
        per_second: requests by each way.
        until: ends it.
        constant: of the right answers.

    Returns:
        The outcomes, once all are known.
    """
    started, asked = time.perf_counter(), []
    for number in itertools.count(1):
        if until.is_set():
            break
        asked += [asyncio.create_task(outcome(way, ask, [constant])) for way, ask in clients.ways.items()]
        await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
    return await asyncio.gather(*asked)


async def ask_quickly(clients: Clients, requests: int, constants: Collection[float]) -> list[Outcome]:
    """Asks so many times, from a few clients each of which asks again once it has its answer: batches of several sizes, by all ways.

    Every tenth request is one that the server must refuse.
    """
    numbers, outcomes = iter(range(requests)), []

    async def keep_asking() -> None:
        for number in numbers:  # which they share
            way, ask = random.choice(list(clients.ways.items()))
            if number % 10:
                outcomes.append(await outcome(way, ask, constants, random.choice(BATCHES)))
            else:
                outcomes.append(await clients.refused())

    await asyncio.gather(*(keep_asking() for _ in range(AT_ONCE)))
    return outcomes
