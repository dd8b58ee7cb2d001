"""The graph of a run: which edges are drawn, and in which layers the nodes stand."""

import itertools
from xml.etree import ElementTree

from reporting import graph
from tests.reporting.records import GRAPH

SVG = "{http://www.w3.org/2000/svg}"


def test_edges_that_a_longer_path_implies_are_not_drawn() -> None:
    edges = graph.reduced(GRAPH)
    assert edges["Trainer"] == ["ExampleValidator"]
    assert edges["ExampleValidator"] == ["StatisticsGen"]
    assert edges["Pusher"] == ["Exporter"]
    assert edges["StatisticsGen"] == ["ExampleGen", "ImportSchemaGen"]


def test_unknown_and_repeated_upstream_nodes_are_dropped() -> None:
    assert graph.reduced({"a": ["elsewhere"], "b": ["a", "a"]}) == {"a": [], "b": ["a"]}


def test_layers_go_down_and_lone_sources_stand_above_their_first_user() -> None:
    edges = {"gen": [], "train": ["gen"], "served": [], "evaluate": ["train", "served"]}
    assert graph.layers(edges) == {"gen": 0, "train": 1, "served": 1, "evaluate": 2}


def test_boxes_of_a_layer_do_not_overlap_and_long_edges_pass_beside_them() -> None:
    edges = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["a"], "f": ["d", "e"]}
    rows, paths, width = graph.place(edges)
    for row in rows:
        spots = sorted((spot.x - size / 2, spot.x + size / 2) for spot in row for size in [186.0 if spot.node else 16.0])
        assert all(right <= left for (_, right), (left, _) in itertools.pairwise(spots))
        assert spots[0][0] >= 0 and spots[-1][1] <= width
    longest = max(paths, key=len)
    assert [spot.node for spot in longest] == ["e", None, None, "f"]
    assert [spot.layer for spot in longest] == [1, 2, 3, 4]


def test_picture_says_state_and_time_of_each_node() -> None:
    states = ["complete", "cached", "failed", "skipped", "running", "pending", "complete", "odd", "complete"]
    nodes = [
        {"id": name, "upstream": upstream, "state": state, "seconds": None if state == "skipped" else 1.5}
        for (name, upstream), state in zip(GRAPH.items(), states, strict=True)
    ]
    root = ElementTree.fromstring(graph.picture(nodes))
    groups = {
        next(group.iter(f"{SVG}title")).text: group.get("class") for group in root.iter(f"{SVG}g") if "node" in (group.get("class") or "")
    }
    assert groups["ExampleGen: complete, 1.50 s"] == "node complete"
    assert groups["StatisticsGen: failed, 1.50 s"] == "node failed"
    assert groups["ExampleValidator: skipped"] == "node skipped"
    assert groups["Exporter: odd, 1.50 s"] == "node pending"
    assert len(groups) == 9


def test_empty_run_has_an_empty_picture() -> None:
    assert list(ElementTree.fromstring(graph.picture([])).iter(f"{SVG}g")) == []
