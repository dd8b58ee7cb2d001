"""Errors of the command line, each with the exit code it ends in (documented in docs/cli.md)."""

import enum


class ExitCode(enum.IntEnum):
    """What `darsena` ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_BLESSED = 3
    MOVED = 3  # what `monitor` says of data, as `run` does of a model: all went well, and the answer is no
    DATA_REJECTED = 4


INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class DarsenaError(Exception):
    """An expected failure: its message is one line that says what was expected, what was received and what to do."""

    exit_code: int = ExitCode.FAILED


class UsageError(DarsenaError):
    """The command was called with something it does not know or cannot take."""

    exit_code = ExitCode.USAGE
