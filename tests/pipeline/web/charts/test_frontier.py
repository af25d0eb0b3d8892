"""One metric against another, for groups of points; and charts as files."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.web.charts import standalone
from pipeline.web.charts.frontier import BaselineLine, FrontierGroup, FrontierMark, SingleRun, frontier
from tests.pipeline.web.charts.drawn import read

LABELS = {"title": "BCE against units", "x_label": "Units", "y_label": "BCE", "width": 640}


def two_groups():
    first = FrontierGroup(
        "l1",
        [
            FrontierMark("a", 0, 0.4, "#a", x_interval=(-1, 1), y_interval=(0.35, 0.45), joined=True),
            FrontierMark("b", 10, 0.2, "#b", marked="6 dead units", joined=True),
            FrontierMark("c", 10, 0.3),
        ],
        [SingleRun("one", 1, 0.41, "/runs/one"), SingleRun("nan", 1, math.nan)],
    )
    return [first, FrontierGroup("topk", [FrontierMark("d", 5, 0.1, joined=True)])]


def test_joined_points_of_a_group_are_joined_and_marked_ones_are_hollow():
    drawing = frontier(two_groups(), [BaselineLine("floor", 0.0)], hollow="with dead units", **LABELS)
    shape = read(drawing)
    [curve] = shape.all("path", "curve")  # one of two points; of the other group only one is joined
    assert curve["d"].count("L") == 1
    points = shape.all("g", "point")
    assert [("hollow" in one.classes, one.classes[1]) for one in points] == [
        (False, "series-1"), (True, "series-1"), (False, "series-1"), (False, "series-2"),
    ]  # fmt: skip
    assert len(shape.all("circle", "run")) == 1  # a value that is not finite cannot be drawn
    assert [one["href"] for one in shape.all("a")] == ["/runs/one", "#a", "#b"]
    assert "6 dead units" in shape.all("a")[2].tooltip()
    assert [key.name for key in drawing.keys] == [
        "l1", "topk", "with dead units", "one seed",
        "95 % interval of the mean, beyond the chart at an arrow", "the best trade-offs, joined",
    ]  # fmt: skip


def test_points_are_where_their_values_are_and_intervals_end_at_the_scales():
    shape = read(frontier(two_groups(), [BaselineLine("floor", 0.0)], **LABELS))
    first, second, *_ = shape.all("circle")[1:]  # the first one is a run
    # "0.1" is 19 pixels wide: the plot begins at 33, its values 12 right of that, and they end 28 from the right.
    left, right = first.number("cx"), second.number("cx")
    assert right == 612
    # The y scale goes from 0 at 440 - 44 - 12 to 0.45 or more at 30.
    across, down = shape.all("line", "interval")
    assert (across.number("x1"), across.number("x2")) == (left, left + (right - left) / 10)  # cut off at 0; ends at 1
    assert down.number("y1") < first.number("cy") < down.number("y2")
    [arrow] = shape.all("path", "interval")  # at 0, where the first one goes on
    y = first.number("cy")
    assert arrow["d"] == f"M{left + 4:g} {y - 4:g}L{left:g} {y:g}L{left + 4:g} {y + 4:g}"
    [limit] = shape.all("line", "limit")
    assert limit.number("y1") == 384  # the floor, 0


def test_baselines_with_the_same_value_are_named_side_by_side():
    shape = read(frontier(two_groups(), [BaselineLine("most frequent", 0.3), BaselineLine("pixels", 0.3)], **LABELS))
    first, second = shape.all("line", "limit")
    assert first.number("y1") == second.number("y1")
    names = [text for text in shape.all("text", "chart-label") if text.text in ("most frequent 0.3", "pixels 0.3")]
    assert [text.text for text in names] == ["most frequent 0.3", "pixels 0.3"]
    assert names[1].number("y") - names[0].number("y") == 14  # a line of text


def test_a_baseline_far_from_the_points_is_named_and_does_not_squeeze_them():
    near = [BaselineLine("floor", 0.0)]
    shape = read(frontier(two_groups(), [*near, BaselineLine("mean image", 2.0)], **LABELS))
    assert len(shape.all("line", "limit")) == 1
    alone = read(frontier(two_groups(), near, **LABELS))
    assert [one.number("cy") for one in shape.all("circle")] == [one.number("cy") for one in alone.all("circle")]
    labels = [one.text for one in shape.all("text", "chart-label")]
    assert [label for label in labels if label and "mean image" in label] == ["↑ mean image 2"]


@pytest.mark.parametrize(("lowest", "at_left"), [(10, True), (0, False), (5, False)])
@pytest.mark.parametrize("floor", [0.1992, 0.0])  # on the scale, and beyond it
def test_the_label_of_a_baseline_is_where_no_point_is(lowest, at_left, floor):
    marks = [FrontierMark(str(x), x, 0.2 if x == lowest else 0.22) for x in (0, 5, 10)]
    shape = read(frontier([FrontierGroup("l1", marks)], [BaselineLine("floor", floor)], **LABELS))
    [label] = [one for one in shape.all("text", "chart-label") if "floor" in str(one.text)]
    assert label.number("x") == (shape.all("line", "grid")[0].number("x1") + 4 if at_left else 608)
    assert label.get("text-anchor") == (None if at_left else "end")


def test_intervals_within_the_scales_have_no_arrows():
    marks = [FrontierMark("a", 2, 0.2, x_interval=(1, 3), y_interval=(0.15, 0.25)), FrontierMark("b", 0, 0.1)]
    drawing = frontier([FrontierGroup("", [*marks, FrontierMark("c", 4, 0.3)])], **LABELS)
    assert read(drawing).all("path", "interval") == []
    assert "95 % interval of the mean" in [key.name for key in drawing.keys]


def test_the_label_of_a_baseline_is_where_no_interval_is():
    marks = [FrontierMark("a", 0, 0.22), FrontierMark("b", 10, 0.22, y_interval=(0.1, 0.3)), FrontierMark("c", 5, 0.2)]
    shape = read(frontier([FrontierGroup("l1", marks)], [BaselineLine("floor", 0.0)], **LABELS))
    [label] = [one for one in shape.all("text", "chart-label") if "floor" in str(one.text)]
    assert label.number("x") == shape.all("line", "grid")[0].number("x1") + 4
    assert len(shape.all("path", "interval")[0]["d"].split("M")) == 3  # an arrow at each end


def test_nothing_to_draw_is_said():
    assert "no values" in frontier([FrontierGroup("", [])], **LABELS).svg


def test_a_file_needs_no_style_sheet_and_has_the_legend():
    text = standalone.document("Sweep <l1>", [("Frontier", frontier(two_groups(), **LABELS))])
    root = ElementTree.fromstring(text)
    spaces = "{http://www.w3.org/2000/svg}"
    [style] = root.iter(f"{spaces}style")
    assert style.text is not None
    assert "var(" not in style.text
    assert "@media" not in style.text
    assert ".series-1{color: #1f66c1;}" in style.text.replace("\n", "")
    texts = [one.text for one in root.iter(f"{spaces}text")]
    assert {"Frontier", "l1", "topk", "BCE", "Units"} <= set(texts)
    assert float(root.get("width") or 0) == 640 + 2 * 20
