"""Trainings that are killed."""

import contextlib
from collections.abc import Iterator
from unittest import mock

import pytest

from trainer_modules.common import checkpoints


@contextlib.contextmanager
def after(epochs: int) -> Iterator[None]:
    """What is trained within is killed as soon as its state after so many epochs is saved, which it is after each."""
    save = checkpoints.save

    def save_and_die(folder, arrays, place):
        save(folder, arrays, place)
        if place["epochs"] == epochs:
            raise KeyboardInterrupt

    with (
        mock.patch.object(checkpoints, "SECONDS", 0.0),
        mock.patch.object(checkpoints, "save", save_and_die),
        pytest.raises(KeyboardInterrupt),
    ):
        yield
