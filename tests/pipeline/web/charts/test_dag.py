"""Graphs: the nodes of a run, and the lineage of an artifact."""

import pytest

from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.charts.dag import GraphNode, dag
from tests.pipeline.web.charts.drawn import points, read


def nodes_of(names, **more):
    return [GraphNode(name, name, href=f"/{name}", **more) for name in names]


def edges_of(*pairs):
    return list(pairs)


def boxes(shape):
    return {
        link["href"].strip("/"): [link.one("rect", "box").number(key) for key in ("x", "y", "width", "height")]
        for link in shape.all("a")
    }


def test_a_box_says_what_and_how_and_leads_there():
    node = GraphNode("1", "Trainer", "cached · 0.1 s", "cached", "/runs/1/Trainer", "reused")
    shape = read(dag([node], [], title="Nodes"))
    link = shape.one("a")
    assert (link["href"], link["aria-label"]) == ("/runs/1/Trainer", "Trainer, cached · 0.1 s, reused")
    assert link.texts() == ["Trainer", "reused", "cached · 0.1 s"]
    assert "state-cached" in link.one("rect", "box").classes
    assert link.one("g", "mark").classes == ["mark", "state-cached"]


def test_artifacts_have_round_ends_and_the_current_one_a_second_outline():
    nodes = [GraphNode("e", "Trainer"), GraphNode("a", "Model", kind="artifact", current=True)]
    drawing = dag(nodes, edges_of(("e", "a")), title="Lineage")
    execution, artifact = read(drawing).all("rect", "box")
    assert (execution["rx"], artifact["rx"]) == ("7", "24")
    halo = read(drawing).one("rect", "halo")
    assert (halo.number("x"), halo.number("y")) == (artifact.number("x") - 4, artifact.number("y") - 4)
    assert "this page" in read(drawing).all("g", "chart-item")[1].tooltip()
    assert drawing.summary == "1 node and 1 artifact in 2 layers, 1 arrow."


@pytest.mark.parametrize("to_right", [False, True])
def test_arrows_go_from_box_to_box(to_right):
    shape = read(dag(nodes_of("abc"), edges_of(("a", "b"), ("b", "c"), ("a", "c")), title="t", to_right=to_right))
    places = boxes(shape)
    along, size = (0, 2) if to_right else (1, 3)
    for edge, (source, target) in zip(shape.all("g", "edge"), ["ab", "bc", "ac"], strict=True):
        assert edge.tooltip() == f"{source} → {target}"
        start = points(edge.one("path", "edge-line")["d"])[0]
        tip = points(edge.one("path", "edge-head")["d"])[0]
        assert start[along] == pytest.approx(places[source][along] + places[source][size], abs=0.11)
        assert tip[along] == pytest.approx(places[target][along], abs=0.11)


def test_few_boxes_beside_each_other_go_down_and_many_to_the_right():
    def tall(count):
        names = [f"n{i}" for i in range(count)]
        shape = read(dag(nodes_of(["root", *names]), edges_of(*[("root", name) for name in names]), title="t"))
        return shape.number("height") > shape.number("width")

    assert not tall(6)  # six beside each other, in two rows
    assert tall(7)  # seven under each other, in two columns


def test_the_nodes_of_a_run_fit_their_part_of_a_window_of_1280_pixels():
    names = [node.name for node in PIPELINE.nodes]
    edges = [(before, node.name) for node in PIPELINE.nodes for before in sorted(node.upstream)]
    shape = read(dag(nodes_of(names, detail="executed · 12 min 35 s", state="executed"), edges, title="Nodes"))
    assert shape.number("width") <= (1280 - 64 - 48) * 7 / 13  # margins of the page, and the gap


def test_everything_is_inside_the_drawing():
    shape = read(dag(nodes_of("abcdef"), edges_of(*[("a", x) for x in "bcdef"], ("b", "f")), title="t"))
    for x, y, width, height in boxes(shape).values():
        assert 0 <= x <= x + width + 16 <= shape.number("width") + 0.11
        assert 0 <= y <= y + height + 16 <= shape.number("height") + 0.11


def test_an_arrow_that_closes_a_cycle_is_dashed_and_still_points_at_its_target():
    shape = read(dag(nodes_of("abc"), edges_of(("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")), title="t"))
    back = shape.one("g", "back")
    assert back.tooltip() == "c → a"
    places = boxes(shape)
    tip, *base = points(back.one("path", "edge-head")["d"])
    assert tip[1] == places["a"][1] + places["a"][3]
    assert [y for _, y in base] == [tip[1] + 8] * 2  # it comes from below
    assert len(shape.all("g", "edge")) == 3  # none from a box to itself


def test_several_edges_between_two_boxes_are_one_arrow():
    edges = edges_of(("a", "b"), ("a", "b"), ("a", "x"))
    assert read(dag(nodes_of("ab"), edges, title="t")).one("g", "edge").tooltip() == "a → b"


def test_a_long_title_is_cut_and_boxes_stay_bounded():
    shape = read(dag([GraphNode("a", "Component" * 20, "x" * 500)], [], title="t"))
    assert shape.one("rect", "box").number("width") == 236
    assert "…" in shape.texts("box-title")[0]
    assert "Component" * 20 in shape.one("g", "chart-item").tooltip()


def test_states_have_a_legend():
    nodes = [
        GraphNode("a", "a", state="failed"),
        GraphNode("b", "b", state="executed"),
        GraphNode("c", "c", state="failed"),
    ]
    drawing = dag(nodes, [], title="t")
    assert [key.name for key in drawing.keys] == ["failed", "executed"]
    assert drawing.summary == "3 nodes in 1 layer, 0 arrows: 2 failed, 1 executed."


def test_of_several_nodes_with_one_id_the_first_is_drawn():
    shape = read(dag([GraphNode("a", "first"), GraphNode("a", "second")], [], title="t"))
    assert shape.texts("box-title") == ["first"]


def test_too_many_boxes_are_cut_and_that_is_said():
    nodes = [GraphNode(f"n{i}", f"n{i}", href=f"/{i}") for i in range(450)]
    drawing = dag(nodes, [("n0", f"n{i}") for i in range(1, 450)], title="t")
    assert len(read(drawing).all("rect", "box")) == 200
    assert drawing.note == "The first 200 of 450 boxes are drawn."
    assert len(drawing.svg) < 400_000
