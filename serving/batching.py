"""Requests that come at the same time, answered together: one call of a model for many rows costs little more than for one.

Source: TF Serving's batching guide, whose names the settings have. Its advice for machines without a GPU is the default: as many
batches at a time as there are cores, and no waiting for more requests (a batch is what has come while the ones before were answered).
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue

import numpy as np

from serving.errors import RequestError

Arrays = Mapping[str, np.ndarray]
Call = Callable[[Arrays], Arrays]
LEAD = object()


@dataclasses.dataclass(frozen=True)
class Batching:
    """How requests are put together.

    Attributes:
        max_batch_size: at most so many rows; a request of more goes by itself.
        batch_timeout_micros: how long a batch that is not full waits for more requests, in microseconds.
        num_batch_threads: how many batches of a signature are answered at a time.
    """

    max_batch_size: int = 32
    batch_timeout_micros: int = 0
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)


class Batcher:
    """A call of rows that may be put together with those of other threads; it has no threads of its own.

    Of the threads that ask, up to `num_batch_threads` lead: each answers the batch that waits, its own rows or others', and hands the
    lead on. The others wait for whoever answers theirs.
    """

    def __init__(self, call: Call, batching: Batching) -> None:
        """
        Args:
            call: answers arrays of N rows each with arrays of N rows; raises RequestError.
            batching: how rows are put together.
        """
        self._call = call
        self._batching = batching
        self._waiting: list[_Task] = []
        self._leaders = 0
        self._joined = threading.Condition()

    def __call__(self, inputs: Arrays) -> Arrays:
        """Answers a request.

        Args:
            inputs: arrays by name, of the same number of rows.

        Returns:
            Arrays of so many rows by name.

        Raises:
            RequestError: the call refuses these rows; rows of others that it refuses do no harm.
        """
        task = _Task(inputs)
        if not 0 < task.rows <= self._batching.max_batch_size:
            return self._call(inputs)
        self._join(task)
        while (outcome := task.outcomes.get()) is LEAD:
            self._answer(self._next_batch())
            self._hand_on()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _join(self, task: _Task) -> None:
        with self._joined:
            self._waiting.append(task)
            if self._leaders < self._batching.num_batch_threads:
                self._leaders += 1
                task.lead()
            self._joined.notify()

    def _hand_on(self) -> None:
        with self._joined:
            heir = next((task for task in self._waiting if not task.leads), None)
            if heir:
                heir.lead()
            else:
                self._leaders -= 1

    def _next_batch(self) -> list[_Task]:
        """Takes the oldest request with those behind it that fit; none where other leaders took them all."""
        with self._joined:
            if self._batching.batch_timeout_micros:
                self._joined.wait_for(self._is_full, self._batching.batch_timeout_micros / 1e6)
            batch: list[_Task] = []
            left: list[_Task] = []
            rows = 0
            for task in self._waiting:
                if task.shapes == self._waiting[0].shapes and rows + task.rows <= self._batching.max_batch_size:
                    batch.append(task)
                    rows += task.rows
                else:
                    left.append(task)
            self._waiting = left
            return batch

    def _is_full(self) -> bool:
        return sum(task.rows for task in self._waiting) >= self._batching.max_batch_size

    def _answer(self, batch: list[_Task]) -> None:
        """Gives each request of a batch its answer, or what it was refused with."""
        try:
            answers = self._together(batch)
        except RequestError:
            answers = [self._alone(task) for task in batch]  # one of them is refused, the others shall not be
        except Exception as error:  # noqa: BLE001 (passed on to every thread that waits)
            answers = [error] * len(batch)
        for task, answer in zip(batch, answers, strict=True):
            task.outcomes.put(answer)

    def _together(self, batch: list[_Task]) -> list[Arrays | Exception]:
        if len(batch) <= 1:
            return [self._call(task.inputs) for task in batch]
        answers = self._call({name: np.concatenate([task.inputs[name] for task in batch]) for name in batch[0].inputs})
        ends = np.cumsum([task.rows for task in batch])
        for name, array in answers.items():
            if len(array) != ends[-1]:
                raise RequestError("INTERNAL", f"expected {ends[-1]} rows of the output {name}, the model gave {len(array)}")
        return [{name: array[end - task.rows : end] for name, array in answers.items()} for task, end in zip(batch, ends, strict=True)]

    def _alone(self, task: _Task) -> Arrays | Exception:
        try:
            return self._call(task.inputs)
        except RequestError as refusal:
            return refusal


class _Task:
    """A request that waits."""

    def __init__(self, inputs: Arrays) -> None:
        sizes = {len(array) for array in inputs.values()}
        self.inputs = inputs
        self.rows: int = sizes.pop() if len(sizes) == 1 else 0
        self.shapes = {name: array.shape[1:] for name, array in inputs.items()}
        self.leads = False
        self.outcomes: SimpleQueue = SimpleQueue()

    def lead(self) -> None:
        """Has its thread answer the next batch. The caller holds the lock."""
        self.leads = True
        self.outcomes.put(LEAD)
