"""Charts: points stand where their values say, whatever the names are the XML is well-formed, and odd values do no harm."""

import math
import re
from xml.etree import ElementTree

import pytest

from reporting import figures, formats

SVG = "{http://www.w3.org/2000/svg}"
NASTY = 'a<b>&"\x00\ud800'


def parse(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (1, 20, [5, 10, 15, 20]), (-0.3, 0.3, [-0.2, 0, 0.2]), (7, 7, [7]), (0, math.inf, [0])],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert figures.ticks(low, high) == pytest.approx(expected)


def test_line_runs_through_its_values_and_leaves_gaps() -> None:
    root = parse(figures.line_chart("loss", {"training": [1.0, 0.5, math.nan, 0.0], "validation": [0.25]}))
    path = next(element for element in root.iter(f"{SVG}path") if "s0" in (element.get("class") or ""))
    commands = re.findall(r"([ML])([\d.]+) ([\d.]+)", path.get("d") or "")
    assert [command for command, _, _ in commands] == ["M", "L", "M"]
    (x1, y1), (x2, y2), (x4, y4) = ((float(x), float(y)) for _, x, y in commands)
    assert x2 - x1 == pytest.approx((x4 - x1) / 3, abs=0.2)
    assert y1 < y2 < y4 and y2 == pytest.approx((y1 + y4) / 2, abs=0.2)


def test_a_single_epoch_has_its_number() -> None:
    root = parse(figures.line_chart("loss", {"validation": [0.5]}))
    assert "1" in [element.text for element in root.iter(f"{SVG}text")]


def test_area_of_a_histogram_bar_stands_for_its_count() -> None:
    root = parse(figures.histogram("h", [(0.0, 1.0, 30.0), (1.0, 4.0, 30.0)]))
    (narrow, wide) = [element for element in root.iter(f"{SVG}rect")]
    areas = [(float(bar.get("width") or 0) + 1) * float(bar.get("height") or 0) for bar in (narrow, wide)]
    assert areas[0] == pytest.approx(areas[1], rel=0.01)
    assert float(narrow.get("height") or 0) == pytest.approx(3 * float(wide.get("height") or 0), rel=0.01)


def test_histogram_of_one_value_is_one_bar() -> None:
    (bar,) = parse(figures.histogram("h", [(3.0, 3.0, 9.0)])).iter(f"{SVG}rect")
    assert float(bar.get("width") or 0) > 200


def test_interval_puts_the_value_between_its_ends_and_the_bound_at_its_place() -> None:
    root = parse(figures.interval("i", 0.75, 0.5, 1.0, (0.0, 1.0), bound=0.0))
    dot, whisker = next(root.iter(f"{SVG}circle")), next(root.iter(f"{SVG}rect"))
    left, width = float(whisker.get("x") or 0), float(whisker.get("width") or 0)
    assert float(dot.get("cx") or 0) == pytest.approx(left + width / 2, abs=0.1)
    assert next(line for line in root.iter(f"{SVG}line") if line.get("class") == "bound").get("x1") == "6"


def test_interval_bars_begin_at_0_and_carry_their_whiskers() -> None:
    root = parse(figures.interval_bars("i", [("a", 0.5, 0.25, 0.75), (NASTY, 1.0, None, None)]))
    first, second = root.iter(f"{SVG}rect")
    assert first.get("x") == second.get("x") and float(second.get("width") or 0) == pytest.approx(
        2 * float(first.get("width") or 0), abs=0.1
    )
    (whisker,) = root.iter(f"{SVG}path")
    low, high = re.findall(r"M([\d.]+) [\d.]+v8", whisker.get("d") or "")
    left, width = float(first.get("x") or 0), float(second.get("width") or 0)
    assert [float(low), float(high)] == pytest.approx([left + width / 4, left + width * 3 / 4], abs=0.2)


def test_interval_bars_of_negative_values_end_at_0() -> None:
    low, high = parse(figures.interval_bars("i", [("a", -1.0, None, None), ("b", 1.0, None, None)])).iter(f"{SVG}rect")
    assert float(low.get("x") or 0) + float(low.get("width") or 0) == pytest.approx(float(high.get("x") or 0), abs=0.1)


def test_heat_map_shades_by_share_of_the_row() -> None:
    root = parse(figures.heat_map("c", [[9, 1], [0, 5]], ["a", "b"], ["a", "b"]))
    shades = {next(cell.iter(f"{SVG}title")).text: float(cell.get("fill-opacity") or 0) for cell in root.iter(f"{SVG}rect")}
    right_a, wrong_a = shades["true a, predicted a: 9 (90% of its class)"], shades["true a, predicted b: 1 (10% of its class)"]
    assert shades["true b, predicted b: 5 (100% of its class)"] > right_a > wrong_a > shades["true b, predicted a: 0 (0% of its class)"]
    assert [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "count"] == ["9", "1", "5"]


