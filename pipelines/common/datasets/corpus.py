"""Running text to learn word vectors from: news reports as the sample, an encyclopedia's beginning as the full data."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.common.datasets.definition import DataSet, Download, Release, Table
from pipelines.common.datasets.packages import packaged

LEE = "test/test_data/lee_background.cor"
WORDS = 1_000


def write_sample(folder: Path) -> None:
    """Writes `reports.txt`, a report on each line (M. Lee and others, 2005: the background corpus, as gensim carries it).

    Raises:
        DarsenaError: gensim is not installed.
        OSError: the file can't be written.
    """
    shutil.copyfile(packaged("gensim", LEE, "the reports of the package gensim"), folder / "reports.txt")


CORPUS = DataSet(
    name="text8",
    description="sample: 300 news reports (Lee's background corpus); full: the first 1.2 million words of text8 (M. Mahoney, 2006)",
    formats="a text file in UTF-8 (also .gz, .xz), or a folder of them; each line is a text, and one of more than 1,000 words is cut",
    write_sample=write_sample,
    releases=(
        Release(
            downloads=(
                Download(
                    file="text8_first_6877825",
                    url="",
                    sha256="8c5551457ad85e6f248e016443493f940756c7582473e6bbfcafcbe27fc98836",
                    size=6877825,
                ),
            ),
            note="the first 6,877,825 bytes of text8",
        ),
    ),
    table=Table(header=("text",), words=WORDS),
)
