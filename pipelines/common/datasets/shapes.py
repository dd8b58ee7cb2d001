"""Generated 32x32 colour images of ten kinds of objects, drawn from simple shapes on textured grounds: a sample that needs no files.

The kinds are those of CIFAR-10, as silhouettes of a few parts. Each object has a place, size, turn, proportions and colours of its
own, often something in front of it, and noise. Colours and grounds are the same for all kinds, so that only shape tells them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 32
# Objects are drawn this many times larger and then averaged, which smooths their edges.
OVERSAMPLING = 4

# Parts in the order they are drawn: form, tone, and coordinates x, y, x, y, … in -1..1 (x to the right, y down): the corners of a
# polygon, the bounding box of an ellipse, the points of a line. Tones are those of an object: body, accent, dark, light.
Part = tuple[str, str, tuple[float, ...]]
LEGS = (-0.5, -0.32, 0.28, 0.46)


def legs(top: float, bottom: float, tone: str = "body") -> tuple[Part, ...]:
    """Four legs as lines between two heights."""
    return tuple(("line", tone, (x, top, x + 0.02, bottom)) for x in LEGS)


KINDS: dict[str, tuple[Part, ...]] = {
    "airplane": (
        ("polygon", "accent", (-0.1, 0.0, -0.45, -0.75, -0.25, -0.75, 0.3, 0.0)),
        ("ellipse", "body", (-0.95, -0.16, 0.95, 0.16)),
        ("polygon", "accent", (-0.95, -0.05, -0.98, -0.5, -0.8, -0.5, -0.6, -0.05)),
        ("polygon", "accent", (-0.1, 0.05, -0.45, 0.75, -0.25, 0.75, 0.3, 0.05)),
        ("line", "dark", (-0.5, -0.03, 0.7, -0.03)),
    ),
    "automobile": (
        ("polygon", "body", (-0.55, -0.05, -0.35, -0.45, 0.3, -0.45, 0.55, -0.05)),
        ("polygon", "light", (-0.4, -0.08, -0.27, -0.36, 0.22, -0.36, 0.4, -0.08)),
        ("polygon", "body", (-0.95, -0.08, 0.9, -0.08, 0.95, 0.3, -0.95, 0.3)),
        ("ellipse", "dark", (-0.75, 0.1, -0.3, 0.55)),
        ("ellipse", "dark", (0.3, 0.1, 0.75, 0.55)),
    ),
    "bird": (
        ("line", "dark", (-0.05, 0.4, -0.08, 0.85)),
        ("line", "dark", (0.12, 0.4, 0.14, 0.85)),
        ("polygon", "accent", (-0.4, 0.1, -0.98, 0.3, -0.9, 0.5, -0.2, 0.35)),
        ("ellipse", "body", (-0.55, -0.3, 0.5, 0.5)),
        ("ellipse", "body", (0.2, -0.65, 0.72, -0.1)),
        ("polygon", "accent", (0.68, -0.48, 0.98, -0.35, 0.68, -0.25)),
        ("polygon", "accent", (0.15, -0.05, -0.6, -0.1, -0.25, 0.3)),
        ("ellipse", "dark", (0.46, -0.5, 0.58, -0.38)),
    ),
    "cat": (
        ("line", "body", (0.3, 0.8, 0.75, 0.7, 0.8, 0.2)),
        ("ellipse", "body", (-0.45, 0.0, 0.45, 0.95)),
        ("polygon", "body", (-0.5, -0.4, -0.48, -0.98, -0.1, -0.6)),
        ("polygon", "body", (0.5, -0.4, 0.48, -0.98, 0.1, -0.6)),
        ("ellipse", "body", (-0.52, -0.75, 0.52, 0.1)),
        ("ellipse", "dark", (-0.32, -0.45, -0.12, -0.25)),
        ("ellipse", "dark", (0.12, -0.45, 0.32, -0.25)),
        ("polygon", "accent", (-0.08, -0.15, 0.08, -0.15, 0.0, -0.05)),
    ),
    "deer": (
        *legs(0.2, 0.95),
        ("ellipse", "body", (-0.65, -0.1, 0.55, 0.35)),
        ("polygon", "body", (0.3, 0.1, 0.5, -0.4, 0.65, -0.4, 0.6, 0.15)),
        ("ellipse", "body", (0.42, -0.55, 0.9, -0.25)),
        ("line", "accent", (0.52, -0.5, 0.3, -0.75, 0.4, -0.98)),
        ("line", "accent", (0.42, -0.65, 0.15, -0.85)),
        ("line", "accent", (0.58, -0.5, 0.75, -0.75, 0.65, -0.98)),
        ("line", "accent", (0.68, -0.65, 0.95, -0.85)),
    ),
    "dog": (
        *legs(0.3, 0.75),
        ("line", "body", (-0.6, 0.05, -0.9, -0.35)),
        ("ellipse", "body", (-0.7, -0.15, 0.55, 0.45)),
        ("ellipse", "body", (0.25, -0.6, 0.8, 0.0)),
        ("ellipse", "body", (0.55, -0.35, 0.98, -0.05)),
        ("ellipse", "accent", (0.22, -0.55, 0.42, 0.12)),
        ("ellipse", "dark", (0.88, -0.3, 0.99, -0.18)),
    ),
    "frog": (
        ("ellipse", "accent", (-0.95, 0.0, -0.35, 0.65)),
        ("ellipse", "accent", (0.35, 0.0, 0.95, 0.65)),
        ("ellipse", "body", (-0.7, -0.3, 0.7, 0.6)),
        ("ellipse", "body", (-0.6, -0.62, -0.12, -0.14)),
        ("ellipse", "body", (0.12, -0.62, 0.6, -0.14)),
        ("ellipse", "dark", (-0.46, -0.5, -0.26, -0.3)),
        ("ellipse", "dark", (0.26, -0.5, 0.46, -0.3)),
        ("line", "dark", (-0.45, 0.1, 0.0, 0.22, 0.45, 0.1)),
    ),
    "horse": (
        *legs(0.2, 0.95),
        ("polygon", "dark", (-0.65, -0.1, -0.98, 0.1, -0.9, 0.65, -0.7, 0.2)),
        ("ellipse", "body", (-0.75, -0.25, 0.6, 0.35)),
        ("polygon", "body", (0.15, -0.1, 0.4, -0.8, 0.7, -0.75, 0.58, 0.15)),
        ("polygon", "body", (0.4, -0.85, 0.62, -0.85, 0.98, -0.4, 0.82, -0.3, 0.5, -0.5)),
        ("polygon", "dark", (0.42, -0.9, 0.25, -0.75, 0.0, -0.15, 0.2, -0.2, 0.45, -0.7)),
    ),
    "ship": (
        ("line", "dark", (-0.2, -0.2, -0.2, -0.95)),
        ("polygon", "dark", (0.15, -0.3, 0.15, -0.75, 0.35, -0.75, 0.35, -0.3)),
        ("polygon", "light", (-0.5, 0.1, -0.5, -0.3, 0.5, -0.3, 0.5, 0.1)),
        ("polygon", "body", (-0.98, 0.05, 0.98, 0.05, 0.7, 0.6, -0.75, 0.6)),
        ("line", "accent", (-0.85, 0.2, 0.88, 0.2)),
    ),
    "truck": (
        ("polygon", "accent", (-0.98, -0.75, 0.4, -0.75, 0.4, 0.3, -0.98, 0.3)),
        ("polygon", "body", (0.42, -0.35, 0.75, -0.35, 0.98, 0.0, 0.98, 0.35, 0.42, 0.35)),
        ("polygon", "light", (0.5, -0.25, 0.7, -0.25, 0.85, 0.0, 0.5, 0.0)),
        ("ellipse", "dark", (-0.85, 0.15, -0.45, 0.6)),
        ("ellipse", "dark", (-0.4, 0.15, 0.0, 0.6)),
        ("ellipse", "dark", (0.5, 0.15, 0.9, 0.6)),
    ),
}


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images, as many of each kind as of any other, one after the other.

    Args:
        count: of images.
        seed: of all that is random in them.

    Returns:
        Images, uint8 [count, 32, 32, 3], and the kinds' places in `KINDS`, uint8 [count].
    """
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % len(KINDS)).astype(np.uint8)
    kinds = list(KINDS.values())
    return np.stack([draw_image(kinds[label], rng) for label in labels]), labels


