"""Places for the boxes of a graph."""

import itertools
import random
import time

import pytest

from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.charts import dag_layout
from pipeline.web.charts.dag import MOST_EDGES, MOST_NODES

SIZES = dag_layout.Sizes(across=120, along=48, gap=44)
NAMES = list(PIPELINE.names)
PIPELINE_EDGES = [(source, node.name) for node in PIPELINE.nodes for source in sorted(node.upstream)]


def graph_of(seed, count=40, edges=70):
    """A graph with cycles, edges to itself and edges that come twice."""
    values = random.Random(seed)
    ids = [f"n{i}" for i in range(count)]
    return ids, [(values.choice(ids), values.choice(ids)) for _ in range(edges)]


def test_the_pipelines_nodes_are_in_the_layers_that_their_inputs_ask_for():
    found, back = dag_layout.assign(NAMES, PIPELINE_EDGES)
    assert not back
    assert found == {
        "ExampleGen": 0,
        "SchemaGen": 1,  # nothing before it: it moves to what reads it first
        "StatisticsGen": 1,
        "ExampleValidator": 2,
        "DataGate": 3,
        "Transform": 4,
        "Trainer": 5,
        "Encode": 6,
        "Evaluator": 6,
        "PixelProbe": 6,
        "Probe": 7,
        "PushGate": 7,
        "Pusher": 8,
        "Report": 8,
    }


@pytest.mark.parametrize(
    ("edges", "back"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], {("c", "a")}),
        ([("a", "b"), ("b", "a")], {("b", "a")}),
        ([("a", "a"), ("a", "b")], set()),
        ([("c", "b"), ("b", "a")], set()),
    ],
)
def test_edges_that_close_cycles_are_found(edges, back):
    assert dag_layout.assign(["a", "b", "c"], edges)[1] == back


@pytest.mark.parametrize("seed", range(8))
def test_edges_lead_to_later_layers_but_for_those_that_close_cycles(seed):
    ids, edges = graph_of(seed)
    found, back = dag_layout.assign(ids, edges)
    for source, target in edges:
        if source != target:
            assert (found[source] < found[target]) != ((source, target) in back)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_do_not_overlap_and_edges_do_not_cross_them(seed):
    ids, edges = graph_of(seed)
    layout = dag_layout.arrange(ids, edges, SIZES)
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        assert abs(one[0] - other[0]) >= 120 + 24 - 1e-6 or abs(one[1] - other[1]) >= 48 + 44 - 1e-6
    for across, along in layout.boxes.values():
        assert 60 - 1e-6 <= across <= layout.across - 60 + 1e-6
        assert 24 <= along <= layout.along - 24
    assert set(layout.routes) == {edge for edge in edges if edge[0] != edge[1]}
    for route in layout.routes.values():
        # Straight parts are inside a layer, clear of all its boxes; curves are between layers, where no box is.
        for (across, start), (same, end) in zip(route[1:-1:2], route[2:-1:2], strict=True):
            assert across == same
            assert abs(end - start) == 48
            assert all(
                abs(across - box) >= 60 + 14 - 1e-6
                for box, along in layout.boxes.values()
                if along == (start + end) / 2
            )
        for (_, start), (_, end) in zip(route[::2], route[1::2], strict=True):
            assert abs(end - start) == 44


@pytest.mark.parametrize("seed", range(4))
def test_edges_start_and_end_at_their_boxes(seed):
    ids, edges = graph_of(seed)
    layout = dag_layout.arrange(ids, edges, SIZES)
    for edge, route in layout.routes.items():
        side = -24 if edge in layout.back else 24
        for name, point, way in ((edge[0], route[0], side), (edge[1], route[-1], -side)):
            across, along = layout.boxes[name]
            assert abs(point[0] - across) <= 60
            assert point[1] == along + way


def test_boxes_are_reordered_so_that_edges_do_not_cross():
    layout = dag_layout.arrange(["a", "b", "x", "y"], [("a", "y"), ("b", "x")], SIZES)
    assert (layout.boxes["a"][0] < layout.boxes["b"][0]) == (layout.boxes["y"][0] < layout.boxes["x"][0])


def test_a_chain_is_straight_and_a_box_is_over_the_middle_of_what_it_leads_to():
    layout = dag_layout.arrange(list("abcde"), [("a", "b"), ("b", "c"), ("c", "d"), ("c", "e")], SIZES)
    # d and e are as close as they may be: 120 + 24.
    assert [layout.boxes[name][0] for name in "abcde"] == pytest.approx([132, 132, 132, 60, 204], abs=0.5)
    assert [layout.boxes[name][1] for name in "abcde"] == [24, 116, 208, 300, 300]


def test_a_long_edge_passes_a_box_closely():
    layout = dag_layout.arrange(list("abc"), [("a", "b"), ("b", "c"), ("a", "c")], SIZES)
    ((across, _), _) = layout.routes[("a", "c")][1:-1]
    assert abs(across - layout.boxes["b"][0]) == pytest.approx(60 + 14)


def test_long_edges_of_a_box_share_their_way():
    ids = list("abcd")
    layout = dag_layout.arrange(ids, [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")], SIZES)
    assert layout.routes[("a", "c")][:3] == layout.routes[("a", "d")][:3]


def test_nothing_is_laid_out():
    assert dag_layout.arrange([], [], SIZES).boxes == {}


def test_a_chain_of_as_many_boxes_as_are_drawn_is_no_trouble():
    ids = [f"n{i}" for i in range(MOST_NODES)]
    assert dag_layout.assign(ids, list(itertools.pairwise(ids)))[0][ids[-1]] == MOST_NODES - 1


def test_a_graph_with_all_the_edges_that_are_drawn_takes_no_minutes():
    """A store with odd content may ask for it."""
    ids = [f"n{i}" for i in range(MOST_NODES)]
    edges = [*itertools.pairwise(ids), *((name, ids[-1]) for name in ids[:-2]), *itertools.combinations(ids, 2)]
    start = time.process_time()
    assert len(dag_layout.arrange(ids, list(dict.fromkeys(edges))[:MOST_EDGES], SIZES).routes) == MOST_EDGES
    assert time.process_time() - start < 20
