"""The drawings of the pages: plain functions from frozen dataclasses to SVG text.

No drawing carries colours, scripts or styles of its own: classes say what a shape is, and `static/charts.css` what that
looks like in light and dark, so the pages can forbid inline styles. All texts are escaped here; links come from the
caller, who knows the routes. The same input gives the same bytes.
"""

from pipeline.web.charts.bar_chart import Bar, bars
from pipeline.web.charts.dag import GraphEdge, GraphNode, graph
from pipeline.web.charts.gantt import Span, waterfall
from pipeline.web.charts.histogram import histogram
from pipeline.web.charts.line_chart import Series, line_chart
from pipeline.web.charts.runs_chart import RunPoint, runs_chart
from pipeline.web.charts.scales import duration, number
from pipeline.web.charts.scatter import ScatterPoint, scatter
from pipeline.web.charts.state_icons import Html, state_class, state_mark
from pipeline.web.charts.svg import Drawing, Key

__all__ = [
    "Bar",
    "Drawing",
    "GraphEdge",
    "GraphNode",
    "Html",
    "Key",
    "RunPoint",
    "ScatterPoint",
    "Series",
    "Span",
    "bars",
    "duration",
    "graph",
    "histogram",
    "line_chart",
    "number",
    "runs_chart",
    "scatter",
    "state_class",
    "state_mark",
    "waterfall",
]
