"""A run in the terminal: its nodes while it goes on, its verdict at the end. rich is imported only when something is shown."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reporting import formats
from reporting.graph import reduced
from reporting.metrics import gate_bound, interval_text
from reporting.record import Record

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod, RenderableType
    from rich.live import Live
    from rich.table import Table

_ICONS = {
    "pending": ("·", "dim"),
    "running": ("▶", "bold yellow"),
    "complete": ("✓", "bold green"),
    "cached": ("↺", "bold cyan"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "dim"),
}
_VERDICTS = {"blessed and pushed": "bold green", "not blessed": "bold yellow", "failed": "bold red"}

_GATE_COLUMNS: dict[str, JustifyMethod] = {"gate": "left", "value": "right", "95% interval": "right", "bound": "left", "": "left"}


@dataclasses.dataclass
class _Node:
    """What is shown of a node; `started` is a reading of the clock, `seconds` its time once it ended."""

    description: str
    state: str = "pending"
    started: float = 0.0
    seconds: float | None = None
    note: str = ""


class Progress:
    """Shows the nodes of a run while it goes on; a context manager. Its methods may be called from any thread.

    On a terminal: the graph as a live table of all nodes with their state, time and what they wait for. Elsewhere (a pipe, CI): a
    line for each node as it ends, "Trainer   complete    9.10 s   learns from the training split · note".

    Args:
        graph: the nodes in order, each with those it waits for.
        descriptions: one line for each node: what it does.
        console: where to show it; standard output by default.
        clock: seconds from any start.
    """

    def __init__(
        self,
        graph: Sequence[tuple[str, Sequence[str]]],
        descriptions: Mapping[str, str],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        from rich.console import Console

        self._console = console or Console()
        self._clock = clock
        self._begin = clock()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._nodes: dict[str, _Node] = {node_id: _Node(descriptions.get(node_id, "")) for node_id, _ in graph}
        self._edges = reduced(dict(graph))
        self._name_width = max((len(node_id) for node_id in self._nodes), default=0)

    def __enter__(self) -> Self:
        from rich.live import Live

        self._begin = self._clock()
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=8)
            self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            for node in self._nodes.values():
                if node.state == "running":
                    node.state, node.seconds = "failed", self._clock() - node.started
                elif node.state == "pending":
                    node.state = "skipped"
        if self._live:
            self._live.stop()
            self._live = None

    def started(self, node_id: str) -> None:
        """A node starts."""
        with self._lock:
            node = self._node(node_id)
            node.state, node.started = "running", self._clock()
        self._refresh()

    def finished(self, node_id: str, state: str, seconds: float, note: str = "") -> None:
        """A node ended.

        Args:
            node_id: of the graph.
            state: "complete", "cached", "failed" or "skipped".
            seconds: it took.
            note: anything worth saying about it.
        """
        with self._lock:
            node = self._node(node_id)
            node.state, node.seconds, node.note = state, seconds, note
            line = f"{node_id:<{self._name_width}}   {state:<8}   {formats.seconds(seconds):>8}   {_remark(node)}".rstrip()
            if self._live is None:
                self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._refresh()

    def _refresh(self) -> None:
        """Draws the table at once. Without the lock: drawing takes it, from this thread or from the display's own."""
        if self._live:
            self._live.refresh()

    def _node(self, node_id: str) -> _Node:
        """The node, which is added if the graph did not list it."""
        return self._nodes.setdefault(node_id, _Node(""))

    def _table(self) -> Table:
        """The nodes as they are now, and the time since the start."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, show_footer=True)
        table.add_column(min_width=1, no_wrap=True)
        table.add_column(no_wrap=True, min_width=self._name_width, footer=Text("all nodes", "dim"))
        table.add_column(no_wrap=True, min_width=max(map(len, _ICONS)))
        table.add_column(no_wrap=True, min_width=7, justify="right", footer=Text(formats.seconds(self._clock() - self._begin), "bold"))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
        with self._lock:
            for node_id, node in self._nodes.items():
                icon, style = _ICONS.get(node.state, ("?", ""))
                seconds = self._clock() - node.started if node.state == "running" else node.seconds
                name_style = "bold" if node.state in ("running", "failed") else "dim" if node.state in ("pending", "skipped") else ""
                table.add_row(
                    Text(icon, style),
                    Text(node_id, name_style),
                    Text(node.state, style),
                    Text("" if seconds is None else formats.seconds(seconds)),
                    Text("".join(f"← {', '.join(edges)}" for edges in [self._edges.get(node_id)] if edges), "dim"),
                    Text(_remark(node), "dim"),
                )
        return table


def summary(run: Record) -> RenderableType:
    """The end of a run for a rich console: verdict, gates, where the model was pushed, where the report is.

    Args:
        run: the record, as in run.json; `report` is the path of the report, if there is one.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    verdict = Text.assemble(
        (str(run["verdict"]), _VERDICTS.get(run["verdict"], "bold")), f"  {run['model']} in {formats.seconds(run.get('seconds'))}"
    )
    parts: list[RenderableType] = [verdict]
    note = run.get("config", {}).get("data_note")
    if note:
        parts.append(Text(f"data    {note}"))
    if run.get("reason"):
        parts.append(Text(str(run["reason"])))
    for each in run.get("allowed", ()):
        where = f"{each['feature'] or 'the data set'} ({', '.join(each['splits'])})"
        parts.append(Text(f"allowed {each['anomaly']} of {where} until {each['until']}: {each['reason']}"))
    if run["gates"]:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name, justify in _GATE_COLUMNS.items():
            table.add_column(name, justify=justify, overflow="fold")
        for gate in run["gates"]:
            passed = Text("passed", "green") if gate["passed"] else Text("failed", "bold red")
            interval = interval_text(gate.get("low"), gate.get("high")) or formats.ABSENT
            bound = gate_bound(gate) + (" (served)" if gate["kind"] == "change" else "")
            table.add_row(Text(str(gate["metric"])), formats.metric(gate["value"]), interval, bound, passed)
        parts.append(Padding(table, (1, 0)))
    pushed = run.get("pushed")
    if pushed:
        parts.append(Text(f"pushed  version {pushed['version']}, {pushed['path']}", overflow="fold"))
    if run.get("report"):
        parts.append(Text(f"report  {run['report']}", overflow="fold"))
    return Group(*parts)


def _remark(node: _Node) -> str:
    """What a node does and what there is to say about it."""
    return " · ".join(part for part in (node.description, node.note) if part)
