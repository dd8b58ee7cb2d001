"""Colours with their names, as red, green and blue from 0 to 255.

The sample is what matplotlib carries: the colours of CSS (W3C) and those that people named in a survey (R. Munroe, xkcd, 2010), less
some names of the survey that are not for every wall.
"""

from __future__ import annotations

import csv
from pathlib import Path

from pipelines.common.datasets.definition import DataSet, Table

LEFT_OUT = ("barf", "bile", "booger", "diarrhea", "piss", "poo", "puke", "shit", "snot", "vomit")


def write_sample(folder: Path) -> None:
    """Writes `colors.csv` with the columns R, G, B and name into a folder; of colours that have several names, the first one's.

    Raises:
        OSError: the file can't be written.
    """
    from matplotlib.colors import CSS4_COLORS, XKCD_COLORS, to_hex

    names: dict[str, str] = {}
    for name, code in [*CSS4_COLORS.items(), *XKCD_COLORS.items()]:
        if not any(word in name for word in LEFT_OUT):
            names.setdefault(to_hex(code), name.removeprefix("xkcd:"))
    with (folder / "colors.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["R", "G", "B", "name"])
        for code, name in names.items():
            writer.writerow([*bytes.fromhex(code.removeprefix("#")), name])


COLORS = DataSet(
    name="colors",
    description="sample: the 1,000 or so colours that CSS and a survey of xkcd have names for, as matplotlib carries them",
    formats="a .csv file (also .gz, .xz), or a folder of them, with the columns R, G and B (0 to 255) and name",
    write_sample=write_sample,
    table=Table(),
)
