"""What an evaluate_fn works with: a served model's answers to a split, figures with intervals, and a section of the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer_modules.common.input_data import read_examples

BATCH = 1024
Figure = float | tuple[float, float, float]
Figures = dict[str, Figure]


@dataclasses.dataclass(frozen=True)
class Answers:
    """A split, and what a served model answers to it.

    Attributes:
        inputs: of `raw`, by name, [N, …].
        outputs: by name, [N, …].
        labels: int64 [N]; empty if none were asked for.
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    labels: np.ndarray


def answers(signatures: Mapping[str, Any], split: Path, *, label: str = "", limit: int | None = None) -> Answers:
    """Asks a served model about a split.

    Args:
        signatures: of a SavedModel (docs/architecture.md).
        split: folder of its TFRecord files.
        label: an integer feature to read too.
        limit: at most how many examples, from the start.
    """
    inputs, outputs, labels = [], [], []
    for batch in read_examples([str(split / "*")], limit).batch(BATCH):
        decoded = signatures["decode"](examples=batch)
        inputs.append({name: value.numpy() for name, value in decoded.items()})
        outputs.append({name: value.numpy() for name, value in signatures["raw"](**decoded).items()})
        if label:
            labels.append(tf.io.parse_example(batch, {label: tf.io.FixedLenFeature([], tf.int64)})[label].numpy())
    return Answers(joined(inputs), joined(outputs), np.concatenate(labels) if label else np.zeros(0, np.int64))


def transformed(signatures: Mapping[str, Any], split: Path) -> dict[str, np.ndarray]:
    """What a served model's network takes of a split (a folder of TFRecord files), after all preprocessing: by name, [N, …]."""
    batches = read_examples([str(split / "*")]).batch(BATCH)
    return joined([{name: value.numpy() for name, value in signatures["transform"](examples=batch).items()} for batch in batches])


def ask(signatures: Mapping[str, Any], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Answers of `raw` to inputs by name, [N, …]."""
    count = len(next(iter(inputs.values())))
    batches = ({name: tf.constant(values[at : at + BATCH]) for name, values in inputs.items()} for at in range(0, count, BATCH))
    return joined([{name: value.numpy() for name, value in signatures["raw"](**batch).items()} for batch in batches])


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Batches of arrays by name to whole ones."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def pixel_effects(effects_of: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """What each white pixel adds to each of the numbers that pictures are turned into by a function that is linear in pixels.

    Args:
        effects_of: from pictures, uint8 [N, height, width], to numbers, [N, units].
        shape: height and width.

    Returns:
        A picture of each unit, uint8 [units, height, width]: grey is 0, white the largest effect and black its opposite.
    """
    pixels = shape[0] * shape[1]
    # The last one is black.
    single = np.zeros((pixels + 1, pixels), np.uint8)
    single[np.arange(pixels), np.arange(pixels)] = 255
    found = effects_of(single.reshape(-1, *shape))
    effects = (found[:-1] - found[-1]).T
    scaled = 127.5 + 127.5 * effects / np.abs(effects).max(axis=1, keepdims=True)
    return np.round(scaled).astype(np.uint8).reshape(-1, *shape)


def pixels(pictures: np.ndarray) -> np.ndarray:
    """Pictures in 0..1 as uint8."""
    found: np.ndarray = np.round(255 * pictures).astype(np.uint8)
    return found


def mean(values: np.ndarray) -> Figure:
    """The mean of independent values [N], with its 95% interval by the central limit theorem."""
    middle, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    return middle, middle - 1.96 * error, middle + 1.96 * error


class Section:
    """A section of the report: section.json and its pictures (docs/architecture.md).

    Args:
        folder: to write into.
        title: of the section.
        text: one line below it.
    """

    def __init__(self, folder: Path, title: str, text: str):
        self._folder = folder
        self._content: dict[str, Any] = {"title": title, "text": text, "pictures": [], "tables": []}

    def grid(self, name: str, caption: str, rows: Sequence[Sequence[np.ndarray] | np.ndarray], scale: int = 2) -> None:
        """Pictures in rows: uint8 [height, width] or [height, width, 3], all of one size; a shorter row ends in white."""
        from PIL import Image

        height, width = next(picture.shape[:2] for row in rows for picture in row)
        columns = max(len(row) for row in rows)
        sheet = Image.new("RGB", (columns * (width + 1) - 1, len(rows) * (height + 1) - 1), "white")
        for down, row in enumerate(rows):
            for across, picture in enumerate(row):
                sheet.paste(Image.fromarray(picture).convert("RGB"), (across * (width + 1), down * (height + 1)))
        sheet = sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)
        sheet.save(self._picture(f"{name}.png", caption, wide=True))

    def figure(self, name: str, caption: str, figure: Any) -> None:
        """A figure of matplotlib."""
        figure.savefig(self._picture(f"{name}.png", caption, wide=True), dpi=110, bbox_inches="tight")

    def animation(self, name: str, caption: str, frames: Sequence[np.ndarray], rate: int = 25) -> None:
        """A moving picture (GIF) that begins again and again: uint8 [height, width, 3] each, so many a second."""
        from PIL import Image

        # One palette for all: pictures of one environment have the same few colours, and unlike palettes flicker.
        sheet = Image.fromarray(np.concatenate(list(frames[:: max(1, len(frames) // 8)])))
        palette = sheet.quantize(64)
        pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
        file = self._picture(f"{name}.gif", caption, wide=False)
        pictures[0].save(file, save_all=True, append_images=pictures[1:], duration=round(1000 / rate), loop=0, optimize=False)

    def video(self, name: str, caption: str, frames: Sequence[np.ndarray], rate: int = 25) -> None:
        """A video (MP4, H.264): uint8 [height, width, 3] each, of even height and width, so many a second."""
        import imageio_ffmpeg

        height, width = frames[0].shape[:2]
        # What every browser plays; the index comes first, so that it plays before it is read whole.
        form = {"codec": "libx264", "pix_fmt_out": "yuv420p", "macro_block_size": 2, "output_params": ["-movflags", "+faststart"]}
        file = str(self._picture(f"{name}.mp4", caption, wide=False))
        writer = imageio_ffmpeg.write_frames(file, (width, height), fps=rate, ffmpeg_log_level="error", **form)
        writer.send(None)
        try:
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
        finally:
            writer.close()

    def scatter(self, name: str, caption: str, points: np.ndarray, groups: np.ndarray, most: int = 2000) -> None:
        """At most so many of the points, [N, 2], coloured by their groups, int [N], with a legend."""
        from matplotlib.figure import Figure as Drawing

        drawing = Drawing(figsize=(6, 5))
        axes = drawing.subplots()
        for group in np.unique(groups[:most]):
            chosen = points[:most][groups[:most] == group]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=6, alpha=0.6, label=str(group), color=f"C{group}")
        axes.legend(markerscale=2, fontsize=8)
        self.figure(name, caption, drawing)

    def table(self, title: str, columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
        """A table of anything that JSON knows."""
        self._content["tables"].append(
            {"title": title, "columns": [str(column) for column in columns], "rows": [list(row) for row in rows]}
        )

    def _picture(self, file: str, caption: str, *, wide: bool) -> Path:
        """Enters a picture, and says where it is to be saved."""
        self._content["pictures"].append({"file": file, "caption": caption, "wide": wide})
        return self._folder / file

    def write(self) -> None:
        """Writes section.json."""
        (self._folder / "section.json").write_text(json.dumps(self._content, indent=1) + "\n")
