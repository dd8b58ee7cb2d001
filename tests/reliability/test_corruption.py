"""How faults in files are made and counted."""

import random
from pathlib import Path

import pytest

from components.errors import DataRejected
from reliability.corruption import Format, faults, injected

FILES = {"a.bin": bytes(300), "b.bin": bytes(range(100))}


def test_faults_are_one_byte_or_an_end_and_the_same_each_time():
    made = list(faults(FILES, 200, 50, random.Random(1)))
    assert made == list(faults(FILES, 200, 50, random.Random(1)))
    for number, (name, content) in enumerate(made):
        good = FILES[name]
        if number < 200:
            assert len(content) == len(good) and sum(left != right for left, right in zip(content, good, strict=True)) == 1
        else:
            assert len(content) < len(good) and good.startswith(content)
    assert 120 < sum(name == "a.bin" for name, _ in made[:200]) < 180  # three quarters of the bytes


def take_all(folder: Path) -> bytes:
    """Notices nothing."""
    return (folder / "a.bin").read_bytes() + (folder / "b.bin").read_bytes()


def know_all(folder: Path) -> bytes:
    """Notices everything, and says which file it is."""
    for name, content in FILES.items():
        if (folder / name).read_bytes() != content:
            raise DataRejected(f"{folder / name} has changed")
    return b""


def say_nothing(folder: Path) -> bytes:
    """Notices everything, but does not say which file it is."""
    if take_all(folder) != FILES["a.bin"] + FILES["b.bin"]:
        raise DataRejected("something has changed")
    return b""


def fall_over(folder: Path) -> bytes:
    """Notices everything by an error that it did not foresee."""
    if take_all(folder) != FILES["a.bin"] + FILES["b.bin"]:
        raise KeyError("a")
    return b""


def look_away(_: Path) -> bytes:
    """Reads nothing that could have changed."""
    return b""


@pytest.mark.parametrize(
    ("read", "harmed", "said"),
    [
        (take_all, 30, "0 told, 0 harmless; 30 × silent"),
        (know_all, 0, "30 told, 0 harmless"),
        (say_nothing, 30, "30 × told without the file's name: something has changed"),
        (fall_over, 30, "30 × crash: KeyError: 'a'"),
        (look_away, 0, "0 told, 30 harmless"),
    ],
)
def test_what_counts_as_harm(tmp_path, read, harmed, said):
    row = injected("some", Format(FILES, read, summed=False), tmp_path, 20, 10)
    assert (row.injected, row.harmed) == (30, harmed) and said in row.found
    assert take_all(tmp_path) == FILES["a.bin"] + FILES["b.bin"]  # as it was
