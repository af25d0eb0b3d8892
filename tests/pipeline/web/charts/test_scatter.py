"""One measure of runs against another."""

import math
import random

from pipeline.web.charts import svg
from pipeline.web.charts.scatter import ScatterPoint, scatter
from tests.pipeline.web.charts.drawn import read

LABELS = {"title": "Runs", "x_label": "BCE", "y_label": "Units"}


def test_points_are_where_their_values_are_and_lead_to_their_runs():
    drawing = scatter([ScatterPoint("a", 0, 0, "/a"), ScatterPoint("b", 10, 5, "/b")], **LABELS, width=640)
    first, second = read(drawing).all("a")
    assert first.tooltip() == first["aria-label"] == "a: BCE 0, Units 0"
    # The y axis goes from 0 at 400 - 44 - 12 to 5 at 30; the x axis ends 28 from the right. "0" is 7 pixels wide.
    # The values begin 12 pixels from both axes.
    circles = [link.one("circle") for link in (first, second)]
    assert [(circle.number("cx"), circle.number("cy")) for circle in circles] == [(7 + 14 + 12, 344), (612, 30)]
    assert drawing.summary == "2 points. BCE from 0 to 10, Units from 0 to 5."


def test_points_without_both_values_are_left_out_and_that_is_said():
    drawing = scatter([ScatterPoint("a", 1, 2), ScatterPoint("b", None, 2), ScatterPoint("c", 1, math.nan)], **LABELS)
    assert len(read(drawing).all("g", "point")) == 1
    assert drawing.note == "2 runs without both values left out."


def test_each_colour_has_its_own_shape():
    shape = read(scatter([ScatterPoint(str(i), i, i, color=i + 1) for i in range(8)], **LABELS))
    marks = [
        (
            point.all()[0].name,
            point.all()[0].get(
                "d",
            ),
            "hollow" in point.classes,
        )
        for point in shape.all("g", "point")
    ]
    kinds = {(name, path.count("L") if path else 0, hollow) for name, path, hollow in marks}
    assert len(kinds) == 8


def test_names_lie_over_no_other_name_or_point():
    values = random.Random(0)
    points = [ScatterPoint(f"run-{i}", values.random(), values.random()) for i in range(60)]
    drawing = scatter(points, **LABELS)
    shape = read(drawing)
    boxes = []
    for text in shape.all("text", "chart-label"):
        wide = svg.width_of(text.text, svg.SMALL)
        left = text.number("x") - {None: 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
        boxes.append((left, text.number("y") - 10, left + wide, text.number("y") + 3))
    boxes += [
        (c.number("cx") - 5, c.number("cy") - 5, c.number("cx") + 5, c.number("cy") + 5) for c in shape.all("circle")
    ]
    names = len(shape.all("text", "chart-label"))
    assert 10 < names < 60
    for index, one in enumerate(boxes[:names]):
        for other in boxes[index + 1 :]:
            apart = one[2] <= other[0] + 0.1 or other[2] <= one[0] + 0.1 or one[3] <= other[1] or other[3] <= one[1]
            assert apart


def test_few_points_have_a_legend():
    drawing = scatter([ScatterPoint("a", 1, 2, color=3), ScatterPoint("b", 1, 2)], **LABELS)
    assert [key.name for key in drawing.keys] == ["a", "b"]
    assert "series-3" in drawing.keys[0].swatch
