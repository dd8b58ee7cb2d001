"""The graph of a run as a picture: nodes in layers, from top to bottom."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from reporting import formats, svg

STATES = {
    "complete": "M-3.5 0 L-1 2.5 L3.5 -2.5",
    "cached": "M3.2 -1.6 A3.6 3.6 0 1 0 3.4 1.4 M3.6 -4 L3.3 -1.4 L0.7 -1.8",
    "failed": "M-2.6 -2.6 L2.6 2.6 M2.6 -2.6 L-2.6 2.6",
    "skipped": "M-3 0 L3 0",
    "running": "M-1.8 -3 L3 0 L-1.8 3 Z",
    "pending": "M0 -2.6 L0 0.4 L2 1.8",
}
"""Signs of the states: strokes around the centre of a circle with radius 8."""

_BOX_WIDTH, _BOX_HEIGHT, _GAP, _LANE, _ROW = 186.0, 42.0, 18.0, 16.0, 72.0


@dataclasses.dataclass(frozen=True)
class Place:
    """A node's box, or, without a node, the point where an edge passes a layer.

    Attributes:
        node: id, or None.
        layer: counted from the top.
        x: of its centre.
    """

    node: str | None
    layer: int
    x: float = 0.0

    @property
    def top(self) -> float:
        """The y where edges come in."""
        return 4 + self.layer * _ROW

    @property
    def bottom(self) -> float:
        """The y where edges go out."""
        return self.top + _BOX_HEIGHT


def reduced(upstream: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The edges that no longer path implies (transitive reduction).

    Args:
        upstream: for each node those it waits for, in topological order; unknown ones are dropped.

    Returns:
        For each node the upstream nodes to draw an edge from.
    """
    known: dict[str, list[str]] = {}
    before: dict[str, set[str]] = {}
    for node, sources in upstream.items():
        direct = [source for source in dict.fromkeys(sources) if source in known]
        before[node] = set(direct).union(*(before[source] for source in direct))
        known[node] = [source for source in direct if not any(source in before[other] for other in direct)]
    return known


def layers(edges: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The layer of each node: one below its lowest upstream node; nodes without any stand right above the first that needs them.

    Args:
        edges: upstream nodes of each node, in topological order.
    """
    found: dict[str, int] = {}
    for node, sources in edges.items():
        found[node] = 1 + max((found[source] for source in sources), default=-1)
    for node, sources in edges.items():
        users = [found[other] for other, others in edges.items() if node in others]
        if not sources and users:
            found[node] = min(users) - 1
    return found


def place(edges: Mapping[str, Sequence[str]]) -> tuple[list[list[Place]], list[list[Place]], float]:
    """Where nodes stand and edges pass.

    Each layer is ordered by the mean position of what its nodes are connected to above (the barycentre method of Sugiyama et al., 1981),
    and centred.

    Returns:
        Places by layer; for each edge the places it runs through, from its source down; the width of the picture.
    """
    level = layers(edges)
    rows: list[list[Place]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    paths: list[list[tuple[int, int]]] = []
    above: dict[tuple[int, int], list[tuple[int, int]]] = {}
    where: dict[str, tuple[int, int]] = {}
    for node in edges:
        where[node] = (level[node], len(rows[level[node]]))
        rows[level[node]].append(Place(node, level[node]))
    for node, sources in edges.items():
        for source in sources:
            path = [where[source]]
            for layer in range(level[source] + 1, level[node]):
                path.append((layer, len(rows[layer])))
                rows[layer].append(Place(None, layer))
            path.append(where[node])
            paths.append(path)
            for upper, lower in itertools.pairwise(path):
                above.setdefault(lower, []).append(upper)

    widths = [sum(_width(spot) for spot in row) + _GAP * (len(row) - 1) for row in rows]
    width = max(widths, default=0.0) + 8
    placed: dict[tuple[int, int], Place] = {}
    for layer, row in enumerate(rows):

        def barycentre(index: int, layer: int = layer) -> float:
            sources = above.get((layer, index), [])
            return sum(placed[source].x for source in sources) / len(sources) if sources else width / 2

        x = (width - widths[layer]) / 2
        for index in sorted(range(len(row)), key=barycentre):
            placed[layer, index] = dataclasses.replace(row[index], x=x + _width(row[index]) / 2)
            x += _width(row[index]) + _GAP
    by_layer = [[placed[layer, index] for index in range(len(row))] for layer, row in enumerate(rows)]
    return by_layer, [[placed[key] for key in path] for path in paths], width


def picture(nodes: Sequence[Mapping[str, object]]) -> Markup:
    """The graph of a run.

    Args:
        nodes: as in run.json: `id`, `upstream`, `state`, `seconds`, in topological order.
    """
    records = {str(node["id"]): node for node in nodes}
    rows, paths, width = place(reduced({name: [str(source) for source in _list(node.get("upstream"))] for name, node in records.items()}))
    summary = "; ".join(f"{name}: {node.get('state')}" for name, node in records.items())
    chart = svg.picture(max(width, 40), max(len(rows) * _ROW - (_ROW - _BOX_HEIGHT) + 8, 40), f"Graph of the run. {summary}", "graph")
    chart.set("style", f"max-width:{width:.0f}px")
    for path in paths:
        svg.add(chart, "path", d=_curve(path), css="edge")
    for row in rows:
        for spot in row:
            if spot.node is not None:
                _box(chart, spot, records[spot.node])
    return svg.render(chart)


def icon(state: str) -> Markup:
    """The sign of a state, for a table."""
    chart = svg.picture(18, 18, state, "state-icon")
    _sign(chart, 9.0, 9.0, state)
    return svg.render(chart)


def _width(spot: Place) -> float:
    return _LANE if spot.node is None else _BOX_WIDTH


def _curve(path: Sequence[Place]) -> str:
    """A smooth line from the bottom of the first place through the others to the top of the last."""
    parts = [f"M{path[0].x:.1f} {path[0].bottom:.1f}"]
    for upper, lower in itertools.pairwise(path):
        middle = (upper.bottom + lower.top) / 2
        parts.append(f"C{upper.x:.1f} {middle:.1f} {lower.x:.1f} {middle:.1f} {lower.x:.1f} {lower.top:.1f}")
        if lower.node is None:
            parts.append(f"L{lower.x:.1f} {lower.bottom:.1f}")
    return " ".join(parts)


def _box(chart: svg.Element, spot: Place, node: Mapping[str, object]) -> None:
    state, seconds = str(node.get("state")), node.get("seconds")
    group = svg.add(chart, "g", css=f"node {state if state in STATES else 'pending'}")
    left = spot.x - _BOX_WIDTH / 2
    spent = formats.seconds(seconds) if isinstance(seconds, int | float) else ""
    svg.add(group, "title", f"{spot.node}: {state}{', ' + spent if spent else ''}")
    svg.add(group, "rect", x=left, y=spot.top, width=_BOX_WIDTH, height=_BOX_HEIGHT, rx=8.0)
    _sign(group, left + 19, spot.top + _BOX_HEIGHT / 2, state)
    svg.add(group, "text", svg.shorten(str(spot.node), 19), x=left + 34, y=spot.top + 18, css="name")
    svg.add(group, "text", f"{state} · {spent}" if spent else state, x=left + 34, y=spot.top + 33, css="detail")


def _sign(parent: svg.Element, x: float, y: float, state: str) -> None:
    known = state if state in STATES else "pending"
    group = svg.add(parent, "g", transform=f"translate({x:.1f} {y:.1f})", css=f"sign {known}")
    svg.add(group, "circle", r=8.0)
    svg.add(group, "path", d=STATES[known])


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else []
