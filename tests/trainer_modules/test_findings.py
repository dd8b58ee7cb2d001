"""What evaluation functions work with: means with intervals, and sections of the report."""

import json

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
