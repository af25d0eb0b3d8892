"""When nodes ran and how long they took."""

import itertools
import math

import pytest

from pipeline.web.charts.gantt import Span, gantt
from tests.pipeline.web.charts.drawn import read


def test_bars_start_and_end_with_their_nodes():
    drawing = gantt([Span("A", 0, 10, "executed", "/a"), Span("B", 10, 30, "executed", "/b")])
    shape = read(drawing)
    # "A" is 8.64 pixels wide, so time starts at 9 + 44 and ends at 960 - 118: 789 pixels for 40 seconds.
    first, second = shape.all("rect", "span")
    assert (first.number("x"), first.number("width")) == (53, pytest.approx(197.25, abs=0.06))
    assert (second.number("x"), second.number("width")) == (
        pytest.approx(250.25, abs=0.06),
        pytest.approx(591.75, abs=0.06),
    )
    assert [link["aria-label"] for link in shape.all("a")] == [
        "A: executed, 10.0 s, started after 0.0 s",
        "B: executed, 30.0 s, started after 10.0 s",
    ]
    assert shape.texts("tick")[:9] == ["0 s", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s", "35 s", "40 s"]
    assert drawing.summary == "2 nodes: 2 executed. All within 40.0 s; the longest is B with 30.0 s."


def test_a_node_that_took_no_time_can_be_seen():
    shape = read(gantt([Span("A", 0, 100, "executed"), Span("B", 50, 0, "cached")]))
    assert shape.one("rect", "state-cached").number("width") == 4


def test_a_running_node_is_open_at_its_end():
    shape = read(gantt([Span("A", 0, 71, "running")]))
    assert shape.one("path", "span")["d"].endswith("l5 -7Z")
    assert shape.texts("tick")[-1] == "71.0 s so far"


def test_a_narrow_drawing_has_fewer_ticks_so_that_their_labels_stay_apart():
    shape = read(gantt([Span("A", 0, 71, "executed")], width=480))
    # 53 to 362 pixels: room for four steps of 75, so one must be 71 s / 4 or more
    assert shape.texts("tick")[:3] == ["0 s", "30 s", "1 min"]


@pytest.mark.parametrize("state", ["waiting", "skipped", "not run"])
def test_a_node_that_did_not_start_says_so(state):
    shape = read(gantt([Span("A", 0, 5, "executed"), Span("B", None, None, state)]))
    assert shape.texts("chart-muted") == [state]
    assert len(shape.all("rect", "span")) == 1


def test_no_node_has_started():
    drawing = gantt([Span("A", None, None, "waiting")])
    assert read(drawing).texts("chart-muted") == ["waiting"]
    assert drawing.summary == "1 node: 1 waiting."


@pytest.mark.parametrize(("start", "seconds"), [(-50, 5), (math.nan, 5), (0, -5), (0, math.inf), (0, None)])
def test_odd_times_stay_inside_the_drawing(start, seconds):
    shape = read(gantt([Span("A", start, seconds, "executed"), Span("B", 0, 10, "executed")]))
    for bar in shape.all("rect", "span"):
        assert 53 <= bar.number("x") <= bar.number("x") + bar.number("width") <= 960 - 118 + 4


def test_fifty_nodes_are_readable_rows():
    shape = read(gantt([Span(f"Node {i}", i, 1, "executed", f"/{i}") for i in range(50)]))
    tops = [bar.number("y") for bar in shape.all("rect", "span")]
    assert {lower - upper for upper, lower in itertools.pairwise(tops)} == {28}
    assert shape.number("height") == 8 + 50 * 28 + 26


def test_too_many_nodes_are_cut_and_that_is_said():
    drawing = gantt([Span(str(i), i, 1, "executed") for i in range(250)])
    assert len(read(drawing).all("rect", "span")) == 200
    assert drawing.note == "The first 200 of 250 nodes are drawn."
