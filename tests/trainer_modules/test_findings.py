"""What evaluation functions work with: means with intervals, and sections of the report."""

import json

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from trainer_modules.common import findings


def test_a_mean_has_the_interval_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(5, 2, 400)
    middle, low, high = findings.mean(values)
    assert middle == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(stats.norm.interval(0.95, values.mean(), stats.sem(values)), rel=1e-4)


def test_a_grid_has_its_pictures_in_rows(tmp_path):
    pictures = [np.full((2, 3), grey, np.uint8) for grey in (10, 20, 30)]
    section = findings.Section(tmp_path, "Title", "text")
    section.grid("sheet", "All", [pictures[:2], pictures[2:]], scale=1)
    section.table("Numbers", ["a", 1], [[1, 2.5]])
    section.write()
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))[..., 0]
    white = 255
    np.testing.assert_array_equal(
        pixels,
        [[10] * 3 + [white] + [20] * 3] * 2 + [[white] * 7] + [[30] * 3 + [white] * 4] * 2,
    )
    assert json.loads((tmp_path / "section.json").read_text()) == {
        "title": "Title",
        "text": "text",
        "pictures": [{"file": "sheet.png", "caption": "All", "wide": True}],
        "tables": [{"title": "Numbers", "columns": ["a", "1"], "rows": [[1, 2.5]]}],
    }


def test_a_scatter_is_a_picture(tmp_path):
    section = findings.Section(tmp_path, "Title", "text")
    section.scatter("map", "Points", np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1]))
    colours = {tuple(pixel) for pixel in np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).reshape(-1, 3).tolist()}
    assert len(colours) > 20  # two colours of points, and their smooth edges


def moving(count: int = 12) -> list[np.ndarray]:
    """A white bar that moves downwards on blue."""
    frames = [np.full((32, 48, 3), (0, 0, 200), np.uint8) for _ in range(count)]
    for number, frame in enumerate(frames):
        frame[2 * number : 2 * number + 4] = 255
    return frames


def test_an_animation_shows_its_frames(tmp_path):
    section = findings.Section(tmp_path, "Title", "text")
    section.animation("bar", "A bar", moving(), rate=20)
    with Image.open(tmp_path / "bar.gif") as found:
        assert (found.format, found.n_frames, found.info["duration"], found.info["loop"]) == ("GIF", 12, 50, 0)
        for number, frame in enumerate(moving()):
            found.seek(number)
            np.testing.assert_allclose(np.asarray(found.convert("RGB"), int), frame, atol=4)


def test_a_video_shows_its_frames(tmp_path):
    section = findings.Section(tmp_path, "Title", "text")
    section.video("bar", "A bar", moving(), rate=20)
    assert (tmp_path / "bar.mp4").read_bytes()[4:8] == b"ftyp"
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "bar.mp4"))
    about = next(reader)
    assert (about["size"], about["fps"], about["codec"], about["pix_fmt"].split("(")[0]) == ((48, 32), 20, "h264", "yuv420p")
    frames = [np.frombuffer(frame, np.uint8).reshape(32, 48, 3) for frame in reader]
    assert len(frames) == 12
    for found, frame in zip(frames, moving(), strict=True):
        assert np.abs(found.astype(int) - frame).mean() < 12
