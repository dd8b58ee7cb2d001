"""Folders of labelled pictures for the transfer rows of `make bench-models`, and what is asked of the photographs.

They are made of what lies in $DARSENA_DATA.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from pipelines.common.data import resolve_data
from pipelines.common.datasets.cifar10 import CIFAR10, CLASSES
from pipelines.common.datasets.photos import PHOTOS
from serving.client import GrpcClient
from serving.server import ModelServer

TRAIN, TEST = 5500, 10_000  # of them a tenth is for validation


def own_data(name: str) -> Path:
    """A folder of $DARSENA_DATA; ends the program where there is none."""
    folder = Path(os.environ.get("DARSENA_DATA", "")) / name
    if "DARSENA_DATA" not in os.environ or not folder.is_dir():
        sys.exit(f"bench-models: expected the folder {name} in $DARSENA_DATA, found none.")
    return folder


def some_of_cifar10(folder: Path) -> Path:
    """The first 550 training pictures of each class of CIFAR-10, and its whole test set, as PNG files."""
    from PIL import Image

    made = folder / "cifar10-5500"
    if made.is_dir():
        return made
    with np.load(next(resolve_data(CIFAR10, "full", folder).path.glob("*.npz"))) as arrays:
        splits = {"train": (arrays["x_train"], arrays["y_train"].ravel()), "test": (arrays["x_test"], arrays["y_test"].ravel())}
    partial = folder / ".cifar10-5500"
    shutil.rmtree(partial, ignore_errors=True)
    for split, count in (("train", TRAIN), ("test", TEST)):
        images, labels = splits[split]
        for number, name in enumerate(CLASSES):
            (partial / split / name).mkdir(parents=True)
            for row in np.flatnonzero(labels == number)[: count // len(CLASSES)]:
                Image.fromarray(images[row]).save(partial / split / name / f"{row:05}.png")
    partial.rename(made)
    return made


def photographs(folder: Path) -> Path:
    """The photographs of $DARSENA_DATA as a test set, each in the folder of its first accepted label.

    The classifier trains on nothing, but a run has a training and a validation split: the embedded sample's cats and cups of coffee.
    """
    made = folder / "photographs"
    if made.is_dir():
        return made
    source = own_data("photos")
    partial = folder / ".photographs"
    shutil.rmtree(partial, ignore_errors=True)
    sample = resolve_data(PHOTOS, "sample", folder).path
    for name, label in (("cat", "Egyptian cat"), ("coffee", "espresso")):
        shutil.copytree(sample / name, partial / "train" / label)
    for photo, labels in accepted_labels(source).items():
        (partial / "test" / labels[0]).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / photo, partial / "test" / labels[0])
    partial.rename(made)
    return made


def accepted_labels(folder: Path) -> dict[str, list[str]]:
    """The labels that are right for each photograph."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["accepted_labels"].split(";") for row in csv.DictReader(file)}


def accepted(record: dict, root: Path) -> float:
    """The share of the photographs that the served model, sent the files' bytes, answers with an accepted label."""
    source = own_data("photos")
    labels = accepted_labels(source)
    contents = np.array([(source / photo).read_bytes() for photo in labels], object)
    with ModelServer(root / "serving", [record["model"]], grpc_port=0, rest_port=0) as server:
        answers = GrpcClient(f"127.0.0.1:{server.grpc_port}").predict(record["model"], {"image": contents}, "top_classes")
    best = [answer[0].decode() for answer in answers["labels"]]
    return float(np.mean([found in right for found, right in zip(best, labels.values(), strict=True)]))
