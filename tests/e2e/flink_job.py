"""A job whose own work kills a TaskManager once; Flink's workers import it from here."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam


class KillOnce(beam.DoFn):
    """Passes numbers on, and notes each time that it is asked; at one number, the first time, it kills a process.

    Args:
        folder: of the notes.
        pid: of the process.
        at: the number.
    """

    def __init__(self, folder: Path, pid: int, at: int):
        self.folder, self.pid, self.at = folder, pid, at

    def process(self, number: int) -> Iterator[tuple[int, int]]:
        """The number, keyed by whether it is odd."""
        with (self.folder / "asked.txt").open("a") as notes:
            notes.write(f"{number}\n")
        if number == self.at:
            try:
                (self.folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(self.pid, signal.SIGKILL)
        yield number % 2, number


def write_sums(numbers: int, killing: KillOnce, args: list[str]) -> None:
    """Runs the job: the sums of the even and of the odd numbers, into a file each."""

    def write(item: tuple[int, int]) -> None:
        (killing.folder / f"sum-{item[0]}.txt").write_text(str(item[1]))

    with beam.Pipeline(argv=args) as pipeline:
        shuffled = pipeline | beam.Create(range(numbers)) | beam.Reshuffle() | beam.ParDo(killing)
        _ = shuffled | beam.CombinePerKey(sum) | beam.Map(write)
