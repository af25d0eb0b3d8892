"""Metrics over runs: one panel for each metric, over a common axis."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import BOTTOM, TOP, Chart, Drawing, color_class, colored, label_room

MOST_RUNS = 2000  # two for each pixel, about 800 KB
TAB_STOPS = 50  # newest runs that the Tab key reaches; the table links to all of them

_PANEL, _BETWEEN = 130, 40  # pixels
_INSET = 8  # pixels from the x axis to the points nearest to it
_CROWDED = 4.0  # pixels from run to run, below which points are small and have no line between them


@dataclasses.dataclass(frozen=True)
class Panel:
    """A metric. `label`: of its axis, with the unit; `name`: in tooltips; `largest`: its largest possible value."""

    label: str
    name: str
    largest: float = math.inf


@dataclasses.dataclass(frozen=True)
class RunPoint:
    """A run.

    Attributes:
      name: its id.
      values: by panel; None or a number that is not finite leaves a gap.
      href: the address of its link; empty: none.
      when: start time as text; empty: not shown.
      state: hollow unless it is `succeeded` or empty.
    """

    name: str
    values: Sequence[float | None]
    href: str = ""
    when: str = ""
    state: str = ""


def runs_chart(runs: Sequence[RunPoint], panels: Sequence[Panel], *, title: str, width: int = 960) -> Drawing:
    """Draw runs.

    Args:
      runs: the oldest first; the newest 2,000 are drawn.
      panels: the metrics.
      title: of the chart.
      width: in pixels.
    """
    chart = Chart("runs", title, width, 120)
    drawn = chart.limited(runs, MOST_RUNS, "runs", newest=True)
    columns = [[scales.drawable(run.values[number]) for run in drawn] for number in range(len(panels))]
    found = [[value for value in column if value is not None] for column in columns]
    if not any(found):
        return chart.empty("No run has been evaluated yet.", f"{counted(len(drawn), 'run')}, none of them evaluated.")

    tops = [TOP + number * (_PANEL + _BETWEEN) for number in range(len(panels))]
    bottom = tops[-1] + _PANEL + _INSET
    chart.height = bottom + BOTTOM
    ys = [
        scales.linear(values, top + _PANEL, top, count=4, largest=panel.largest)
        for values, top, panel in zip(found, tops, panels, strict=True)
    ]
    left, right = label_room(*ys), width - 14
    first = len(runs) - len(drawn) + 1
    x = scales.tight(first, len(runs), left + 8, right - 8)
    pitch = (x.end - x.start) / (x.high - x.low)
    crowded = pitch < _CROWDED
    for number, (y, panel, column) in enumerate(zip(ys, panels, columns, strict=True), 1):
        chart.y_axis(y, left, right, panel.label)
        if not crowded:
            chart.add(_trend(column, first, x, y, number))
    chart.x_axis(x, left, right, bottom)
    # Below the newest run, which a phone shows first.
    chart.add(svg.text(right, bottom + BOTTOM - 8, "Runs, oldest first", "axis-label", "end"))
    half = min(24.0, pitch / 2)  # the pixels that belong to a run reach half way to its neighbours
    for index, run in enumerate(drawn):
        place = x(first + index)
        shapes, texts = [], [run.name, run.when, run.state if run.state != "succeeded" else ""]
        for number, (panel, y, column) in enumerate(zip(panels, ys, columns, strict=True), 1):
            if (value := column[index]) is not None:
                texts.append(f"{panel.name} {scales.number(value)}")
                hollow = run.state not in ("", "succeeded")
                classes = f"dot {color_class(number)}" + (" hollow" if hollow else "") + (" small" if crowded else "")
                shapes.append(svg.element("circle", class_=classes, cx=place, cy=y(value), r=2 if crowded else 4))
        if shapes:  # one link with a point in each panel; its whole column responds to the pointer
            hit = svg.element("rect", class_="hit", x=place - half, y=TOP, width=2 * half, height=bottom - TOP)
            focusable = len(drawn) - index <= TAB_STOPS
            chart.add(chart.link(run.href, ", ".join(filter(None, texts)), hit + "".join(shapes), focusable))
    return chart.drawing(_summary(drawn, panels, found))


def _trend(column: Sequence[float | None], first: int, x: scales.Scale, y: scales.Scale, color: int) -> str:
    """Draw a faint line from run to run, broken where one has no value."""
    data, pen = [], "M"
    for place, value in enumerate(column, first):
        if value is None:
            pen = "M"
            continue
        data.append(f"{pen}{svg.coordinate(x(place))} {svg.coordinate(y(value))}")
        pen = "L"
    return colored(color, svg.element("path", class_="trend", d="".join(data)))


def _summary(runs: Sequence[RunPoint], panels: Sequence[Panel], found: Sequence[Sequence[float]]) -> str:
    parts = [f"{counted(len(runs), 'run')}."]
    for values, panel in zip(found, panels, strict=True):
        name = panel.name[:1].upper() + panel.name[1:]
        if len(values) == 1:
            parts.append(f"{name}: {scales.number(values[0])}.")
        elif values:
            low, high, newest = map(scales.number, (min(values), max(values), values[-1]))
            parts.append(f"{name}: {len(values):,} values from {low} to {high}, newest {newest}.")
    return " ".join(parts)
