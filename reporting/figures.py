"""Charts as pure functions from numbers to inline SVG. Colours come from the page's style sheet, so they follow light and dark."""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from reporting import formats, svg

# In user units, which are about a pixel where these pictures stand on a laptop and on a phone, so that text stays readable.
WIDTH, HEIGHT = 400.0, 210.0
SMALL_WIDTH, SMALL_HEIGHT = 280.0, 110.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 10.0, 26.0


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round values within [low, high], the steps 1, 2 or 5 times a power of ten.

    Method: the smallest such step that gives at most `count` intervals.
    """
    raw = (high - low) / count
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(label: str, series: Mapping[str, Sequence[float]]) -> Markup:
    """Curves over epochs 1, 2, …; values that are not finite leave a gap.

    Args:
        label: what the chart shows, for screen readers.
        series: values by name of the curve, the first drawn solid, the others dashed.
    """
    chart = svg.picture(WIDTH, HEIGHT, label, "chart")
    finite = [value for values in series.values() for value in values if math.isfinite(value)]
    if not finite:
        return _empty(chart)
    low, high = min(finite), max(finite)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin
    length = max(len(values) for values in series.values())

    def x(epoch: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((epoch - 1) / (length - 1) if length > 1 else 0.5)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    _value_axis(chart, ticks(low, high), y)
    for epoch in ticks(1, length):
        if epoch >= 1 and float(epoch).is_integer():
            svg.add(chart, "text", f"{epoch:g}", x=x(epoch), y=HEIGHT - 9, text_anchor="middle", css="tick")
    svg.add(chart, "text", "epoch", x=_LEFT - 6, y=HEIGHT - 9, text_anchor="end", css="tick")
    for index, (name, values) in enumerate(series.items()):
        points = [(epoch, value) for epoch, value in enumerate(values, start=1) if math.isfinite(value)]
        path = " ".join(
            f"{'L' if at and points[at - 1][0] == epoch - 1 else 'M'}{x(epoch):.1f} {y(value):.1f}"
            for at, (epoch, value) in enumerate(points)
        )
        line = svg.add(chart, "path", d=path, css=f"curve s{index % 4}")
        svg.add(line, "title", name)
        if points:
            epoch, value = points[-1]
            dot = svg.add(chart, "circle", cx=x(epoch), cy=y(value), r=3.0, css=f"dot s{index % 4}")
            svg.add(dot, "title", f"{name}, epoch {epoch}: {formats.number(value)}")
    return svg.render(chart)


def histogram(label: str, buckets: Sequence[tuple[float, float, float]]) -> Markup:
    """A histogram of numbers.

    Args:
        label: what it shows, for screen readers.
        buckets: (low, high, count), in order; they may differ in width, so the area of a bar stands for its count.
    """
    chart = svg.picture(SMALL_WIDTH, SMALL_HEIGHT, label, "chart")
    kept = [bucket for bucket in buckets if all(map(math.isfinite, bucket))]
    if not kept:
        return _empty(chart)
    low, high = kept[0][0], kept[-1][1]
    span = (high - low) or 1.0
    floor, width = SMALL_HEIGHT - _BOTTOM, SMALL_WIDTH - 2 * _RIGHT
    # A bucket without width (all values the same) is drawn as wide as the chart.
    density = [count / ((right - left) or span) for left, right, count in kept]
    tallest = max(density) or 1.0
    for (left, right, count), height in zip(kept, density, strict=True):
        bar_width = max(width * ((right - left) or span) / span - 1, 0.5)
        bar_height = (floor - _TOP) * height / tallest
        bar = svg.add(
            chart, "rect", x=_RIGHT + width * (left - low) / span, y=floor - bar_height, width=bar_width, height=bar_height, css="bar"
        )
        svg.add(bar, "title", f"{formats.number(left)} to {formats.number(right)}: {formats.number(count)}")
    svg.add(chart, "line", x1=_RIGHT, x2=SMALL_WIDTH - _RIGHT, y1=floor, y2=floor, css="axis")
    for value, at, anchor in ((low, _RIGHT, "start"), (high, SMALL_WIDTH - _RIGHT, "end")):
        svg.add(chart, "text", formats.number(value), x=at, y=SMALL_HEIGHT - 9, text_anchor=anchor, css="tick")
    return svg.render(chart)


def bars(label: str, counts: Sequence[tuple[str, float]]) -> Markup:
    """Horizontal bars with names, in the order given.

    Args:
        label: what they show, for screen readers.
        counts: (name, value ≥ 0).
    """
    row, names = 20.0, 110.0
    chart = svg.picture(SMALL_WIDTH, max(row * len(counts), row) + 4, label, "chart")
    if not counts:
        return _empty(chart)
    largest = max(value for _, value in counts) or 1.0
    for index, (name, value) in enumerate(counts):
        middle = row * index + row / 2 + 2
        text = svg.add(chart, "text", svg.shorten(name, 15), x=names - 8, y=middle + 4, text_anchor="end", css="tick")
        svg.add(text, "title", name)
        width = (SMALL_WIDTH - names - 52) * value / largest
        svg.add(chart, "rect", x=names, y=middle - 6, width=max(width, 1.0), height=12.0, rx=2.0, css="bar")
        svg.add(chart, "text", formats.number(value), x=names + width + 6, y=middle + 4, css="tick")
    return svg.render(chart)


def interval_bars(label: str, values: Sequence[tuple[str, float, float | None, float | None]]) -> Markup:
    """Horizontal bars from 0, with names on the left and each bar's confidence interval as a whisker, in the order given.

    Args:
        label: what they show, for screen readers.
        values: (name, value, ends of the interval or None) each.
    """
    row, left, right = 26.0, 130.0, 56.0
    ends = [end for _, *numbers in values for end in numbers if end is not None and math.isfinite(end)]
    chart = svg.picture(WIDTH, max(row * len(values), row) + 4, label, "chart")
    if not ends:
        return _empty(chart)
    start, end = min(0.0, *ends), max(0.0, *ends)

    def x(number: float) -> float:
        return left + (WIDTH - left - right) * (number - start) / ((end - start) or 1.0)

    for index, (name, value, low, high) in enumerate(values):
        middle = row * index + row / 2 + 2
        text = svg.add(chart, "text", svg.shorten(name, 20), x=left - 8, y=middle + 4, text_anchor="end", css="tick")
        svg.add(text, "title", name)
        svg.add(chart, "text", formats.metric(value), x=WIDTH - right + 8, y=middle + 4, css="tick strong")
        if math.isfinite(value):
            svg.add(
                chart, "rect", x=x(min(value, 0.0)), y=middle - 8, width=max(abs(x(value) - x(0.0)), 1.0), height=16.0, rx=2.0, css="bar"
            )
        if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
            whisker = f"M{x(low):.1f} {middle - 4}v8 M{x(low):.1f} {middle}H{x(high):.1f} M{x(high):.1f} {middle - 4}v8"
            svg.add(chart, "path", d=whisker, css="error-bar")
    return svg.render(chart)


def interval(
    label: str, value: float | None, low: float | None, high: float | None, scale: tuple[float, float], bound: float | None = None
) -> Markup:
    """A value with its confidence interval on a track, for a table's cell.

    Args:
        label: for screen readers.
        value: drawn as a dot.
        low, high: ends of the interval; None for a value without one.
        scale: what the ends of the track stand for; larger and smaller values are drawn at its ends.
        bound: drawn as a vertical mark.
    """
    width, middle = 140.0, 9.0
    chart = svg.picture(width, 18, label, "track")

    def x(number: float) -> float:
        share = (number - scale[0]) / ((scale[1] - scale[0]) or 1.0)
        return 6 + (width - 12) * min(max(share, 0.0), 1.0)

    svg.add(chart, "line", x1=2.0, x2=width - 2, y1=middle, y2=middle, css="rail")
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        svg.add(chart, "rect", x=x(low), y=middle - 3, width=max(x(high) - x(low), 1.0), height=6.0, rx=3.0, css="whisker")
    if bound is not None and math.isfinite(bound):
        svg.add(chart, "line", x1=x(bound), x2=x(bound), y1=1.0, y2=17.0, css="bound")
    if value is not None and math.isfinite(value):
        svg.add(chart, "circle", cx=x(value), cy=middle, r=4.0, css="dot s0")
    return svg.render(chart)


def scatter(label: str, points: Sequence[tuple[float, float, str]], best: int | None, line: Sequence[float] = ()) -> Markup:
    """Points over whole numbers 1, 2, … (trials), one of them marked as the best; a cross below stands for one without a value.

    Args:
        label: for screen readers.
        points: (x, y, description).
        best: its index, if any.
        line: a value at each point, drawn in steps; NaN for none.
    """
    chart = svg.picture(WIDTH, HEIGHT, label, "chart")
    values = [point[1] for point in points if math.isfinite(point[1])]
    if not values:
        return _empty(chart)
    margin = (max(values) - min(values)) * 0.1 or abs(values[0]) * 0.1 or 1.0
    low, high, last = min(values) - margin, max(values) + margin, max(point[0] for point in points)
    across = [_LEFT + (WIDTH - _LEFT - _RIGHT) * point[0] / (last + 1) for point in points]

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)

    _value_axis(chart, ticks(low, high), y)
    steps = [f"{x:.1f} V{y(value):.1f}" for x, value in zip(across, line, strict=False) if math.isfinite(value)]
    if steps:
        svg.add(chart, "path", d=f"M{' H'.join(steps)}".replace(" V", " ", 1), css="curve s1")
    for index, (x, (at, value, description)) in enumerate(zip(across, points, strict=True)):
        radius, css = (6.0, "dot s1") if index == best else (4.0, "dot s0")
        if math.isfinite(value):
            mark = svg.add(chart, "circle", cx=x, cy=y(value), r=radius, css=css)
        else:
            mark = svg.add(chart, "text", "×", x=x, y=HEIGHT - _BOTTOM - 3, text_anchor="middle", css="tick")
        svg.add(mark, "title", description)
        if index % math.ceil(len(points) / 20) == 0:
            svg.add(chart, "text", f"{at:g}", x=x, y=HEIGHT - 9, text_anchor="middle", css="tick")
    return svg.render(chart)


def heat_map(label: str, counts: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> Markup:
    """A confusion matrix: rows are true classes, columns predicted ones.

    The shade of the diagonal is the share of its row. Errors have a hue of their own and are scaled to the largest share of an error, by
    the square root, so that rare ones are seen as well.

    Args:
        label: for screen readers.
        counts: [rows, columns] counts; column j stands for the same class as row j.
        rows, columns: names of the classes.
    """
    count = max(len(rows), len(columns), 1)
    side = min(max(330.0 / count, 6.0), 60.0)
    font = min(11.5, side * 0.36)
    left = 16 + min(max((len(svg.shorten(name, 12)) for name in (*rows, *columns)), default=1) * 6.5 + 8, 90.0)
    top = 22.0 if side >= 14 and all(len(name) * 6.5 < side for name in columns) else left
    chart = svg.picture(left + side * len(columns) + 6, top + side * len(rows) + 6, label, "chart heat")
    totals = [sum(row) or 1.0 for row in counts]
    worst = max(
        (cell / total for i, (row, total) in enumerate(zip(counts, totals, strict=True)) for j, cell in enumerate(row) if i != j), default=0
    )
    for i, (row, total) in enumerate(zip(counts, totals, strict=True)):
        for j, cell in enumerate(row):
            share = cell / total
            strength = share if i == j else math.sqrt(share / worst) * 0.85 if cell else 0.0
            x, y = left + side * j, top + side * i
            square = svg.add(
                chart,
                "rect",
                x=x,
                y=y,
                width=side - 1,
                height=side - 1,
                rx=min(3.0, side / 8),
                css="hit" if i == j else "miss",
                fill_opacity=0.04 + 0.5 * strength,  # pale enough for the text upon it
            )
            svg.add(
                square, "title", f"true {rows[i]}, predicted {columns[j]}: {formats.number(cell)} ({formats.percent(share)} of its class)"
            )
            if cell and side >= 14:
                middle = x + side / 2 - 0.5
                svg.add(
                    chart, "text", _brief(cell), x=middle, y=y + side / 2 + font * 0.35, text_anchor="middle", font_size=font, css="count"
                )
    _class_names(chart, rows, columns, left, top, side)
    return svg.render(chart)


def _class_names(chart: svg.Element, rows: Sequence[str], columns: Sequence[str], left: float, top: float, side: float) -> None:
    """Names along the left and, upright where they are too wide, along the top; not all of them where they would overlap."""
    every = max(1, math.ceil(11 / side))
    for i, name in enumerate(rows[::every]):
        svg.add(chart, "text", svg.shorten(name, 12), x=left - 6, y=top + side * (i * every + 0.5) + 4, text_anchor="end", css="tick")
    for j, name in enumerate(columns[::every]):
        x, y = left + side * (j * every + 0.5), top - 6
        turned = {"transform": f"rotate(-90 {x + 4:.1f} {y:.1f})", "x": x + 4} if top == left else {"x": x, "text_anchor": "middle"}
        svg.add(chart, "text", svg.shorten(name, 12), y=y, css="tick", **turned)
    middle = top + side * len(rows) / 2
    svg.add(chart, "text", "true", x=10.0, y=middle, text_anchor="middle", transform=f"rotate(-90 10 {middle:.1f})", css="tick strong")


def _brief(count: float) -> str:
    """A count of at most 4 characters: 9999, 12k, 3M."""
    for limit, divisor, unit in ((1e4, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if count < limit:
            return f"{count / divisor:.0f}{unit}"
    return f"{count / 1e9:.0f}G"


def _value_axis(chart: svg.Element, values: Sequence[float], y: Callable[[float], float]) -> None:
    """Grid lines with their values on the left."""
    for value in values:
        svg.add(chart, "line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(value), y2=y(value), css="grid")
        svg.add(chart, "text", formats.tick(value), x=_LEFT - 6, y=y(value) + 4, text_anchor="end", css="tick")


def _empty(chart: svg.Element) -> Markup:
    svg.add(chart, "text", "no values", x="50%", y=20.0, text_anchor="middle", css="tick")
    return svg.render(chart)
