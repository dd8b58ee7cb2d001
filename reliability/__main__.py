"""`make test-reliability` and `make reliability-full`: injects faults, and fails if one does harm.

    python -m reliability [SECTION...] [--full] [--write docs/reliability.md]

Sections that were measured before keep their figures in the file that is written, unless they are named or none is.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import commit, machine, table
from pipelines.common.quiet import NOWHERE, quiet
from reliability.section import Measure, Section

# Names of the modules, in the order of the report.
SECTIONS: tuple[str, ...] = (
    "gates",
    "monitor",
    "crashes",
    "pushes",
    "supply",
    "request_log",
    "metadata",
    "corruption",
    "hostile",
    "service",
)

# Set, it shows what the libraries say.
LOUD = "RELIABILITY_LOUD"
COLUMNS = ["fault", "injected", "did harm", "without the mechanism", "found"]
MARK = "<!-- {name} -->"
HEAD = """# Reliability

What goes wrong was made to go wrong on purpose: `make reliability-full` injects the faults below and counts those that did harm, that
is, let something bad out or lost something good. `make test-reliability` does so with smaller counts. The column "without the
mechanism" has what the same faults did to a naive version.
"""


def measure(name: str, full: bool) -> tuple[Section, float]:
    """The outcome of a section, and how many seconds it took."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"reliability-{name}-") as folder, quiet(None if LOUD in os.environ else NOWHERE):
        work = Path(folder) / "work"
        work.mkdir()
        # No section finds, or makes, signing keys among the settings of who runs it.
        os.environ["XDG_CONFIG_HOME"] = str(Path(folder) / "settings")
        module: Measure = importlib.import_module(f"reliability.{name}").measure
        return module(full, work), time.perf_counter() - started


def markdown(name: str, section: Section, command: str, seconds: float) -> str:
    """A section of the report."""
    rows = [[row.fault, f"{row.injected:,}", f"{row.harmed:,}", row.naive or "–", row.found or "–"] for row in section.rows]
    where = f"`{command}`, {datetime.date.today()}, {machine()}, commit {commit()}, {seconds:,.0f} s."
    return f"{MARK.format(name=name)}\n## {section.title}\n\n{where}\n\n{section.text.strip()}\n\n{table(COLUMNS, rows)}\n"


def merged(file: Path, parts: dict[str, str]) -> str:
    """The report with these sections, and the others as the file has them."""
    kept = {}
    text = file.read_text() if file.is_file() else ""
    for name in SECTIONS:
        _, mark, rest = text.partition(MARK.format(name=name))
        if mark:
            kept[name] = mark + rest.partition("\n<!-- ")[0].rstrip() + "\n"
    found = kept | parts
    return "\n".join([HEAD, *(found[name] for name in SECTIONS if name in found)])


def main() -> int:
    """The command line, see the head of this module; 1 if a fault did harm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--full", action="store_true", help="the full counts (hours)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the report to write")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"expected sections of {', '.join(SECTIONS)}, received {', '.join(sorted(unknown))}")
    harmed = 0
    for name in arguments.sections or SECTIONS:
        section, seconds = measure(name, arguments.full)
        command = f"python -m reliability {name}{' --full' if arguments.full else ''}"
        part = markdown(name, section, command, seconds)
        print(part, flush=True)
        harmed += sum(row.harmed for row in section.rows)
        if arguments.write:  # at once, as the next section may take an hour
            arguments.write.write_text(merged(arguments.write, {name: part}))
    print(f"{harmed} faults did harm" if harmed else "no fault did harm")
    return 1 if harmed else 0


if __name__ == "__main__":
    sys.exit(main())
