"""Runs as lines across settings and metrics."""

import itertools
import math

import pytest

from pipeline.web.charts.parallel_coordinates import ParallelAxis, ParallelLine, parallel_coordinates
from tests.pipeline.web.charts.drawn import points, read

# The first axis is 40 pixels from the left, the last one 84 from the right; they go from 284 up to 40. The values of an
# axis of choices are 14 pixels inside.
LEFT, RIGHT, BOTTOM, TOP = 40, 640 - 84, 284, 40


def test_lines_go_through_their_values():
    axes = [ParallelAxis("l1", "model.l1", (0, 1), ("0", "0.001")), ParallelAxis("BCE", "BCE, nats", (4, 0))]
    drawing = parallel_coordinates([ParallelLine("a", "/a"), ParallelLine("b", "/b")], axes, title="Runs")
    first, second = read(drawing).all("a")
    assert first.tooltip() == first["aria-label"] == "a: model.l1 0, BCE, nats 4"
    assert points(first.one("path", "curve")["d"]) == [(LEFT, BOTTOM - 14), (RIGHT, TOP)]
    assert points(second.one("path", "curve")["d"]) == [(LEFT, TOP + 14), (RIGHT, BOTTOM)]
    assert drawing.summary == "2 lines across 2 axes. model.l1: 0, 0.001. BCE, nats: from 0 to 4."


def test_choices_are_evenly_spaced_and_each_has_its_label():
    values = ("0", "1e-05", "0.001")
    axes = [ParallelAxis("l1", "l1", (0, 1, 2), values), ParallelAxis("BCE", "BCE", (1, 2, 3))]
    shape = read(parallel_coordinates([ParallelLine(name) for name in "abc"], axes, title="Runs"))
    labels = [text for text in shape.all("text", "tick") if text.text in values]
    assert [label.text for label in labels] == list(values)
    heights = [label.number("y") - 4 for label in labels]
    assert heights == [BOTTOM - 14, (BOTTOM + TOP) / 2, TOP + 14]


def test_one_choice_is_in_the_middle():
    axes = [ParallelAxis("loss", "loss", (0, 0), ("bce",)), ParallelAxis("BCE", "BCE", (1, 2))]
    shape = read(parallel_coordinates([ParallelLine("a"), ParallelLine("b")], axes, title="Runs"))
    assert {circle.number("cy") for circle in shape.all("circle") if circle.number("cx") == LEFT} == {162}


@pytest.mark.parametrize("absent", [None, math.nan, math.inf])
def test_a_missing_value_leaves_a_gap(absent):
    axes = [ParallelAxis(name, name, (value, 2)) for name, value in zip("abcd", (1, absent, 3, 1), strict=True)]
    lines = read(parallel_coordinates([ParallelLine("r"), ParallelLine("s")], axes, title="Runs")).all(
        "g", "chart-item"
    )
    assert lines[0].tooltip() == "r: a 1, c 3, d 1"
    assert lines[0].one("path", "curve")["d"].count("M") == 1  # from c to d; a is a dot
    assert len(lines[0].all("circle")) == 3


def test_lines_without_values_are_named():
    axes = [ParallelAxis(name, name, (1, None)) for name in "ab"]
    drawing = parallel_coordinates([ParallelLine("r"), ParallelLine("s")], axes, title="Runs")
    assert drawing.note == "s has none of these values."
    assert len(read(drawing).all("g", "chart-item")) == 1


def test_a_group_has_one_entry_in_the_legend():
    axes = [ParallelAxis(name, name, (1, 2, 3)) for name in "ab"]
    lines = [ParallelLine("r", color=1, group="g"), ParallelLine("s", color=1, group="g"), ParallelLine("t", color=3)]
    drawing = parallel_coordinates(lines, axes, title="Runs")
    assert [key.name for key in drawing.keys] == ["g", "t"]
    assert [("series-1" in key.swatch, "series-3" in key.swatch) for key in drawing.keys] == [
        (True, False),
        (False, True),
    ]


def test_without_values_there_is_a_message():
    drawing = parallel_coordinates([ParallelLine("r")], [ParallelAxis("a", "a", (None,))] * 2, title="Runs")
    assert read(drawing).texts() == ["There are no values to draw."]


def test_too_much_is_cut_and_that_is_said():
    axes = [ParallelAxis(str(number), str(number), range(120)) for number in range(20)]
    drawing = parallel_coordinates([ParallelLine(str(number)) for number in range(120)], axes, title="Runs")
    shape = read(drawing)
    assert len(shape.all("g", "chart-item")) == 100
    assert len(shape.all("text", "axis-label")) == 16
    assert "16 of 20 axes" in drawing.note
    assert "100 of 120 lines" in drawing.note
    titles = sorted(text.number("x") for text in shape.all("text", "axis-label"))
    assert all(after - before >= 110 for before, after in itertools.pairwise(titles))
