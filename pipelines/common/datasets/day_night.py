"""Unpaired photographs by day and by night: parts of photographs of scikit-image's wheel, half of them darkened, or webcam pictures.

The photographs are four of those of `photos.py`. What a night picture shows is seen in no day picture: each is cut out of a photograph
anew.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import DataRejected
from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.datasets.photos import photograph

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

DAY, NIGHT = "day", "night"
SEED = 26
PICTURES, SIDE = 110, 96
FILES = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png")
# What a camera sees at night, roughly: little light, less of it red, and deeper shadows.
LIGHT, SHADOWS = (0.30, 0.38, 0.55), 1.3
ARCHIVE = "day2night_256.tar"
FOLDERS = {"trainA": ("train", DAY), "trainB": ("train", NIGHT), "testA": ("test", DAY), "testB": ("test", NIGHT)}


def write_sample(folder: Path) -> None:
    """Writes 110 JPEG pictures of 96x96 pixels each into `day` and `night`.

    Raises:
        DarsenaError: the package that holds the photographs is not installed.
        OSError: the files can't be written.
    """
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(SEED)
    originals = []
    for file in FILES:
        with Image.open(photograph(file)) as opened:
            originals.append(opened.convert("RGB"))
    for domain in (DAY, NIGHT):
        (folder / domain).mkdir()
        for number in range(PICTURES):
            picture = cut(originals[number % len(originals)], rng)
            graded = at_night(picture, rng) if domain == NIGHT else picture
            graded.save(folder / domain / f"{number:03}.jpg", quality=90)


def cut(original: Image, rng: np.random.Generator) -> Image:
    """A square part of a photograph, perhaps mirrored."""
    from PIL import Image, ImageOps

    side = rng.uniform(0.4, 0.9) * min(original.size)
    left, top = (rng.uniform(0, whole - side) for whole in original.size)
    part = original.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return ImageOps.mirror(part) if rng.random() < 0.5 else part


def at_night(picture: Image, rng: np.random.Generator) -> Image:
    """The picture darkened and blue, by more or less."""
    import numpy as np
    from PIL import Image

    light = np.array(LIGHT) * rng.uniform(0.85, 1.15)
    pixels = (np.asarray(picture) / 255) ** SHADOWS * light
    return Image.fromarray(np.round(255 * pixels.clip(0, 1)).astype(np.uint8))


def unpack(source: Path, target: Path) -> None:
    """Writes the pictures of the archive (`trainA/*.jpg`, `trainB/`, `testA/`, `testB/`) into `train/day` and so on.

    Raises:
        DataRejected: the archive holds something else.
    """
    with tarfile.open(source / ARCHIVE) as archive:
        for member in archive:
            if member.isdir():
                continue
            matched = re.fullmatch(r"(?:\./)?((?:train|test)[AB])/([\w-]+\.jpg)", member.name)
            content = archive.extractfile(member) if matched and member.isfile() else None
            if not matched or not content:
                raise DataRejected(
                    f"expected trainA, trainB, testA and testB with .jpg files in {source / ARCHIVE}, received {member.name}."
                )
            folder = target.joinpath(*FOLDERS[matched[1]])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / matched[2]).write_bytes(content.read())


DAY_NIGHT = DataSet(
    name="day2night",
    description=(
        "sample: 220 parts of four photographs that come with Darsena, half of them darkened; full: 400 webcam pictures of 256x256 pixels "
        "by day and by night (from AMOS, N. Jacobs et al., 2007)"
    ),
    formats=(
        "two folders of pictures (<domain>/*.jpg, .png or .bmp), or train/<domain>/*.jpg and test/<domain>/*.jpg, or trainA/*.jpg, "
        "trainB/, testA/ and testB/; of any size. The domains are the folders' names, in alphabetical order, or A and B"
    ),
    write_sample=write_sample,
    releases=(
        Release(
            downloads=(
                Download(file=ARCHIVE, url="", sha256="4befd599939c468d7bc92188a8ac0fbd82caefc036baaf570416b9a1c6f957f6", size=6850560),
            ),
            unpack=unpack,
        ),
    ),
    encoded=True,
)
