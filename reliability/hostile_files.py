"""Files that do harm to who opens them carelessly: what the product makes of them, and what a naive reader does."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from benchmarks.machine import REPOSITORY
from components.episode_example_gen.executor import EpisodeSource, read_episodes
from components.errors import DataRejected
from components.image_example_gen.npz import NpzSource
from pipelines.common.archives import extract
from pipelines.common.inputs import Input, read_arrays
from reliability.malformed import bomb
from reliability.section import Row
from serving import operations
from serving.errors import ForeignModel
from tests.serving import foreign
from trainer_modules.common import backbones

SECRET = "secret"
# Loads a SavedModel as it is and asks it; in a process of its own, as some end theirs.
LOAD = "import sys, tensorflow as tf; tf.saved_model.load(sys.argv[1]).signatures['serving_default'](x=tf.constant([1.0]))"


class Opener:
    """A pickled object that writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def unpacked_bombs(count: int) -> str:
    """What gzip without a limit makes of them."""
    size = len(gzip.decompress(bomb()))
    return f"{count} of {count} took {size >> 20} MiB" if count else ""


def saved_models(folder: Path, full: bool) -> Row:
    """SavedModels that do more than calculate; the naive version is tried with three of them unless all are asked for."""
    harmed, ran, tried = 0, 0, 0
    for number, (what, (_, act)) in enumerate(foreign.ACTS.items()):
        marker, model = folder / f"file{number}", folder / f"model{number}"
        foreign.export(foreign.Served(functools.partial(act, str(marker))), model)
        marker.write_text(SECRET)
        try:
            operations.load(model)
            harmed += 1
        except ForeignModel:
            harmed += marker.read_text() != SECRET
        if full or what in ("a file read", "a file written", "an abort"):
            done = subprocess.run([sys.executable, "-c", LOAD, str(model)], cwd=REPOSITORY, stderr=subprocess.DEVNULL, check=False)
            tried += 1
            ran += done.returncode <= 0  # done without an error, or killed by itself
    return Row("SavedModels with files, data sets, Python or an abort", len(foreign.ACTS), harmed, f"{ran} of {tried} tried ran")


def archives(folder: Path) -> Row:
    """Archives whose members lie, or lead, elsewhere; a member's own name is what is asked for."""
    names = ["../../outside", "a/../../../outside", str(folder / "absolute")]
    links = [(kind, to) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) for to in ("../../../secret", str(folder / SECRET))]
    (folder / SECRET).write_text(SECRET)
    harmed, escaped = 0, 0
    members = [(name, tarfile.REGTYPE, "") for name in names] + [("rows.csv", kind, to) for kind, to in links]
    for number, (name, kind, to) in enumerate(members):
        home = folder / "home" / str(number)
        home.mkdir(parents=True)
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, to, 4 if kind == tarfile.REGTYPE else 0
        with tarfile.open(home / "a.tar", "w") as archive:
            archive.addfile(member, io.BytesIO(b"evil"))
        before = set(folder.rglob("*"))
        extract(home / "a.tar", name, home / "target")
        harmed += set(folder.rglob("*")) != before | {home / "target"} or SECRET in (home / "target").read_text()
        naive = home / "naive"
        naive.mkdir()
        with tarfile.open(home / "a.tar") as archive, contextlib.suppress(OSError, KeyError, tarfile.TarError):
            archive.extractall(naive, filter="fully_trusted")
        out = [path for path in set(folder.rglob("*")) - before if not path.is_relative_to(home)]
        escaped += bool(out) or any(path.is_file() and path.read_text() == SECRET for path in naive.iterdir())
        for path in out:
            path.unlink()
    return Row("archives with ../, absolute names or links", len(members), harmed, f"{escaped} of {len(members)} wrote or read elsewhere")


def pickles(folder: Path) -> Row:
    """Arrays that are pickled objects, to each of the readers of arrays."""
    marker = folder / "unpickled"
    objects = np.array([Opener(marker)], object)
    readers: dict[str, Callable[[Path], Any]] = {
        "images.npz": lambda path: NpzSource("train", path, "images", "labels").read(),
        "episodes.npz": lambda path: read_episodes(EpisodeSource(path)),
        "request.npz": lambda path: read_arrays(path, [Input("images", "float32", ())]),
        "request.npy": lambda path: read_arrays(path, [Input("images", "float32", ())]),
    }
    harmed, ran = 0, 0
    for name, read in readers.items():
        path = folder / name
        if name.endswith(".npy"):
            np.save(path, objects, allow_pickle=True)
        else:
            np.savez(path, images=objects, labels=objects, observation=objects)
        try:
            read(path)
            harmed += 1
        except DataRejected:
            harmed += marker.exists()
        found = np.load(path, allow_pickle=True)
        _ = found if name.endswith(".npy") else found["images"]
        ran += marker.exists()
        marker.rmdir()
    return Row("NPZ and NPY with pickled objects", len(readers), harmed, f"{ran} of {len(readers)} ran code")


def weights(folder: Path) -> Row:
    """Files of weights with a layer of code, or with weights that are another file's."""
    marker = folder / "lambda"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(eval(f"lambda x: [open({str(marker)!r}, 'w').close(), x][1]"))])
    files = {name: folder / name for name in ("model.keras", "model.h5", "links.h5", "links.weights.h5")}
    for name, path in files.items():
        if name.startswith("model"):
            model.save(path)
    with h5py.File(folder / "other.h5", "w") as other:
        other[SECRET] = np.arange(4, dtype=np.float32)
    for name in ("links.h5", "links.weights.h5"):
        with h5py.File(files[name], "w") as opened:
            opened.attrs["layer_names"] = ["dense"]
            opened.create_group("dense").attrs["weight_names"] = ["kernel"]
            opened["dense/kernel"] = h5py.ExternalLink(str(folder / "other.h5"), SECRET)
    marker.unlink(missing_ok=True)
    harmed, ran = 0, 0
    for name, path in files.items():
        network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False, name="dense")])
        try:
            backbones.load_weights(network, path, hashlib.sha256(path.read_bytes()).hexdigest())
            harmed += 1
        except ValueError:
            harmed += marker.exists()
        if name.startswith("model"):
            with contextlib.suppress(ValueError, TypeError):
                keras.models.load_model(path, safe_mode=False)
            ran += marker.exists()
            marker.unlink(missing_ok=True)
        else:
            with h5py.File(path) as opened:
                ran += opened["dense/kernel"][()].sum() == 6
    return Row(
        "weights with Lambda layers or links to other files", len(files), harmed, f"{ran} of {len(files)} ran code or read another file"
    )


def zip_bombs(folder: Path) -> Row:
    """Archives of zeros; what is published there would be a table."""
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", bytes(100 << 20))
    extract(folder / "bomb.zip", "rows.csv", folder / "rows.csv")
    size = (folder / "rows.csv").stat().st_size
    return Row(
        "a zip of 100 kB that unpacks to 100 MB", 1, int(size > 10 << 20), "1 of 1 took 100 MiB", f"cut off at {size / 2**20:.1f} MiB"
    )


def rows(folder: Path, full: bool) -> list[Row]:
    """The rows about files."""
    made: list[Row] = []
    for make in (functools.partial(saved_models, full=full), archives, pickles, weights, zip_bombs):
        place = folder / str(len(made))
        place.mkdir()
        made.append(make(place))
    return made
