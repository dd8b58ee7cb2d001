"""`make bench-speed`: how fast word vectors, maps, clusters, machines, GANs and agents learn, side by side with known libraries.

    python -m benchmarks.speed [words|classical|pictures|agents …] [--rounds 3] [--write docs/training_speed.md]

In each round the two take turns, so that whatever else the machine does hits both; the figures are medians. The text of `words` comes
from where `darsena run word2vec --data full` finds it ($DARSENA_DATA, or the download cache).
"""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.machine import commit, machine
from benchmarks.speed import agents, classical, pictures, words

PARTS = {"words": words, "classical": classical, "pictures": pictures, "agents": agents}


def main() -> None:
    """The command line, see the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="write all parts to this file too")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"expected parts of {', '.join(PARTS)}, received {', '.join(sorted(unknown))}")
    found = []
    for name in arguments.parts or PARTS:
        found.append(PARTS[name].page(arguments.rounds))
        print(found[-1] + "\n", flush=True)
    if arguments.write and len(found) == len(PARTS):
        about = f"`make bench-speed`: medians of {arguments.rounds}. {datetime.date.today()}, {machine()}, commit {commit()}."
        arguments.write.write_text("\n\n".join(["# Speed of training", about, *found]) + "\n")


if __name__ == "__main__":
    main()