def draw_image(parts: tuple[Part, ...], rng: np.random.Generator) -> np.ndarray:
    """One object on a ground: uint8 [32, 32, 3]."""
    ground = draw_ground(rng)
    layer = draw_object(parts, tones(ground.mean(axis=(0, 1)), rng), rng)
    if rng.random() < 0.5:
        cover(layer, rng)
    pixels = np.asarray(layer.reduce(OVERSAMPLING), np.float64)
    opacity = pixels[..., 3:] / 255
    # Edges were averaged with the transparent black around them.
    colour = pixels[..., :3] / np.maximum(opacity, 1e-6)
    shade = rng.normal(0, rng.uniform(3, 14), (SIDE, SIDE, 3))
    return np.clip(ground * (1 - opacity) + np.minimum(colour, 255) * opacity + shade, 0, 255).astype(np.uint8)


def draw_ground(rng: np.random.Generator) -> np.ndarray:
    """A ground of two colours that change across it, with patches of several sizes: float64 [32, 32, 3] in 0..255."""
    first, second = rng.uniform(20, 235, (2, 3))
    turn = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    across = np.clip((x * np.cos(turn) + y * np.sin(turn)) * rng.choice([0.5, 8.0]) + 0.5, 0, 1)[..., None]
    texture = sum(np.kron(rng.normal(0, 9, (cells, cells, 1)), np.ones((SIDE // cells, SIDE // cells, 1))) for cells in (4, 8, 16))
    return first * (1 - across) + second * across + texture


def tones(ground: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[int, ...]]:
    """The colours of an object, of which the body's can be told from the ground's mean colour."""
    body = rng.uniform(0, 255, 3)
    while np.abs(body - ground).mean() < 45:
        body = rng.uniform(0, 255, 3)
    colours = {"body": body, "accent": body + rng.uniform(-80, 80, 3), "dark": body * 0.3, "light": 255 - (255 - body) * 0.4}
    return {tone: tuple(int(value) for value in np.clip(colour, 0, 255)) for tone, colour in colours.items()}


def draw_object(parts: tuple[Part, ...], colours: dict[str, tuple[int, ...]], rng: np.random.Generator) -> Image:
    """An object at a random place, size, turn and proportion, on a transparent layer of 128x128."""
    import PIL.Image
    import PIL.ImageDraw

    side = SIDE * OVERSAMPLING
    layer = PIL.Image.new("RGBA", (side, side))
    draw = PIL.ImageDraw.Draw(layer)
    stretch = np.array([rng.choice([-1, 1]) * rng.uniform(0.8, 1.0), rng.uniform(0.75, 1.0)])
    half = side / 2 * rng.uniform(0.6, 0.95)
    width = int(half * rng.uniform(0.09, 0.16))
    for form, tone, coordinates in parts:
        points = np.reshape(coordinates, (-1, 2))
        points = (points + rng.normal(0, 0.03, points.shape)) * stretch * half + side / 2
        if form == "ellipse":
            draw.ellipse([*points.min(axis=0), *points.max(axis=0)], fill=colours[tone])
        elif form == "polygon":
            draw.polygon([*points.ravel()], fill=colours[tone])
        else:
            draw.line([*points.ravel()], fill=colours[tone], width=width)
    room = int((side / 2 - half) + side * 0.08)
    right, down = (int(value) for value in rng.integers(-room, room + 1, 2))
    return layer.rotate(rng.uniform(-25, 25), translate=(right, down))


def cover(layer: Image, rng: np.random.Generator) -> None:
    """Puts a bar of any colour in front of a part of the object."""
    import PIL.ImageDraw

    side = SIDE * OVERSAMPLING
    start, end = rng.uniform(0, side, 2), rng.uniform(0, side, 2)
    colour = tuple(int(value) for value in rng.uniform(20, 235, 3))
    PIL.ImageDraw.Draw(layer).line([*start, *end], fill=colour, width=int(side * rng.uniform(0.06, 0.16)))