def test_heat_map_of_many_classes_drops_counts_and_overlapping_names() -> None:
    names = [f"class {number}" for number in range(100)]
    root = parse(figures.heat_map("c", [[1.0] * 100] * 100, names, names))
    assert sum(1 for _ in root.iter(f"{SVG}rect")) == 10_000
    assert 2 * 10 < sum(1 for _ in root.iter(f"{SVG}text")) < 120


def test_best_trial_is_marked() -> None:
    root = parse(figures.scatter("s", [(1, 0.5, "one"), (2, math.nan, "two"), (3, 0.9, "three")], best=2))
    marked = [next(dot.iter(f"{SVG}title")).text for dot in root.iter(f"{SVG}circle") if dot.get("class") == "dot s1"]
    assert marked == ["three"] and sum(1 for _ in root.iter(f"{SVG}circle")) == 2


@pytest.mark.parametrize(
    ("values", "expected"), [([49000.0, 61000.0], "55,000"), ([0.91, 0.99], "0.94"), ([1e6, 4e6], "2e+06"), ([-2.0, 2.0], "0")]
)
def test_axes_say_numbers_as_people_do(values: list[float], expected: str) -> None:
    root = parse(figures.scatter("s", [(at, value, "") for at, value in enumerate(values, 1)], None))
    assert expected in [text.text for text in root.iter(f"{SVG}text")]


def test_trials_without_a_score_are_crosses_and_the_best_so_far_is_a_stair() -> None:
    points = [(1, 5.0, "one"), (2, math.nan, "two"), (3, 3.0, "three"), (4, 4.0, "four")]
    root = parse(figures.scatter("s", points, 2, [5.0, 5.0, 3.0, 3.0]))
    assert [next(text.iter(f"{SVG}title")).text for text in root.iter(f"{SVG}text") if text.text == "×"] == ["two"]
    (line,) = root.iter(f"{SVG}path")
    corners = re.findall(r"[MHV][\d. ]+", line.get("d"))
    assert [corner[0] for corner in corners] == list("MHVHVHV")
    heights = [corners[0].split()[1], *(corner[1:].strip() for corner in corners[2::2])]
    dots = {next(dot.iter(f"{SVG}title")).text: float(dot.get("cy")) for dot in root.iter(f"{SVG}circle")}
    expected = [dots["one"], dots["one"], dots["three"], dots["three"]]
    assert [float(height) for height in heights] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "picture",
    [
        figures.line_chart(NASTY, {NASTY: [1.0, math.inf]}),
        figures.line_chart(NASTY, {}),
        figures.histogram(NASTY, [(math.nan, 1.0, 2.0)]),
        figures.bars(NASTY, [(NASTY, 3.0), ("zero", 0.0)]),
        figures.bars(NASTY, []),
        figures.interval(NASTY, math.nan, math.inf, None, (0.0, 0.0)),
        figures.interval_bars(NASTY, [(NASTY, math.nan, math.inf, None), (NASTY, 0.0, 0.0, 0.0)]),
        figures.interval_bars(NASTY, []),
        figures.heat_map(NASTY, [[0.0]], [NASTY], [NASTY]),
        figures.heat_map(NASTY, [], [], []),
        figures.scatter(NASTY, [], None),
    ],
)
def test_nasty_names_and_odd_values_give_well_formed_pictures(picture: str) -> None:
    root = parse(picture)
    assert root.get("aria-label") == 'a<b>&"\ufffd\ufffd'
    assert "nan" not in picture and "inf" not in picture.replace("infinite", "")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.number(1234567), "1,234,567"),
        (formats.number(0.000012345), "1.234e-05"),
        (formats.number(12345.6), "12,346"),
        (formats.number(math.nan), "NaN"),
        (formats.metric(0.9), "0.9000"),
        (formats.metric(-math.inf), "−∞"),
        (formats.metric(0.0), "0.0000"),
        (formats.seconds(59.96), "1 min 0 s"),
        (formats.seconds(7440), "2 h 4 min"),
        (formats.size(999), "999 B"),
        (formats.size(1_310_221), "1.31 MB"),
        (formats.percent(0.0025), "0.25%"),
        (formats.title("SparseCategoricalAccuracy"), "Sparse categorical accuracy"),
        (formats.title("val_AUC"), "Val AUC"),
        (formats.title("auc"), "AUC"),
        (formats.cell(True), "yes"),
    ],
)
def test_formats(shown: str, expected: str) -> None:
    assert shown == expected
