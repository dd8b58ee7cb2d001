"""Files of weights that lead to other files, hold code or promise more than they have: none of them is read."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from trainer_modules.common import backbones

KERNEL = np.array([[1.0], [2.0]], np.float32)


def network() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, name="dense")])


def publish(file: Path) -> Path:
    """Weights in the form of Keras 2."""
    with h5py.File(file, "w") as opened:
        opened.attrs["layer_names"] = ["dense"]
        opened.create_group("dense").attrs["weight_names"] = ["kernel"]
        opened["dense/kernel"] = KERNEL
    return file


def load(file: Path) -> np.ndarray:
    model = network()
    backbones.load_weights(model, file, hashlib.sha256(file.read_bytes()).hexdigest())
    return np.asarray(model.get_weights()[0])


def test_arrays_of_its_own_are_read(tmp_path):
    np.testing.assert_array_equal(load(publish(tmp_path / "a.h5")), KERNEL)
    network().save_weights(tmp_path / "b.weights.h5")
    assert load(tmp_path / "b.weights.h5").shape == KERNEL.shape


def links(opened: h5py.File, other: Path) -> None:
    del opened["dense/kernel"]
    opened["dense/kernel"] = h5py.ExternalLink(str(other), "/secret")


def links_softly(opened: h5py.File, _: Path) -> None:
    opened["again"] = h5py.SoftLink("/dense/kernel")


def lies_elsewhere(opened: h5py.File, other: Path) -> None:
    opened.create_dataset("secret", (2, 1), "f4", external=[(str(other), 0, 8)])


def is_virtual(opened: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((2, 1), "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", (2, 1))
    opened.create_virtual_dataset("secret", layout)


def promises_more(opened: h5py.File, _: Path) -> None:
    opened.create_dataset("all", (1 << 20, 1 << 20), "f4", chunks=(64, 64))


def has_code(opened: h5py.File, _: Path) -> None:
    layers = [{"class_name": "Dense"}, {"class_name": "Lambda", "config": {"function": "4wAAAA=="}}]
    opened.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": layers}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (links, "dense/kernel is a link to /secret"),
        (links_softly, "again is a link to /dense/kernel"),
        (lies_elsewhere, "secret lies in another file"),
        (is_virtual, "secret lies in another file"),
        (promises_more, "all is of 4398046511104 bytes, more than the file can hold"),
        (has_code, "a Lambda layer, which is code"),
    ],
)
@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5"])
def test_what_is_refused(tmp_path, name: str, change: Callable[[h5py.File, Path], None], said: str):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as opened:
        opened["secret"] = KERNEL + 41
    file = publish(tmp_path / name)
    with h5py.File(file, "r+") as opened:
        change(opened, other)
    with pytest.raises(ValueError, match=said):
        load(file)


def test_a_whole_model_is_no_file_of_weights(tmp_path):
    """A .keras file could describe any layer; it is not even opened as one."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x), keras.layers.Dense(1)])
    model.save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match=r"could not load them: .*file signature not found"):
        load(tmp_path / "a.keras")
