"""Faults injected on purpose, and counted: what `make test-reliability` and `make reliability-full` run. One module per section."""
