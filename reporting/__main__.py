"""Renders a report again: python -m reporting RUN_JSON OUT_HTML."""

import argparse
import sys
from pathlib import Path

from reporting.html import write_report
from reporting.record import Unreadable, read_json


def main(arguments: list[str] | None = None) -> int:
    """Reads a run.json and writes its report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reporting", description=__doc__)
    parser.add_argument("run_json", type=Path, help="record of the run")
    parser.add_argument("out_html", type=Path, help="where the report goes")
    paths = parser.parse_args(arguments)
    try:
        write_report(read_json(paths.run_json), paths.out_html)
    except (Unreadable, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
