"""Histograms and horizontal bars."""

import math

import pytest

from pipeline.web.charts.bar_chart import Bar, bar_chart
from pipeline.web.charts.histogram import histogram
from tests.pipeline.web.charts.drawn import read


def test_buckets_are_as_high_as_their_counts():
    drawing = histogram([(0, 1, 100), (1, 2, 50), (2, 3, 0), (3, 4, 1)], title="image")
    shape = read(drawing)
    # From 18 to 90, so 72 pixels for the fullest; one in a hundred would be 0.7, and is a whole one.
    drawn = shape.all("rect", "bar")
    assert [bar.number("height") for bar in drawn] == [72, 36, 0, 1]
    # 264 pixels for four buckets, with one between them.
    assert [(bar.number("x"), bar.number("width")) for bar in drawn] == [(8, 65), (74, 65), (140, 65), (206, 65)]
    assert [group.tooltip() for group in shape.all("g", "series-1")][1] == "1 to 2: 50"
    assert drawing.summary == "151 values from 0 to 4 in 4 buckets; the fullest, 0 to 1, holds 100."
    assert shape.texts() == ["max 100", "0", "4"]


def test_one_value_is_one_bar_in_the_middle():
    shape = read(histogram([(3, 3, 500)], title="label"))
    bar = shape.one("rect", "bar")
    assert (bar.number("x"), bar.number("x") + bar.number("width")) == (96, 96 + 87)
    assert shape.texts() == ["max 500", "3"]


@pytest.mark.parametrize("bucket", [(-math.inf, 0, 5), (0, math.nan, 5), (0, 1, -5), (2, 1, 5)])
def test_odd_buckets_are_left_out_and_that_is_said(bucket):
    drawing = histogram([bucket, (0, 1, 5)], title="image")
    assert len(read(drawing).all("rect", "bar")) == 1
    assert drawing.note == "1 bucket not drawn."


def test_bars_are_as_long_as_their_values():
    drawing = bar_chart(
        [Bar("unit 0", 0.5, "mean 0.2"), Bar("unit 1", 0.25), Bar("unit 2", 0.0)], title="Units", percent=True
    )
    shape = read(drawing)
    longest, half, none = (bar.number("width") for bar in shape.all("rect", "bar"))
    assert half == pytest.approx(longest / 2, abs=0.06)
    assert none == 0
    assert longest > 500  # of 640: the longest bar takes the room that its name and value leave
    assert shape.texts("value") == ["50.0 %", "25.0 %", "0.0 %"]
    assert shape.all("g", "chart-item")[0].tooltip() == "unit 0: 50.0 %, mean 0.2"
    assert drawing.summary == "3 bars. Lowest unit 2, 0.0 %; highest unit 0, 50.0 %."


def test_values_below_zero_go_to_the_left():
    shape = read(bar_chart([Bar("a", -3), Bar("b", 1)], title="t"))
    below, above = shape.all("rect", "bar")
    zero = shape.one("line", "axis").number("x1")
    assert below.number("x") + below.number("width") == pytest.approx(zero, abs=0.11)
    assert above.number("x") == pytest.approx(zero, abs=0.11)
    assert below.number("width") == pytest.approx(3 * above.number("width"), abs=0.3)


def test_values_beyond_the_limit_stand_out():
    drawing = bar_chart([Bar("label 0", 0.10), Bar("label 1", 0.13), Bar("label 2", 0.12)], title="t", limit=0.12)
    shape = read(drawing)
    assert [("over" in bar.classes) for bar in shape.all("rect", "bar")] == [False, True, False]
    assert [item.tooltip() for item in shape.all("g", "chart-item")][1] == "label 1: 0.13, above the limit"
    at_limit = shape.all("rect", "bar")[2]
    assert shape.one("line", "limit").number("x1") == pytest.approx(
        at_limit.number("x") + at_limit.number("width"), abs=0.11
    )
    assert drawing.summary.endswith("1 above the limit of 0.12.")


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_bar_without_a_value_is_a_dash(value):
    drawing = bar_chart([Bar("a", 1.0), Bar("b", value)], title="t")
    assert len(read(drawing).all("rect", "bar")) == 1
    assert read(drawing).texts("value") == ["1", "–"]
    assert drawing.summary.endswith("1 without a value.")


def test_only_zeros_make_bars_without_length():
    assert [bar.number("width") for bar in read(bar_chart([Bar("a", 0.0)] * 3, title="t")).all("rect", "bar")] == [
        0,
        0,
        0,
    ]


def test_many_bars_go_into_columns():
    drawing = bar_chart([Bar(f"{i}", i / 1024) for i in range(1024)], title="Units", percent=True, width=960)
    shape = read(drawing)
    assert len(shape.all("rect", "bar")) == 1024
    assert shape.number("height") == 40 + 64 * 8
    assert shape.texts("tick") == [str(first) for first in range(0, 1024, 64)]
    assert len(drawing.svg) < 300_000


def test_too_many_bars_are_cut_and_that_is_said():
    drawing = bar_chart([Bar(f"{i}", 1.0) for i in range(3000)], title="Units")
    assert len(read(drawing).all("rect", "bar")) == 2048
    assert drawing.note == "The first 2,048 of 3,000 bars are drawn."


def test_a_histogram_of_labels_has_a_named_bar_for_each():
    drawing = histogram([(0, 0, 10), (1, 1, 20), (2, 2, 5)], title="label")
    shape = read(drawing)
    assert [one.tooltip() for one in shape.all("g", "series-1")] == ["0: 10", "1: 20", "2: 5"]
    # 280 pixels less 8 on each side, for three labels of 88 pixels.
    assert [one.number("x") for one in shape.all("rect", "bar")] == [8, 96, 184]
    assert [one.text for one in shape.all("text", "tick")] == ["max 20", "0", "1", "2"]
    assert drawing.summary == "35 values from 0 to 2 in 3 buckets; the fullest, 1, holds 20."
