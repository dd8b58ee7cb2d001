"""What goes wrong in data, environments and training ends in one clear line, and nothing is pushed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def run(root: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of a run that pushes nothing, and the last line that it says of itself."""
    command = [sys.executable, "-m", "pipelines", "run", *arguments, "--root", str(root)]
    done = subprocess.run(command, env={**os.environ, "COLUMNS": "500"}, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((root / "serving").glob("*/*"))
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_damaged_picture(tmp_path):
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng([number, ord(folder[-1])]).integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{number}.jpg")
    path = tmp_path / "data/trainB/2.jpg"
    path.write_bytes(path.read_bytes()[:700])
    code, said = run(tmp_path, "cyclegan", "--data", str(tmp_path / "data"))
    assert code == 4 and "trainB/2.jpg" in said


def test_a_text_in_another_encoding(tmp_path):
    path = tmp_path / "latin-1.txt"
    path.write_bytes("a drink\nun café au lait\n".encode("latin-1"))
    code, said = run(tmp_path, "word2vec", "--data", str(path))
    assert code == 4 and f"expected {path} to be text in UTF-8, received the byte 0xe9 in line 2 (byte 14 of the file)" in said


def test_an_environment_that_raises_in_mid_episode(tmp_path):
    code, said = run(tmp_path, "breakout_dqn", "--preset", "cartpole", "--set", "environment=tests.agents:darsena/Snapped-v0")
    assert code == 1 and "the pole has snapped" in said and "Snapped-v0" in said


def test_a_shard_of_examples_that_was_damaged_between_two_components(tmp_path):
    """A run that trains again on cached examples, one byte of which is another one, tells the file and pushes nothing."""
    command = [sys.executable, "-m", "pipelines", "run", "mnist_softmax", "--root", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0
    (shard,) = (tmp_path / "artifacts/mnist_softmax/ImageExampleGen").rglob("Split-train/data_tfrecord-*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = subprocess.run([*command, "--epochs", "3"], env={**os.environ, "COLUMNS": "500"}, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and f"expected whole records in {shard}" in said and "damaged or cut short" in said
    assert [path.name for path in (tmp_path / "serving/mnist_softmax").iterdir()] == ["1"]


def test_a_loss_that_is_no_number(tmp_path):
    code, said = run(tmp_path, "word2vec", "--set", "learning_rate=1e38")
    assert code == 1 and "expected finite numbers in epoch 1 of the training, received loss = nan. Lower learning_rate" in said
