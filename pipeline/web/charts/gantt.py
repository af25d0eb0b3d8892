"""Start and duration of nodes, as bars on one time axis."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from pipeline.core.text import counted, seconds_text
from pipeline.web.charts import scales, state_icons, svg
from pipeline.web.charts.chart import Chart, Drawing

MOST_ROWS = 200  # pipelines seldom have more than fifty nodes

_ROW, _BAR = 28, 14  # pixels
_TOP, _BOTTOM = 8, 26  # pixels
_TICK = 75  # pixels for one tick: `2 min 30 s` and a gap
_LONGEST_LABEL = 190  # pixels
_SHORTEST = 4.0  # pixels, of a bar


@dataclasses.dataclass(frozen=True)
class Span:
    """A node.

    Attributes:
      label: its name.
      start: seconds since the run started; None: it has not started.
      seconds: its duration, so far if it is running; None: unknown.
      state: as `NodeRunState` writes it.
      href: the address of its link; empty: none.
    """

    label: str
    start: float | None
    seconds: float | None
    state: str
    href: str = ""


def gantt(spans: Sequence[Span], *, title: str = "Durations of nodes", width: int = 960) -> Drawing:
    """Draw nodes, a row each, in the order given.

    Args:
      spans: at most 200 are drawn.
      title: of the chart.
      width: in pixels.
    """
    chart = Chart("gantt", title, width)
    drawn = [_drawable(span) for span in chart.limited(spans, MOST_ROWS, "nodes")]
    if not drawn:
        return chart.empty("No node has started yet.", "No nodes.")
    longest = max((span.start + (span.seconds or 0.0) for span in drawn if span.start is not None), default=0.0)
    left = math.ceil(min(max(svg.width_of(span.label, svg.TEXT) for span in drawn), _LONGEST_LABEL)) + 44
    right = width - 118  # room for the time beside the last bar
    scale = scales.durations(longest, left, right, count=max(2, min(8, int(right - left) // _TICK)))
    bottom = _TOP + len(drawn) * _ROW
    chart.height = bottom + _BOTTOM
    chart.x_axis(scale, left, right, bottom, write=lambda tick: scales.tick_duration(tick, scale.step), grid_top=_TOP)
    for index, span in enumerate(drawn):
        name, shapes = _row(span, scale, _TOP + index * _ROW, left, width)
        chart.add(chart.link(span.href, name, shapes))
    return chart.drawing(_summary(drawn, longest))


def _drawable(span: Span) -> Span:
    """Return a node with times that can be drawn: a clock that was set back must not push bars off the chart."""
    start = None if span.start is None else max(0.0, scales.drawable(span.start) or 0.0)
    seconds = scales.drawable(span.seconds)
    return dataclasses.replace(span, start=start, seconds=None if seconds is None else max(0.0, seconds))


def _row(span: Span, scale: scales.Scale, y: float, left: float, width: float) -> tuple[str, str]:
    """Draw a node's name, mark, bar and time; return a description and the shapes."""
    middle = y + _ROW / 2
    shapes = [
        svg.element("rect", class_="hit", x=0, y=y, width=width, height=_ROW),
        state_icons.mark(span.state, 4, middle - 8),
        svg.text(26, middle + 4, svg.fit(span.label, left - 38, svg.TEXT), "chart-label", size=svg.TEXT),
    ]
    name = span.label
    if span.start is None:
        name += f": {span.state}"
        shapes.append(svg.text(left + 6, middle + 4, span.state, "chart-muted"))
    else:
        running = span.state == "running"
        time = "unknown duration" if span.seconds is None else seconds_text(span.seconds) + " so far" * running
        name += f": {span.state}, {time}, started after {seconds_text(span.start)}"
        start = scale(span.start)
        long = max(_SHORTEST, scale(span.start + (span.seconds or 0.0)) - start)
        classes = f"span {state_icons.state_class(span.state)}" + (" slim" if long < 10 else "")
        top = middle - _BAR / 2
        if running:  # open at its right end
            shape = f"M{svg.coordinate(start + long)} {svg.coordinate(top)}H{svg.coordinate(start)}v{_BAR}h"
            shape += f"{svg.coordinate(long)}l5 -{_BAR / 2:g}Z"
            shapes.append(svg.element("path", class_=classes, d=shape))
            long += 5
        else:
            rounding = min(3.0, long / 2)
            shapes.append(svg.element("rect", class_=classes, x=start, y=top, width=long, height=_BAR, rx=rounding))
        shapes.append(svg.text(start + long + 7, middle + 4, time, "tick"))
    return name, "".join(shapes)


def _summary(spans: Sequence[Span], longest: float) -> str:
    text = f"{counted(len(spans), 'node')}: {state_icons.count_states([span.state for span in spans])}."
    if started := [span for span in spans if span.start is not None]:
        slowest = max(started, key=lambda span: span.seconds or 0.0)
        text += f" All within {seconds_text(longest)}; the longest is {slowest.label}"
        text += f" with {seconds_text(slowest.seconds or 0.0)}."
    return text
