"""Metrics over runs."""

import dataclasses
import itertools
import math

import pytest

from pipeline.web.charts.runs_chart import Panel, RunPoint, runs_chart
from tests.pipeline.web.charts.drawn import points, read

PANELS = (Panel("Test BCE, nats per pixel", "test BCE"), Panel("Active units per image", "active units"))


def point(name, test_bce, active_units, href="", when="", state=""):
    return RunPoint(name, (test_bce, active_units), href, when, state)


def draw(runs):
    return runs_chart(runs, PANELS, title="Metrics over runs")


def test_a_run_is_one_link_with_a_point_in_each_panel():
    runs = [point("first", 0.10, 6.0, "/runs/first", "24 Nov"), point("second", 0.14, 8.0, "/runs/second")]
    drawing = draw(runs)
    shape = read(drawing)
    first, second = shape.all("a")
    assert first.tooltip() == first["aria-label"] == "first, 24 Nov, test BCE 0.1, active units 6"
    assert second["href"] == "/runs/second"
    # Panels of 130 pixels: the upper from 30 to 160, the lower from 200 to 330.
    assert [dot.number("cy") for dot in first.all("circle")] == [160, 330]
    assert [dot.number("cy") for dot in second.all("circle")] == [30, 200]
    assert {dot.number("cx") for dot in second.all("circle")} == {960 - 14 - 8}
    assert drawing.summary == (
        "2 runs. Test BCE: 2 values from 0.1 to 0.14, newest 0.14. Active units: 2 values from 6 to 8, newest 8."
    )


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_run_without_a_value_leaves_a_gap(missing):
    runs = [point(str(i), missing if i == 2 else 0.1 + i / 100, 7.0, f"/{i}") for i in range(5)]
    shape = read(draw(runs))
    bce, units = (trend["d"] for trend in shape.all("path", "trend"))
    assert [len(points(piece)) for piece in bce.split("M")[1:]] == [2, 2]
    assert len(points(units)) == 5
    assert [len(link.all("circle")) for link in shape.all("a")] == [2, 2, 1, 2, 2]


def test_a_run_without_any_value_has_no_link_but_keeps_its_place():
    shape = read(draw([point("a", 0.1, 7.0, "/a"), point("b", None, None, "/b"), point("c", 0.2, 7.0, "/c")]))
    assert [link["href"] for link in shape.all("a")] == ["/a", "/c"]
    assert shape.texts("tick")[-3:] == ["1", "2", "3"]


def test_runs_that_did_not_succeed_are_hollow_and_say_so():
    shape = read(draw([point("a", 0.1, 7.0, "/a", state="failed"), point("b", 0.1, 7.0, "/b", state="succeeded")]))
    failed, succeeded = shape.all("a")
    assert all("hollow" in dot.classes for dot in failed.all("circle"))
    assert not any("hollow" in dot.classes for dot in succeeded.all("circle"))
    assert "failed" in failed["aria-label"]
    assert "succeeded" not in succeeded["aria-label"]


def test_a_thousand_runs_stay_small_and_do_not_fill_the_tab_order():
    drawing = draw([point(f"2026-11-24T10-04-11-{i:04x}", 0.1, 7.0, f"/runs/{i}") for i in range(1000)])
    links = read(drawing).all("a")
    assert len(links) == 1000
    assert len(drawing.svg) < 600_000
    assert [link.get("tabindex") for link in links] == ["-1"] * 950 + [None] * 50
    assert drawing.note == ""


def test_crowded_runs_are_small_points_without_a_line():
    # 960 pixels, of which 14 + 8 at the right and about 48 at the left: four for each of 223 runs.
    few, many = (read(draw([point(str(i), 0.1, 7.0) for i in range(count)])) for count in (200, 250))
    assert (len(few.all("path", "trend")), len(many.all("path", "trend"))) == (2, 0)
    assert {(dot["r"], "small" in dot.classes) for dot in few.all("circle")} == {("4", False)}
    assert {(dot["r"], "small" in dot.classes) for dot in many.all("circle")} == {("2", True)}


def test_what_the_pointer_finds_of_runs_does_not_overlap():
    shape = read(draw([point(str(i), 0.1, 7.0, f"/{i}") for i in range(100)]))
    hits = [(hit.number("x"), hit.number("x") + hit.number("width")) for hit in shape.all("rect", "hit")]
    assert all(end <= start + 0.11 for (_, end), (start, _) in itertools.pairwise(hits))


def test_only_the_newest_runs_are_drawn_and_numbers_go_on():
    drawing = draw([point(str(i), 0.1, 7.0, f"/{i}") for i in range(2500)])
    shape = read(drawing)
    assert shape.all("a")[0]["href"] == "/500"
    assert shape.texts("tick")[-1] == "2,500"
    first, last = (shape.all("a")[place].all("circle")[0].number("cx") for place in (0, -1))
    axis = shape.all("line", "axis")[0]
    assert (first, last) == (axis.number("x1") + 8, axis.number("x2") - 8)
    assert drawing.note == "The 2,000 newest of 2,500 runs are drawn."


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_metrics_has_a_panel_each(count):
    panels = [Panel(f"metric {number}", f"m{number}") for number in range(count)]
    runs = [RunPoint("a", [1.0] * count, "/a"), RunPoint("b", [2.0] * count, "/b")]
    shape = read(runs_chart(runs, panels, title="t"))
    assert [len(link.all("circle")) for link in shape.all("a")] == [count, count]
    assert shape.number("height") == 30 + count * 130 + (count - 1) * 40 + 8 + 44
    assert shape.texts("axis-label")[:count] == [panel.label for panel in panels]


def test_the_labels_of_the_y_axes_stay_in_place_while_a_wide_chart_is_scrolled():
    runs = [point(str(number), 0.1 + number / 100, 7.0 + number, f"/{number}") for number in range(5)]
    drawing = draw(runs)
    shape, axis = read(drawing), read(dataclasses.replace(drawing, svg=drawing.axis))

    def texts(found):
        return [
            (one.number("x"), one.number("y"), one.text)
            for kind in ("tick", "axis-label")
            for one in found.all("text", kind)
        ]

    kept = texts(axis)
    assert {text for _, _, text in kept} >= {panel.label for panel in PANELS}
    assert set(kept) <= set(texts(shape))
    assert all(text.number("x") <= axis.number("width") for text in axis.all("text"))
    assert axis["aria-hidden"] == "true"
    assert drawing.axis in drawing.__html__()
    narrow = runs_chart(runs, PANELS, title="Metrics over runs", width=300)
    assert narrow.axis == ""


def test_the_name_of_the_axis_is_below_the_newest_run():
    shape = read(draw([point("a", 0.1, 1), point("b", 0.2, 2)]))
    [name] = [one for one in shape.all("text", "axis-label") if one.text == "Runs, oldest first"]
    newest = max(one.number("cx") for one in shape.all("circle"))
    assert name["text-anchor"] == "end"
    assert abs(name.number("x") - newest) <= 8


def test_no_point_is_on_the_x_axis():
    points = [RunPoint(name, (value, value)) for name, value in (("a", 1.0), ("b", 0.0))]
    shape = read(runs_chart(points, [Panel("loss", "Loss"), Panel("units", "Units")], title="Runs"))
    [axis] = {line.number("y1") for line in shape.all("line", "axis") if line["y1"] == line["y2"]}
    assert all(axis - circle.number("cy") >= 8 for circle in shape.all("circle"))
