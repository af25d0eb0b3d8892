"""Runs as lines across one vertical axis for each setting and metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import Chart, Drawing, LegendEntry, back, colored, curve_swatch, horizontal, vertical
from pipeline.web.charts.scales import Scale

MOST_LINES = 100
MOST_AXES = 16
_MOST_CHOICES = 8  # labels on an axis of choices; of more, evenly spaced ones are labelled
_HEIGHT = 300  # pixels
_TOP, _BOTTOM = 40, 284  # pixels: the ends of the axes; their titles are above
_INSET = 14  # pixels from the ends of an axis of choices to its outer values
_LEFT, _RIGHT = 40, 84  # pixels beside the outer axes: half a title, and the labels of the last axis
_NARROWEST = 110  # pixels between axes: labels are readable
_LABEL = 76  # pixels for a label beside an axis


@dataclasses.dataclass(frozen=True)
class ParallelAxis:
    """An axis.

    Attributes:
      title: above it.
      label: for tooltips, with the unit.
      values: one for each line; None, or a number that is not finite, leaves a gap.
      choices: texts that are spaced evenly, from the bottom; then each value is the place of one of them. Empty: the
        values are on a linear scale.
    """

    title: str
    label: str
    values: Sequence[float | None]
    choices: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class ParallelLine:
    """A line. Those of one `group` are one entry in the legend; `color`: 1 to 8."""

    name: str
    href: str = ""
    color: int = 1
    group: str = ""


def parallel_coordinates(
    lines: Sequence[ParallelLine], axes: Sequence[ParallelAxis], *, title: str, width: int = 640
) -> Drawing:
    """Draw lines across axes.

    Args:
      lines: at most 100 are drawn.
      axes: at most 16 are drawn.
      title: of the chart.
      width: in pixels; more if the axes need it.
    """
    width = max(width, _LEFT + _RIGHT + _NARROWEST * (min(len(axes), MOST_AXES) - 1))
    chart = Chart("parallel", title, width, _HEIGHT)
    shown = chart.limited(axes, MOST_AXES, "axes")
    drawn = chart.limited(lines, MOST_LINES, "lines")
    values = [[scales.drawable(value) for value in axis.values[: len(drawn)]] for axis in shown]
    if not any(value is not None for column in values for value in column):
        return chart.empty("There are no values to draw.")

    step = (width - _LEFT - _RIGHT) / max(1, len(shown) - 1)
    places = [_LEFT + step * number for number in range(len(shown))]
    by_axis = [_scale(axis, column) for axis, column in zip(shown, values, strict=True)]
    for axis, scale, x in zip(shown, by_axis, places, strict=True):
        chart.add(_axis(axis, scale, x, step))
    for number, line in enumerate(drawn):
        column = [one[number] for one in values]
        points = [
            None if value is None else (x, scale(value))
            for value, scale, x in zip(column, by_axis, places, strict=True)
        ]
        facts = [
            f"{axis.label} {_text(axis, value)}" for axis, value in zip(shown, column, strict=True) if value is not None
        ]
        if facts:
            shapes = colored(line.color, _shapes(points))
            chart.add(chart.link(line.href, f"{line.name}: {', '.join(facts)}", shapes))
        else:
            chart.notes.append(f"{line.name} has none of these values.")
    for axis, scale, x in zip(shown, by_axis, places, strict=True):
        chart.add(_labels(axis, scale, x))
    entries = dict.fromkeys((line.group or line.name, line.color) for line in drawn)
    for name, color in entries if len(entries) > 1 else ():
        chart.keys.append(LegendEntry(name, curve_swatch(color)))
    return chart.drawing(_summary(drawn, shown, values))


def _scale(axis: ParallelAxis, values: Sequence[float | None]) -> Scale:
    if not axis.choices:
        return scales.linear((value for value in values if value is not None), _BOTTOM, _TOP, count=4)
    last = len(axis.choices) - 1
    gap = max(1, -(-len(axis.choices) // _MOST_CHOICES))
    ticks = tuple(float(place) for place in range(0, last + 1, gap))
    if not last:
        return Scale(-1.0, 1.0, _BOTTOM, _TOP, ticks, 1.0)
    return Scale(0.0, float(last), _BOTTOM - _INSET, _TOP + _INSET, ticks, 1.0)


def _axis(axis: ParallelAxis, scale: Scale, x: float, step: float) -> str:
    parts = [vertical("axis", x, _TOP, _BOTTOM), *(horizontal("axis", x, x + 5, scale(tick)) for tick in scale.ticks)]
    name = svg.text(x, _TOP - 18, svg.fit(axis.title, step - 12, svg.SMALL), "axis-label", "middle")
    return svg.element("g", svg.tooltip(axis.label) + "".join(parts) + name)


def _labels(axis: ParallelAxis, scale: Scale, x: float) -> str:
    """Write the ticks' labels, on a background that covers the lines."""
    shapes = []
    for tick in scale.ticks:
        text = svg.fit(axis.choices[int(tick)] if axis.choices else scale.label(tick), _LABEL, svg.SMALL)
        y = scale(tick)
        shapes += [back(x + 6, y - 7, svg.width_of(text, svg.SMALL) + 5, 14), svg.text(x + 9, y + 4, text, "tick")]
    return svg.element("g", "".join(shapes), class_="over-lines")


def _shapes(points: Sequence[tuple[float, float] | None]) -> str:
    """Draw the pieces of a line between its gaps, and a dot on each axis."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    path = "".join(svg.polyline(piece) for piece in pieces if len(piece) > 1)
    dots = [svg.element("circle", class_="dot", cx=x, cy=y, r=3.5) for piece in pieces for x, y in piece]
    lines = [svg.element("path", class_=class_, d=path) for class_ in ("edge-hit", "curve")] if path else []
    return "".join(lines + dots)


def _text(axis: ParallelAxis, value: float) -> str:
    return axis.choices[int(value)] if axis.choices else scales.number(value)


def _summary(
    lines: Sequence[ParallelLine], axes: Sequence[ParallelAxis], values: Sequence[Sequence[float | None]]
) -> str:
    parts = [f"{counted(len(lines), 'line')} across {counted(len(axes), 'axis', 'axes')}."]
    for axis, column in zip(axes, values, strict=True):
        known = [value for value in column if value is not None]
        if axis.choices:
            parts.append(f"{axis.label}: {', '.join(axis.choices)}.")
        elif known:
            parts.append(f"{axis.label}: from {scales.number(min(known))} to {scales.number(max(known))}.")
    return " ".join(parts)
