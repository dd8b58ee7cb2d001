"""A page of a small model in Chromium: its answers, its controls, and what it asks other hosts for."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipelines.common.cli import main
from pipelines.common.web import page
from tests.web.browser import hosted, visited
from tests.web.conftest import CLASSES, samples

ABOUT = {
    "name": "small_model",
    "version": 1,
    "learns": "tells <b>shapes</b> apart",
    "pushed": "2026-11-25T20:00:00+00:00",
    "close": 1e-5,
    "data": {"kind": "sample", "note": "made up"},
    "figures": [{"metric": "SparseCategoricalAccuracy", "value": 0.75, "operator": ">=", "bound": 0.5}],
}


@pytest.fixture(scope="module")
def folder(version, packages, tmp_path_factory) -> Path:
    return page.write(version, tmp_path_factory.mktemp("web") / "public/deep/small", ABOUT, list(CLASSES), packages).folder


@pytest.fixture
def visit(chromium, folder):
    with visited(chromium, folder) as found:
        yield found
        assert found.foreign == [] and found.errors == []


def test_its_probabilities_are_pythons(version, visit):
    images = samples(100, seed=8)
    expected = tf.saved_model.load(str(version)).signatures["raw"](image=tf.constant(images))["probabilities"].numpy()
    answers = visit.ask([{"image": image.ravel().tolist()} for image in images])
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], expected, atol=1e-5)
    assert len({tuple(row.round(3)) for row in expected}) == 100  # no wrong order would pass
    assert "4 recorded inputs, answered as in Python" in visit.page.inner_text("#check")


def test_it_works_from_a_sub_path(chromium, folder):
    with visited(chromium, folder.parents[1], "deep/small/") as visit:
        assert visit.errors == [] and len(visit.values()) == len(CLASSES)


def test_it_tells_of_the_model_in_text_only(visit):
    assert visit.page.inner_text("#learns") == "Tells <b>shapes</b> apart."
    facts = visit.page.inner_text("#facts")
    assert "0.7500 on test data (asked for: at least 0.5000)" in facts and "sample data; made up" in facts


VALUES = "[...document.querySelectorAll('.bars .value')].map(each => each.innerText).join()"
# From top, bottom, left and right: the ink that the model sees.
INK = """() => {
    const canvas = document.querySelector('.seen canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, 28, 28);
    const dark = [...data.keys()].filter((at) => at % 4 == 0 && data[at] > 64).map((at) => at / 4);
    const [rows, columns] = [dark.map((at) => Math.floor(at / 28)), dark.map((at) => at % 28)];
    return [Math.min(...rows), Math.max(...rows), Math.min(...columns), Math.max(...columns)];
}"""


def test_drawing_with_the_mouse_moves_the_bars(visit):
    before = ",".join(visit.values())
    box = visit.page.locator("#pad").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x, y + box["height"] / 2, steps=4)
    visit.page.mouse.up()
    # A line far left becomes one in the middle, 20 of 28 rows high.
    visit.until(f"({INK})()[0] == 4")
    _, bottom, left, right = visit.page.evaluate(INK)
    assert bottom == 23 and 11 <= left <= 13 and 14 <= right <= 16
    visit.until(f"{VALUES} != '{before}'")


def test_drawing_by_keyboard_moves_the_bars(visit):
    visit.page.focus("#pad")
    visit.page.keyboard.press("Delete")
    visit.until("document.querySelector('#answer').classList.contains('stale')")
    before = ",".join(visit.values())
    for key in ("Space", *["Shift+ArrowDown"] * 2, *["ArrowRight"] * 4, "Space", *["ArrowUp"] * 3):
        visit.page.keyboard.press(key)
    visit.until(f"{VALUES} != '{before}'")
    assert visit.page.inner_text("#pad-keys [role=status]") == "The pen is up."


def test_controls_have_names_and_results_are_read_out(visit):
    told = visit.page.locator("body").aria_snapshot()
    for line in (
        'application "Drawing pad"',
        'button "Clear"',
        'button "A real example"',
        'img "What the model sees"',
        'heading "small model"',
    ):
        assert line in told
    assert visit.page.get_attribute("#summary", "aria-live") == "polite"
    visit.until("document.querySelector('#summary').innerText.includes('%')")
    unnamed = "each => !(each.innerText || each.labels?.length || each.ariaLabel)"
    nameless = f"[...document.querySelectorAll('button, input, textarea, select')].filter({unnamed}).length"
    assert visit.page.evaluate(nameless) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_screen(chromium, folder, scheme):
    with visited(chromium, folder, viewport={"width": 320, "height": 600}, color_scheme=scheme, reduced_motion="reduce") as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 320
        assert visit.page.evaluate("getComputedStyle(document.querySelector('.fill')).transitionDuration") == "0s"
        ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(243, 245, 248)", "dark": "rgb(16, 22, 29)"}[scheme]


def test_a_page_whose_model_is_gone_says_so(chromium, version, packages, tmp_path):
    broken = page.write(version, tmp_path / "page", ABOUT, list(CLASSES), packages).folder
    (broken / "model.tflite").unlink()
    with hosted(broken) as origin:
        opened = chromium.new_page()
        opened.goto(origin)
        opened.wait_for_selector("#status.error")
        assert "model.tflite could not be loaded (status 404)" in opened.inner_text("#status")
        opened.close()


def test_the_command_writes_it_and_replaces_only_its_own(version, packages, tmp_path, capsys):
    root = version.parents[2]
    arguments = ["web", "mnist_mlp", "--root", str(root), "--runtime", str(packages)]
    assert main([*arguments, "--output", str(tmp_path / "page"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["layout"], told["page"]) == (1, "drawing", str(tmp_path / "page"))
    content = json.loads((tmp_path / "page/page.json").read_text())
    assert content["outputs"][0]["names"] == list(CLASSES) and content["pushed"].startswith("2026-11-25")
    (tmp_path / "page/stale.txt").write_text("of an older page")
    assert main([*arguments, "-o", str(tmp_path / "page")]) == 0
    assert not (tmp_path / "page/stale.txt").exists() and [path.name for path in tmp_path.iterdir()] == ["page"]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    assert main([*arguments, "-o", str(tmp_path / "mine")]) == 2
    assert "received something else" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    assert main(["web", "mnist_mlp", "--root", str(root), "--runtime", str(tmp_path / "mine")]) == 1
    assert "@litertjs/core" in capsys.readouterr().err


def test_a_version_without_exports_leaves_the_page_that_is_there(version, packages, tmp_path):
    there = page.write(version, tmp_path / "page", ABOUT, list(CLASSES), packages).folder
    (tmp_path / "2").mkdir()
    before = {path: path.read_bytes() for path in there.rglob("*.js")}
    with pytest.raises(page.DarsenaError, match=r"expected assets.extra/tflite/float32.tflite in version 2 .* there is none"):
        page.write(tmp_path / "2", there, ABOUT, [], packages)
    assert {path: path.read_bytes() for path in there.rglob("*.js")} == before
