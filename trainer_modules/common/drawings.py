"""Pictures of environments whose own need a display's library: their state drawn with Pillow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 240, 160
SCREEN = 3


def enlarged(frame: np.ndarray) -> np.ndarray:
    """A grey frame, uint8 [height, width], in colour and of SCREEN times the size."""
    return np.repeat(np.repeat(np.repeat(frame[..., np.newaxis], 3, axis=2), SCREEN, axis=0), SCREEN, axis=1)


def drawn(environment: str, state: np.ndarray) -> np.ndarray:
    """What an environment's numbers say, uint8 [height, width, 3].

    Args:
        environment: Gymnasium's name of it.
        state: float32 [numbers].
    """
    from PIL import Image, ImageDraw

    # Drawn at twice the size and made smaller, which smooths edges.
    image = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    if environment.startswith("CartPole"):
        cart_and_pole(draw, float(state[0]), float(state[2]))
    elif environment.startswith("Pendulum"):
        pendulum(draw, math.atan2(float(state[1]), float(state[0])))
    else:
        bars(draw, state)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def cart_and_pole(draw: ImageDraw, position: float, angle: float) -> None:
    """The cart on its track, which ends at 2.4 on both sides, and the pole, 1 long, at an angle from upright in radians."""
    scale, ground = 2 * WIDTH / 5.2, 1.6 * HEIGHT
    x = WIDTH + scale * position
    tip = (x + 1.6 * scale * math.sin(angle), ground - 10 - 1.6 * scale * math.cos(angle))
    draw.line([(0, ground + 14), (2 * WIDTH, ground + 14)], fill="#999999", width=3)
    draw.rectangle([x - 34, ground - 12, x + 34, ground + 12], fill="#1f2937")
    draw.line([(x, ground - 10), tip], fill="#d97706", width=12)


def pendulum(draw: ImageDraw, angle: float) -> None:
    """The rod at an angle from upright in radians, counted counter-clockwise."""
    length = 0.8 * HEIGHT
    tip = (WIDTH - length * math.sin(angle), HEIGHT - length * math.cos(angle))
    draw.line([(WIDTH, HEIGHT), tip], fill="#d97706", width=22)
    draw.ellipse([WIDTH - 8, HEIGHT - 8, WIDTH + 8, HEIGHT + 8], fill="#1f2937")


def bars(draw: ImageDraw, state: np.ndarray) -> None:
    """A bar for each number, from the middle upwards or downwards."""
    width = 2 * WIDTH / len(state)
    for number, value in enumerate(np.tanh(state)):
        top, bottom = sorted((HEIGHT, HEIGHT * (1 - 0.9 * float(value))))
        draw.rectangle([number * width + 4, top, (number + 1) * width - 4, bottom], fill="#2563eb")
