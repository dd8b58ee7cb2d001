"""The command line called in this process."""

from tests.cli.conftest import darsena

__all__ = ("darsena",)
