"""What a job of several machines must come to, whoever runs it."""

from pathlib import Path

import numpy as np

from pipelines import mnist_softmax as pipeline
from tests import digits
from tests.trainer_modules import given
from trainer_modules import mnist_softmax


def assert_learns_what_one_device_learns(train_on: dict, folder: Path) -> None:
    """Trains on one device and by a job of two machines: the weights are the same."""
    files = given.prepared(digits.case(mnist_softmax, pipeline.MODEL, pipeline.MODEL.hparams), folder)
    hparams = {**pipeline.MODEL.hparams, "batch_size": 16, "epochs": 2}
    config = {"hparams": hparams, "seed": 3, "run_fn": "trainer_modules.mnist_softmax.run_fn", "strategy": "single"}
    mnist_softmax.run_fn(given.fn_args(files, folder / "single", config))
    (folder / "job/run").mkdir(parents=True)
    several = {"strategy": "multiworker", "workers": 2, "train_on": train_on}
    mnist_softmax.run_fn(given.fn_args(files, folder / "job", config | several))
    for one, two in zip(given.weights(folder / "single"), given.weights(folder / "job"), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
