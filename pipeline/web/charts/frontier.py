"""One metric against another for groups of points: means with intervals, single runs, joined best ones, baselines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import (
    BOTTOM,
    TOP,
    Chart,
    Drawing,
    LegendEntry,
    back,
    colored,
    curve_swatch,
    horizontal,
    label_room,
    swatch,
    vertical,
)
from pipeline.web.charts.scales import Scale
from pipeline.web.charts.scatter import mark

MOST_POINTS = 1000
MOST_RUNS = 3000
_HEIGHT = 440  # pixels
_INSET = 12  # pixels from an axis to the points nearest to it
_RADIUS = 6  # pixels of a point with its edge

_ARROW = 4  # pixels from the tip of an arrow to its ends, across and down

Interval = tuple[float, float]  # low, high
_Box = tuple[float, float, float, float]  # pixels: left, right, top, bottom


@dataclasses.dataclass(frozen=True)
class FrontierMark:
    """A point of the chart: the mean over several runs.

    Attributes:
      name: for its tooltip.
      x, y: the means.
      href: link; may be empty.
      x_interval, y_interval: drawn as bars; None: none.
      marked: why it is drawn hollow, for its tooltip: `6 dead units`; empty: it is not.
      joined: whether a line joins it with the other joined ones of its group.
    """

    name: str
    x: float
    y: float
    href: str = ""
    x_interval: Interval | None = None
    y_interval: Interval | None = None
    marked: str = ""
    joined: bool = False


@dataclasses.dataclass(frozen=True)
class SingleRun:
    """A single run, drawn small."""

    name: str
    x: float
    y: float
    href: str = ""


_Point = TypeVar("_Point", FrontierMark, SingleRun)


@dataclasses.dataclass(frozen=True)
class FrontierGroup:
    """Points with one colour, and their runs. `name`: in the legend; empty: not there."""

    name: str
    marks: Sequence[FrontierMark]
    runs: Sequence[SingleRun] = ()


@dataclasses.dataclass(frozen=True)
class BaselineLine:
    """A horizontal line at a value."""

    name: str
    value: float


def frontier(
    groups: Sequence[FrontierGroup],
    baselines: Sequence[BaselineLine] = (),
    *,
    title: str,
    x_label: str,
    y_label: str,
    hollow: str = "",
    width: int = 760,
    largest: tuple[float, float] = (math.inf, math.inf),
) -> Drawing:
    """Draw groups of points, each with a line that joins its best ones.

    Args:
      groups: at most 1,000 points and 3,000 runs are drawn.
      baselines: lines across.
      title: of the chart.
      x_label, y_label: of the axes, with their units.
      hollow: what the legend calls marked points: `with dead units`; empty: there are none.
      width: in pixels.
      largest: the largest possible values of x and y.
    """
    chart = Chart("frontier", title, width, _HEIGHT)
    marks = chart.limited(_drawable(group.marks for group in groups), MOST_POINTS, "points")
    runs = chart.limited(_drawable(group.runs for group in groups), MOST_RUNS, "runs")
    if not marks:
        return chart.empty("There are no values to draw.")
    lines = [one for one in baselines if scales.drawable(one.value) is not None]
    near = _near(lines, [*(one.y for _, one in marks), *(one.y for _, one in runs)])
    x_scale, y_scale, left, right = _scales(marks, runs, near, width, largest)
    chart.y_axis(y_scale, left, right, y_label)
    chart.x_axis(x_scale, left, right, _HEIGHT - BOTTOM, x_label, grid_top=TOP)
    shapes = [
        (x, x, y, y) for x, y in ((x_scale(one.x), y_scale(one.y)) for found in (marks, runs) for _, one in found)
    ]
    shapes += [ends for _, one in marks for ends, _ in _intervals(one, x_scale, y_scale)]
    chart.add(*_baselines(near, y_scale, left, right, shapes))
    chart.add(*_far_baselines([one for one in lines if one not in near], y_scale, left, right, shapes))
    chart.add(*_joined(marks, x_scale, y_scale))
    for color, run in runs:
        dot = svg.element("circle", class_="dot small run", cx=x_scale(run.x), cy=y_scale(run.y), r=2.5)
        chart.add(chart.link(run.href, run.name, colored(color, dot), focusable=False))
    for color, one in marks:
        text = f"{one.name}: {x_label} {_value(one.x, one.x_interval)}, {y_label} {_value(one.y, one.y_interval)}"
        text += f", {one.marked}" if one.marked else ""
        shape = mark(color, (x_scale(one.x), y_scale(one.y)), hollow=bool(one.marked))
        chart.add(chart.link(one.href, text, _bars(one, color, x_scale, y_scale) + shape))
    is_cut = any(cut for _, one in marks for _, cut in _intervals(one, x_scale, y_scale))
    chart.keys = list(_legend(groups, marks, runs, hollow, is_cut))
    names = ", ".join(f"{one.name} {scales.number(one.value)}" for one in lines)
    return chart.drawing(
        f"{counted(len(marks), 'point')} of {counted(len(runs), 'run')} in {counted(len(groups), 'group')}"
        + (f"; baselines: {names}." if names else ".")
    )


def _drawable(groups: Iterable[Sequence[_Point]]) -> list[tuple[int, _Point]]:
    """Return the points that can be drawn, each with the colour of its group."""
    return [
        (color, one)
        for color, points in enumerate(groups, 1)
        for one in points
        if scales.drawable(one.x) is not None and scales.drawable(one.y) is not None
    ]


def _near(baselines: Sequence[BaselineLine], values: Sequence[float]) -> list[BaselineLine]:
    """Return the baselines that are no farther from the points than these are apart; others would squeeze them."""
    low, high = min(values), max(values)
    apart = high - low or math.inf
    return [one for one in baselines if low - apart <= one.value <= high + apart]


def _scales(
    marks: Sequence[tuple[int, FrontierMark]],
    runs: Sequence[tuple[int, SingleRun]],
    baselines: Sequence[BaselineLine],
    width: int,
    largest: tuple[float, float],
) -> tuple[Scale, Scale, int, int]:
    """Return the scales across and up, and the left and right ends of the plot.

    The scales contain the points, not the ends of their intervals: of two seeds these are often far outside.
    """
    down = [*(one.y for _, one in marks), *(one.y for _, one in runs), *(one.value for one in baselines)]
    across = [*(one.x for _, one in marks), *(one.x for _, one in runs)]
    y_scale = scales.linear(down, _HEIGHT - BOTTOM - _INSET, TOP, count=6, largest=largest[1])
    left, right = label_room(y_scale), width - 28
    x_scale = scales.linear(across, left + _INSET, right, count=8, largest=largest[0])
    return x_scale, y_scale, left, right


def _joined(marks: Sequence[tuple[int, FrontierMark]], x_scale: Scale, y_scale: Scale) -> Iterator[str]:
    """Draw the line of each group."""
    for color in dict.fromkeys(color for color, _ in marks):
        ends = sorted((x_scale(one.x), y_scale(one.y)) for group, one in marks if group == color and one.joined)
        if len(ends) > 1:
            yield colored(color, svg.element("path", class_="curve", d=svg.polyline(ends)))


def _intervals(one: FrontierMark, x_scale: Scale, y_scale: Scale) -> Iterator[tuple[_Box, str]]:
    """Yield each interval as far as the scales go, and the path of an arrow where it goes on; empty if it does not."""
    x, y = x_scale(one.x), y_scale(one.y)
    if one.x_interval:
        start, end, below, above = _ends(one.x_interval, x_scale)
        arrows = [(start, _ARROW)] * below + [(end, -_ARROW)] * above
        paths = (svg.polyline([(tip + by, y - _ARROW), (tip, y), (tip + by, y + _ARROW)]) for tip, by in arrows)
        yield (start, end, y, y), "".join(paths)
    if one.y_interval:
        start, end, below, above = _ends(one.y_interval, y_scale)
        arrows = [(start, -_ARROW)] * below + [(end, _ARROW)] * above
        paths = (svg.polyline([(x - _ARROW, tip + by), (x, tip), (x + _ARROW, tip + by)]) for tip, by in arrows)
        yield (x, x, end, start), "".join(paths)


def _ends(interval: Interval, scale: Scale) -> tuple[float, float, bool, bool]:
    """Return the pixels where an interval ends, at most those of the scale, and whether it is cut off there."""
    low, high = interval
    return scale(max(low, scale.low)), scale(min(high, scale.high)), low < scale.low, high > scale.high


def _bars(one: FrontierMark, color: int, x_scale: Scale, y_scale: Scale) -> str:
    """Draw the intervals, with an arrow where the scales end before them."""
    shapes = [
        svg.element("line", class_="interval", x1=left, x2=right, y1=top, y2=bottom)
        + (svg.element("path", class_="interval", d=arrows) if arrows else "")
        for (left, right, top, bottom), arrows in _intervals(one, x_scale, y_scale)
    ]
    return colored(color, "".join(shapes)) if shapes else ""


def _baselines(
    lines: Sequence[BaselineLine], scale: Scale, left: float, right: float, shapes: Sequence[_Box]
) -> Iterator[str]:
    lines = sorted(lines, key=lambda one: scale(one.value))
    wishes, offsets = [scale(one.value) - 5 for one in lines], [14.0 * place for place in range(len(lines))]
    for y, one in zip(scales.spread(wishes, offsets, TOP + 4, scale.start), lines, strict=True):
        text = f"{one.name} {scales.number(one.value)}"
        yield horizontal("limit", left, right, scale(one.value))
        yield _label(text, y, left, right, shapes)


def _far_baselines(
    lines: Sequence[BaselineLine], scale: Scale, left: float, right: float, shapes: Sequence[_Box]
) -> Iterator[str]:
    """Name baselines beyond the scale where it ends."""
    above = [one for one in lines if one.value > scale.high]
    below = [one for one in lines if one.value <= scale.high]
    for first, step, arrow, found in ((TOP + 4, 14, "↑", above), (scale.start - 6, -14, "↓", below)):
        for place, one in enumerate(found):
            yield _label(f"{arrow} {one.name} {scales.number(one.value)}", first + step * place, left, right, shapes)


def _label(text: str, y: float, left: float, right: float, shapes: Sequence[_Box]) -> str:
    """Write a label at the right end of the plot, or at the left one if fewer points and intervals are there."""
    width = svg.width_of(text, svg.SMALL) + 8

    def covered(start: float) -> int:
        return sum(
            start - _RADIUS < last
            and first < start + width + _RADIUS
            and y - 11 - _RADIUS < bottom
            and top < y + 3 + _RADIUS
            for first, last, top, bottom in shapes
        )

    start = min((right - width, left), key=covered)
    place, anchor = (left + 4, "") if start == left else (right - 4, "end")
    return back(start, y - 11, width, 14) + svg.text(place, y, text, "chart-label", anchor)


def _legend(
    groups: Sequence[FrontierGroup],
    marks: Sequence[tuple[int, FrontierMark]],
    runs: Sequence[tuple[int, SingleRun]],
    hollow: str,
    is_cut: bool,
) -> Iterator[LegendEntry]:
    for color, group in enumerate(groups, 1):
        if group.name:
            yield LegendEntry(group.name, swatch(mark(color, (7, 6))))
    if hollow and any(one.marked for _, one in marks):
        yield LegendEntry(hollow, swatch(mark(1, (7, 6), hollow=True)))
    if runs:
        dot = svg.element("circle", class_="dot small run", cx=7, cy=6, r=2.5)
        yield LegendEntry("one seed", swatch(colored(1, dot)))
    if any(one.x_interval or one.y_interval for _, one in marks):
        name = "95 % interval of the mean" + ", beyond the chart at an arrow" * is_cut
        yield LegendEntry(name, swatch(colored(1, vertical("interval", 7, 0, 12))))
    if any(one.joined for _, one in marks):
        yield LegendEntry("the best trade-offs, joined", curve_swatch(1))


def _value(value: float, interval: Interval | None) -> str:
    text = scales.number(value)
    return f"{text} ({scales.number(interval[0])} to {scales.number(interval[1])})" if interval else text
