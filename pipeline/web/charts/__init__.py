"""The charts of the pages: plain functions from frozen dataclasses to SVG text.

Charts contain no colours, scripts or styles, so pages can forbid inline styles: classes name shapes, and
`static/charts.css` styles them for light and dark. All texts are escaped here; the caller passes links. The same input
gives the same bytes.
"""

from pipeline.web.charts.bar_chart import Bar, bar_chart
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.dag import GraphNode, dag
from pipeline.web.charts.frontier import BaselineLine, FrontierGroup, FrontierMark, SingleRun, frontier
from pipeline.web.charts.gantt import Span, gantt
from pipeline.web.charts.histogram import histogram
from pipeline.web.charts.line_chart import Series, line_chart
from pipeline.web.charts.parallel_coordinates import ParallelAxis, ParallelLine, parallel_coordinates
from pipeline.web.charts.picture_grid import picture_grid
from pipeline.web.charts.runs_chart import Panel, RunPoint, runs_chart
from pipeline.web.charts.scales import number
from pipeline.web.charts.scatter import ScatterPoint, scatter
from pipeline.web.charts.state_icons import Html, state_class, state_mark

__all__ = [
    "Bar", "BaselineLine", "Drawing", "FrontierGroup", "FrontierMark", "GraphNode", "Html", "Panel", "ParallelAxis",
    "ParallelLine", "RunPoint", "ScatterPoint", "Series", "SingleRun", "Span", "bar_chart", "dag", "frontier", "gantt",
    "histogram", "line_chart", "number", "parallel_coordinates", "picture_grid", "runs_chart", "scatter", "state_class",
    "state_mark",
]  # fmt: skip
