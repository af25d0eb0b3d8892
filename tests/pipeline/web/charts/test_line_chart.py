"""Curves over epochs."""

import itertools
import math
import re

import pytest

from pipeline.web.charts.line_chart import Series, line_chart, thin
from tests.pipeline.web.charts.drawn import points, read

LABELS = {"title": "Losses", "x_label": "Epoch", "y_label": "Loss"}


def draw(*series, **more):
    return line_chart(series, **LABELS, **more)


def test_points_are_where_their_values_are():
    drawing = draw(Series("loss", [(0, 0.0), (5, 0.5), (10, 1.0)]), width=640)
    shape = read(drawing)
    # The y axis: 0.0 at 320 - 44, 1.0 at 30. Labels such as "0.0" are 1.66 times 11 pixels wide, 18.26: the axis
    # is at 19 + 14, and the first point 8 to its right; the last one is 14 + 4 from the right.
    assert points(shape.one("path", "curve")["d"]) == [(41, 276), (331.5, 153), (622, 30)]
    assert shape.texts("tick") == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "0", "2", "4", "6", "8", "10"]
    assert [dot.tooltip() for dot in shape.all("circle", "spot")] == ["loss, 0: 0", "loss, 5: 0.5", "loss, 10: 1"]
    assert drawing.keys == ()
    assert drawing.summary == "1 curve of Loss over Epoch. loss: from 0 to 1 in 3 values, lowest 0 at 0."


@pytest.mark.parametrize("gap", [None, math.nan, math.inf])
def test_what_is_no_number_leaves_a_gap(gap):
    shape = read(draw(Series("loss", [(1, 1.0), (2, 2.0), (3, gap), (4, 1.0), (5, 2.0), (6, gap), (7, 1.5)])))
    path = shape.one("path", "curve")["d"]
    assert [len(points(piece)) for piece in path.split("M")[1:]] == [2, 2]
    (alone,) = shape.all("circle", "dot")  # a curve would not show a point without neighbours
    assert alone.tooltip() == "loss, 7: 1.5"


def test_one_point_is_drawn_in_the_middle():
    shape = read(draw(Series("loss", [(1, 0.3)]), width=640))
    dot = shape.one("circle", "dot")
    axis = shape.all("line", "axis")[0]
    assert dot.number("cx") == pytest.approx((axis.number("x1") + 8 + axis.number("x2") - 4) / 2, abs=0.1)
    assert dot.number("cy") == 153  # half way from 276 to 30
    assert not shape.all("path", "curve")


def test_constant_values_make_a_level_line_in_the_middle():
    path = read(draw(Series("loss", [(1, 5.0), (2, 5.0)]))).one("path", "curve")["d"]
    assert [y for _, y in points(path)] == [153, 153]


def test_curves_are_told_apart_by_colour_dashes_and_name():
    drawing = draw(Series("a", [(1, 1.0), (2, 2.0)], 1, dashed=True), Series("b", [(1, 2.0), (2, 3.0)], 9))
    shape = read(drawing)
    assert [curve.classes for curve in shape.all("path", "curve")] == [["curve", "dashed"], ["curve"]]
    assert len(shape.all("g", "series-1")) == 2  # a ninth colour is the first again
    assert [key.name for key in drawing.keys] == ["a", "b"]
    assert ["dashed" in key.swatch for key in drawing.keys] == [True, False]


def test_names_at_the_ends_do_not_lie_over_each_other():
    series = [Series(f"run {i}", [(1, 1.0), (2, 0.5 + i / 1000)], i + 1, label=f"run {i}") for i in range(8)]
    shape = read(draw(*series))
    heights = [label.number("y") for label in shape.all("text", "curve-label")]
    assert all(lower - upper >= 14 for upper, lower in itertools.pairwise(heights))
    assert shape.texts("curve-label") == [f"run {i}" for i in range(7, -1, -1)]  # as their curves end
    assert max(heights) <= 320 - 44 + 4


def test_thousands_of_points_are_thinned_and_keep_their_peaks():
    values = [(float(i), 1.0) for i in range(5000)]
    values[1234] = (1234.0, 9.0)
    values[4321] = (4321.0, 0.0)
    drawing = draw(Series("loss", values))
    heights = [y for _, y in points(read(drawing).one("path", "curve")["d"])]
    assert len(heights) <= 400
    assert (min(heights), max(heights)) == (54.6, 276)  # 9 of 10, and 0, of 246 pixels
    assert "5,000 points" in drawing.note
    assert not read(drawing).all("circle")
    assert len(drawing.svg) < 10_000


def test_thin_keeps_ends_and_extremes_in_order():
    given = [(i, float(value)) for i, value in enumerate([5, 1, 9, 2, 8, 3, 7, 6])]
    assert thin(given, 4) == [(0, 5), (1, 1), (2, 9), (7, 6)]
    assert thin(given, 8) == given


def test_too_many_curves_are_cut_and_that_is_said():
    drawing = draw(*[Series(f"run {i}", [(1, 1.0), (2, 2.0)]) for i in range(40)])
    assert len(read(drawing).all("path", "curve")) == 32
    assert drawing.note == "The first 32 of 40 curves are drawn."


def test_labels_are_inside_the_drawing():
    shape = read(draw(Series("x", [(1, 1.0), (2, 123456.0)], label="a very long name " * 9), width=640))
    for text in shape.all("text"):
        assert 0 <= text.number("x") <= 640
    (label,) = shape.texts("curve-label")
    assert re.fullmatch("a very.*….*", label)
