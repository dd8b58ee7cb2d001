"""Photographs in a folder for each class: six that come with scikit-image, cropped and varied, or the flowers of TensorFlow's tutorials.

The six are the colour photographs in scikit-image's wheel (BSD-3-Clause; their own licences and origins are in the documentation of
`skimage.data`): an astronaut, the cat Chelsea, a cup of coffee, the Hubble deep field, a motorcycle and a rocket at night.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.common.datasets.definition import DataSet, Download, Release
from pipelines.common.datasets.packages import packaged

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

SEED = 20
PICTURES = 40
FILES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "galaxies": "hubble_deep_field.jpg",
    "motorcycle": "motorcycle_left.png",
    "rocket": "rocket.jpg",
}
FLOWERS = "flower_photos.tgz"


def photograph(name: str) -> Path:
    """A file in the wheel of scikit-image; found without importing it.

    Raises:
        DarsenaError: scikit-image is not installed, or not as expected.
    """
    return packaged("skimage", f"data/{name}", "the photographs of the package scikit-image")


def write_sample(folder: Path) -> None:
    """Writes 40 JPEG pictures of each of the six photographs into a folder for each, `<class>/<number>.jpg`.

    Raises:
        DarsenaError: the package that holds the photographs is not installed.
        OSError: the files can't be written.
    """
    import numpy as np
    from PIL import Image

    for number, (name, file) in enumerate(FILES.items()):
        rng = np.random.default_rng([SEED, number])
        with Image.open(photograph(file)) as opened:
            original = opened.convert("RGB")
        (folder / name).mkdir()
        for picture in range(PICTURES):
            varied(original, rng).save(folder / name / f"{picture:02}.jpg", quality=int(rng.integers(75, 96)))


def varied(original: Image, rng: np.random.Generator) -> Image:
    """A part of a photograph, perhaps mirrored, turned a little, in another light, another size and perhaps in grey."""
    from PIL import Image, ImageEnhance, ImageOps

    width, height = original.size
    # Wide or tall by up to a third.
    side, aspect = min(width, height) * rng.uniform(0.5, 0.95), rng.uniform(0.75, 1.0)
    across, down = (side, side * aspect) if rng.random() < 0.5 else (side * aspect, side)
    left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
    # Turned before it is cut out, so that no corner is empty but at the edge of the photograph, where white is.
    angle, middle = rng.uniform(-12, 12), (left + across / 2, top + down / 2)
    turned = original.rotate(angle, Image.Resampling.BILINEAR, center=middle, fillcolor="white")
    longest = int(rng.integers(110, 221))
    scale = longest / max(across, down)
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    picture = turned.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + across, top + down))
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.7, 1.3))
    picture = ImageEnhance.Contrast(picture).enhance(rng.uniform(0.7, 1.3))
    picture = ImageEnhance.Color(picture).enhance(rng.uniform(0.3, 1.3))
    return ImageOps.grayscale(picture) if rng.random() < 0.15 else picture


def unpack_flowers(source: Path, target: Path) -> None:
    """Writes the pictures of the archive into folders of their classes; its licence, which names the photographers, stays out."""
    with tarfile.open(source / FLOWERS) as archive:
        for member in archive:
            parts = Path(member.name).parts
            if len(parts) != 3 or parts[1] == ".." or not parts[2].endswith(".jpg"):
                continue
            if content := archive.extractfile(member):
                (target / parts[1]).mkdir(exist_ok=True)
                with (target / parts[1] / parts[2]).open("wb") as file:
                    shutil.copyfileobj(content, file)


PHOTOS = DataSet(
    name="photos",
    description=(
        "sample: 240 pictures cut out of six photographs that come with Darsena, and varied; full: 3,670 photographs of five kinds of "
        "flowers (The TensorFlow Team, 2019; CC BY)"
    ),
    formats=(
        "a folder of pictures per class (<class>/*.jpg, .png or .bmp, or train/<class>/*.jpg and test/<class>/*.jpg), of any size; "
        "the folders' names are the classes"
    ),
    write_sample=write_sample,
    releases=(
        Release(
            downloads=(
                Download(
                    file=FLOWERS,
                    url=f"https://storage.googleapis.com/download.tensorflow.org/example_images/{FLOWERS}",
                    # As TensorFlow Datasets states it (tf_flowers).
                    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
                    size=228813984,
                ),
            ),
            unpack=unpack_flowers,
        ),
    ),
    encoded=True,
)
