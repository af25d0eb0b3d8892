"""The drawings of the pages: plain functions from frozen dataclasses to SVG text.

No drawing carries colours, scripts or styles of its own: classes say what a shape is, and `static/charts.css` what that
looks like in light and dark, so the pages can forbid inline styles. All texts are escaped here; links come from the
caller, who knows the routes. The same input gives the same bytes.
"""

from pipeline.web.charts.bars import Bar, bars
from pipeline.web.charts.graph import GraphEdge, GraphNode, graph
from pipeline.web.charts.histogram import histogram
from pipeline.web.charts.lines import Series, line_chart
from pipeline.web.charts.runs import RunPoint, runs_chart
from pipeline.web.charts.scales import duration, number
from pipeline.web.charts.scatter import ScatterPoint, scatter
from pipeline.web.charts.states import Html, state_class, state_mark
from pipeline.web.charts.svg import Drawing, Key
from pipeline.web.charts.waterfall import Span, waterfall

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
