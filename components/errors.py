"""Errors that components raise on purpose; the command line gives each its own exit code."""


class DataRejected(ValueError):
    """The data is not what the model's schema or the reader expects: the run stops before training."""
