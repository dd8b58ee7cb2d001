"""A model of pictures in folders, one for each class: from the folder to its draft."""

from __future__ import annotations

import dataclasses
import functools
import math
import shutil
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from components.errors import DataRejected
from components.files import describe, list_files
from components.image_example_gen.pictures import DAMAGE, is_picture, labelled
from components.splits import TRAIN
from pipelines.common.config import MULTICLASS
from pipelines.common.data import data_at
from pipelines.common.scaffold.draft import Draft
from pipelines.common.scaffold.target import LEAST_OF_A_CLASS, LEAST_ROWS, Target, baseline
from pipelines.common.scaffold.texts import render_all, shown, table_row
from reporting import formats

SIDES = (32, 64, 96)
STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Size:
    """Of a picture, in pixels."""

    width: int
    height: int


def draft_of_pictures(name: str, folder: Path) -> Draft:
    """Looks at a folder of pictures and makes a model of it.

    Args:
        name: of the model.
        folder: <class>/<picture>, or train/<class>/<picture> and test/<class>/<picture>.

    Raises:
        UsageError: TFX can't take the folder's path.
        DataRejected: the pictures are not sorted into classes, damaged, or too few.
    """
    files = list_files(folder, data_at("path", folder).pattern)
    others = [path for path in files if not is_picture(path)]
    if others:
        raise DataRejected(f"expected nothing but .png, .jpg and .bmp pictures in {folder}, received {describe(others)}. Remove it.")
    target = find_classes(folder, files)
    sizes = [size_of(path) for path in files]
    found = baseline(target)
    side = next((side for side in SIDES if side >= 0.75 * statistics.median(min(size.width, size.height) for size in sizes)), SIDES[-1])
    learns = f"tells pictures of {len(target.class_names)} kinds apart"
    reference = f"{formats.title(found.gate.metric).lower()} of {found.what}: {formats.metric(found.value)}"
    given = {
        "name": name,
        "source": folder.resolve().name,
        "pictures": f"{len(files):,}",
        "learns": learns,
        "reference": reference,
        "gate": found.gate,
        "what": found.what,
        "class_names": target.class_names,
        "side": side,
        "stages": side.bit_length() - 3,
        "epochs": min(max(math.ceil(STEPS * 32 / (0.7 * len(files))), 5), 40),
        "sizes": {
            "height": bounds([size.height for size in sizes]),
            "width": bounds([size.width for size in sizes]),
        },
    }
    row = table_row(name, learns, f"{len(files):,} pictures of {shown(folder.resolve().name)}", reference)
    return Draft(render_all("pictures", name, given), row, functools.partial(copy_pictures, folder, files), review(target, sizes, side))


def find_classes(folder: Path, files: Sequence[Path]) -> Target:
    """The classes that the folders name.

    Raises:
        DataRejected: the pictures are not in folders of classes, or too few.
    """
    by_split = labelled(folder, list(files), ())
    names = sorted({path.parent.name for path in files})
    counts = Counter(label for pictures in by_split.values() for _, label in pictures)
    if len(files) < LEAST_ROWS or len(names) < 2:
        raise DataRejected(
            f"expected at least {LEAST_ROWS} pictures in folders of at least two classes in {folder}, "
            f"received {len(files)} in {len(names)}. Add pictures."
        )
    trained = Counter(label for _, label in by_split[TRAIN])
    rarest = min(range(len(names)), key=lambda label: trained[label])
    if trained[rarest] < LEAST_OF_A_CLASS:
        raise DataRejected(
            f"expected at least {LEAST_OF_A_CLASS} pictures of each class in {folder} to train on, "
            f"received {trained[rarest]} of {names[rarest]!r}. Add some, or remove the folder."
        )
    return Target("label", "label", MULTICLASS, tuple(names), tuple(counts[label] for label in range(len(names))), (), 0)


def size_of(path: Path) -> Size:
    """The size of a picture, by the head of its file; its pixels are read when a run reads them.

    Raises:
        DataRejected: it is no picture.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG", "BMP")) as picture:
            return Size(*picture.size)
    except DAMAGE as error:
        raise DataRejected(f"expected {path} to be a PNG, JPEG or BMP picture, could not read it ({error}). Replace the file.") from error


def bounds(sides: Sequence[int]) -> tuple[int, int]:
    """What the schema allows of a side: from half the smallest to twice the largest."""
    return max(1, min(sides) // 2), 2 * max(sides)


def copy_pictures(folder: Path, files: Sequence[Path], to: Path) -> None:
    """Copies the pictures with their folders.

    Raises:
        OSError: one can't be copied.
    """
    for path in files:
        copy = to / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def review(target: Target, sizes: Sequence[Size], side: int) -> dict[str, Any]:
    """What there is to know about the pictures before a first run."""
    found = baseline(target)
    low, high = (Size(pick(size.width for size in sizes), pick(size.height for size in sizes)) for pick in (min, max))
    return {
        "pictures": len(sizes),
        "sizes": f"{low.width}x{low.height}" + (f" to {high.width}x{high.height}" if low != high else ""),
        "side": side,
        "classes": dict(zip(target.class_names, target.counts, strict=True)),
        "gate": {**dataclasses.asdict(found.gate), "baseline": found.value, "answer": found.what},
    }
