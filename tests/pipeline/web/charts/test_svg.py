"""Escaped texts, and what every drawing has in common."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jinja2
import pytest

from pipeline.web.charts import svg
from pipeline.web.charts.bar_chart import Bar, bar_chart
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.dag import GraphNode, dag
from pipeline.web.charts.gantt import Span, gantt
from pipeline.web.charts.histogram import histogram
from pipeline.web.charts.line_chart import Series, line_chart
from pipeline.web.charts.runs_chart import Panel, RunPoint, runs_chart
from pipeline.web.charts.scatter import ScatterPoint, scatter
from tests.pipeline.web.charts.drawn import read

EVIL = "\"><img src=x onerror='alert(1)'></svg><script>alert(2)</script>\x00\ud800"
SHEET = Path(svg.__file__).parents[1] / "static" / "charts.css"


def every_drawing(text="run", href="/runs/1"):
    """One of each kind, with a text in every place that takes one."""
    labels = {"title": text, "x_label": text, "y_label": text}
    curves = [
        Series(text, [(1, 2.0), (2, 1.0)], label=text),
        Series(text, [(1, 3.0), (3, None)], 2, True),
    ]
    nodes = [
        GraphNode("1", text, text, text, href, text),
        GraphNode("2", text, text, "", href, kind="artifact", current=True),
        GraphNode("3", text, "", "cached", href),
    ]
    edges = [("1", "2"), ("2", "3"), ("3", "1")]
    bars = [Bar(text, 2.0, text), Bar(text, None)]
    spans = [Span(text, 0, 3.0, text, href), Span(text, None, None, "waiting")]
    return {
        "lines": line_chart(curves, **labels),
        "runs": runs_chart([RunPoint(text, (0.1,), href, text, text)] * 2, [Panel(text, text)], title=text),
        "scatter": scatter([ScatterPoint(text, 1, 2, href), ScatterPoint(text, 3, 2)], **labels),
        "histogram": histogram([(0, 1, 3)], title=text),
        "bars": bar_chart(bars, title=text, limit=1.0),
        "many bars": bar_chart(bars * 40, title=text, limit=1.0),
        "gantt": gantt(spans, title=text),
        "graph": dag(nodes, edges, title=text),
    }


def no_drawing():
    """One of each kind, without anything to draw."""
    labels = {"title": "t", "x_label": "x", "y_label": "y"}
    return {
        "lines": line_chart([], **labels),
        "runs": runs_chart([], [Panel("m", "m")], title="t"),
        "scatter": scatter([], **labels),
        "histogram": histogram([], title="t"),
        "bars": bar_chart([], title="t"),
        "gantt": gantt([]),
        "graph": dag([], [], title="t"),
    }


@pytest.mark.parametrize("kind", every_drawing())
def test_texts_from_outside_stay_texts(kind):
    drawing = every_drawing(EVIL, href='/runs/"onmouseover="alert(3)')[kind]
    html = drawing.__html__()
    html.encode()  # a lone surrogate could not be sent
    root = ElementTree.fromstring(html)  # well-formed, so nothing broke out of its place
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not names & {"script", "img", "style"}
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not [key for key in attributes if key.startswith("on") or key == "style"]
    said = " ".join(root.itertext()) + " ".join(value for element in root.iter() for value in element.attrib.values())
    assert "<script>alert(2)</script>" in said


@pytest.mark.parametrize("kind", every_drawing())
def test_a_drawing_says_what_it_is_and_how_large(kind):
    drawing = every_drawing("some name")[kind]
    shape = read(drawing)
    assert shape["viewBox"] == f"0 0 {shape['width']} {shape['height']}"
    if shape.all("a"):
        assert shape["role"] == "group"  # an image would hide its links from a screen reader
        assert shape["aria-label"] == f"some name. {drawing.summary}"
        assert {link["href"] for link in shape.all("a")} == {"/runs/1"}
        assert all("some name" in link["aria-label"] for link in shape.all("a"))
        assert not drawing.scrolls
    else:
        assert shape["role"] == "img"
        assert (shape.tooltip(), shape.one("desc").text) == ("some name", drawing.summary)


@pytest.mark.parametrize("kind", every_drawing())
def test_no_text_is_too_small_to_read(kind):
    sizes = [text.number("font-size") for text in read(every_drawing()[kind]).all("text")]
    assert min(sizes, default=11) >= 11


@pytest.mark.parametrize("kind", every_drawing())
def test_the_same_input_gives_the_same_drawing(kind):
    assert every_drawing()[kind] == every_drawing()[kind]


@pytest.mark.parametrize("kind", no_drawing())
def test_nothing_to_draw_is_said(kind):
    (said,) = read(no_drawing()[kind]).texts()
    assert re.match("There (is|are) no|No ", said)


def test_every_class_has_a_rule():
    """A class without one would be a shape in black, on a dark page too."""
    rules = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"/\*.*?\*/", "", SHEET.read_text(), flags=re.DOTALL)))
    names = {name for one in every_drawing().values() for shape in read(one).all() for name in shape.classes}
    groups = {"chart-item", "chart-label", "curve-label", "box-detail", "execution", "state-none", "edge"}
    assert names - rules <= groups
    assert {"curve", "box", "chart-link", "state-cached", "series-2"} <= names & rules


def test_a_template_inserts_the_figure():
    drawing = every_drawing("a & b")["lines"]
    html = jinja2.Environment(autoescape=True).from_string("{{ drawing }}").render(drawing=drawing)
    assert html.startswith(
        '<div class="drawing"><div class="drawing-frame" tabindex="0" role="group" aria-label="a &amp; b">'
    )
    assert drawing.svg in html
    assert "</svg> a &amp; b</li>" in html


def test_a_note_is_part_of_the_figure():
    assert '<p class="drawing-note">3 &lt; 4</p>' in Drawing("<svg/>", "t", "s", note="3 < 4").__html__()


@pytest.mark.parametrize(
    ("value", "width", "fitted"),
    [
        ("short", 100, "short"),
        ("2026-11-24T10-04-11-a47a", 100, "2026-11-24…-a47a"),
        ("  two\n lines ", 100, "two lines"),
        ("anything", 0, "…"),
    ],
)
def test_a_text_is_cut_in_its_middle_to_fit(value, width, fitted):
    assert svg.fit(value, width, 10) == fitted


def test_a_text_without_end_is_cut():
    assert len(svg.tooltip("x" * 1_000_000)) < 2100


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (1.25, "1.2"), (-0.04, "0"), (12.36, "12.4")])
def test_coordinates_have_a_tenth_of_a_pixel(value, text):
    assert svg.coordinate(value) == text
