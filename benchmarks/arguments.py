"""The command line of benchmarks that measure models row by row and keep what was measured."""

import argparse
from collections.abc import Collection
from pathlib import Path


def row_arguments(description: str | None, rows: Collection[str]) -> argparse.Namespace:
    """Parses the command line; ends the process where it names a row that there is not.

    Args:
        description: of the command.
        rows: MODEL or MODEL:PRESET, all that there are.

    Returns:
        `names`, `root` (absolute), `again`, `no_runs` and `write`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="MODEL[:PRESET]", help="rows to measure; all by default")
    parser.add_argument("--root", type=lambda path: Path(path).absolute(), default=Path("bench_root").absolute())
    parser.add_argument("--again", action="store_true", help="measure also what was measured before")
    parser.add_argument("--no-runs", action="store_true", help="measure nothing: only the table of what was measured before")
    parser.add_argument("--write", type=Path, help="write the table of all rows to this file too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(rows):
        parser.error(f"expected rows of {', '.join(rows)}, received {', '.join(sorted(unknown))}")
    return arguments
