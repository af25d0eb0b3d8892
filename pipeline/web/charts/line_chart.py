"""Curves over epochs: the losses of one run, or those of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import BOTTOM, TOP, Chart, Drawing, LegendEntry, colored, curve_swatch, label_room

_CURVE_POINTS = 400  # of one curve: less than a pixel and a half apart
_DOTS = 400  # in a chart, each with a tooltip; more would hide the curves
_MOST_CURVES = 32  # the comparison of runs draws at most 16
_HEIGHT = 320  # pixels
_LABEL_HEIGHT = 14  # pixels between labels at the ends of curves

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
      name: for the legend and the tooltips.
      points: (x, y) in the order of x; None or a number that is not finite leaves a gap.
      color: 1 to 8.
      dashed: whether it is drawn with dashes, to distinguish it from another of the same colour.
      label: a short name at the end of the curve; empty: none.
    """

    name: str
    points: Sequence[tuple[float | None, ...]]
    color: int = 1
    dashed: bool = False
    label: str = ""


def line_chart(series: Sequence[Series], *, title: str, x_label: str, y_label: str, width: int = 640) -> Drawing:
    """Draw curves.

    Args:
      series: at most 32 are drawn.
      title: of the chart.
      x_label, y_label: of the axes, with their units.
      width: in pixels.
    """
    chart = Chart("lines", title, width, _HEIGHT)
    drawn = chart.limited(series, _MOST_CURVES, "curves")
    pieces = [list(_pieces(one.points)) for one in drawn]
    points = [point for one in pieces for piece in one for point in piece]
    if not points:
        return chart.empty("There are no values to draw.")

    y = scales.linear((value for _, value in points), _HEIGHT - BOTTOM, TOP)
    left = label_room(y)
    labels = [one.label for one in drawn if one.label]
    right = width - (min(0.3 * width, max(svg.width_of(label, svg.SMALL) for label in labels) + 22) if labels else 14)
    x = scales.tight(min(x for x, _ in points), max(x for x, _ in points), left + 8, right - 4)
    chart.y_axis(y, left, right, y_label)
    chart.x_axis(x, left, right, _HEIGHT - BOTTOM, x_label)
    ends: list[tuple[Point, Series]] = []
    thinned = 0
    for one, its_pieces in zip(drawn, pieces, strict=True):
        total = sum(len(piece) for piece in its_pieces)
        if not total:
            continue
        thinned = max(thinned, total if total > _CURVE_POINTS else 0)
        kept = [thin(piece, max(2, _CURVE_POINTS * len(piece) // total)) for piece in its_pieces]
        chart.add(_curve(one, kept, x, y, len(points) <= _DOTS))
        if one.label:
            last = its_pieces[-1][-1]
            ends.append(((x(last[0]), y(last[1])), one))
    chart.add(_end_labels(ends, right, _HEIGHT - BOTTOM, width))
    if thinned:
        chart.notes.append(
            f"Curves of up to {thinned:,} points are drawn with about {_CURVE_POINTS}: the lowest and the highest of"
            " each stretch."
        )
    for one in drawn if len(drawn) > 1 else ():
        chart.keys.append(LegendEntry(one.name, curve_swatch(one.color, _line_class(one))))
    return chart.drawing(_summary(drawn, pieces, x_label, y_label))


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """Return at most about `limit` points: both ends, and the lowest and highest of each stretch between them."""
    if len(points) <= limit:
        return list(points)
    stretches = max(1, (limit - 2) // 2)
    inner = len(points) - 2
    kept = {0, len(points) - 1}
    for stretch in range(stretches):
        indices = range(1 + stretch * inner // stretches, 1 + (stretch + 1) * inner // stretches)
        if indices:
            kept |= {min(indices, key=lambda index: points[index][1]), max(indices, key=lambda index: points[index][1])}
    return [points[index] for index in sorted(kept)]


def _pieces(points: Sequence[tuple[float | None, ...]]) -> Iterator[list[Point]]:
    """Yield the parts of a curve between its gaps."""
    piece: list[Point] = []
    for x, y in points:
        across, down = scales.drawable(x), scales.drawable(y)
        if across is not None and down is not None:
            piece.append((across, down))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _curve(one: Series, pieces: list[list[Point]], x: scales.Scale, y: scales.Scale, dots: bool) -> str:
    """Draw a curve, with tooltips at its points if `dots`; a point without neighbours is always drawn."""
    places = [[(x(first), y(second)) for first, second in piece] for piece in pieces]
    path = "".join(svg.polyline(piece) for piece in places if len(piece) > 1)
    parts = [svg.element("path", class_=_line_class(one), d=path)] if path else []
    for piece, its_places in zip(pieces, places, strict=True):
        alone = len(piece) == 1
        if not (dots or alone):
            continue
        classes, radius = ("dot", 3.5) if alone else ("spot", 4)
        for (epoch, value), (across, down) in zip(piece, its_places, strict=True):
            name = svg.tooltip(f"{one.name}, {scales.number(epoch)}: {scales.number(value)}")
            parts.append(svg.element("circle", name, class_=classes, cx=across, cy=down, r=radius))
    return colored(one.color, "".join(parts))


def _line_class(one: Series) -> str:
    return "curve dashed" if one.dashed else "curve"


def _end_labels(ends: list[tuple[Point, Series]], right: float, bottom: float, width: float) -> str:
    """Write names beside the ends of curves, moved apart where they would overlap, with a line to their curve."""
    ends = sorted(ends, key=lambda end: end[0][1])
    offsets = [index * _LABEL_HEIGHT for index in range(len(ends))]
    heights = scales.spread([y for (_, y), _ in ends], offsets, TOP, bottom)
    parts = []
    for ((x, y), one), height in zip(ends, heights, strict=True):
        line = svg.polyline([(x + 3, y), (right + 2, y), (right + 8, height), (right + 11, height)])
        name = svg.fit(one.label, width - right - 14, svg.SMALL)
        label = svg.text(right + 13, height + 4, name, "curve-label")
        content = svg.tooltip(one.name) + svg.element("path", class_="leader", d=line) + label
        parts.append(colored(one.color, content))
    return "".join(parts)


def _summary(series: Sequence[Series], pieces: list[list[list[Point]]], x_label: str, y_label: str) -> str:
    parts = [f"{counted(len(series), 'curve')} of {y_label} over {x_label}."]
    for one, its_pieces in zip(series, pieces, strict=True):
        points = [point for piece in its_pieces for point in piece]
        if not points:
            parts.append(f"{one.name}: no values.")
        elif len(points) == 1:
            parts.append(f"{one.name}: one value, {scales.number(points[0][1])}.")
        else:
            lowest = min(points, key=lambda point: point[1])
            parts.append(
                f"{one.name}: from {scales.number(points[0][1])} to {scales.number(points[-1][1])} in"
                f" {len(points):,} values, lowest {scales.number(lowest[1])} at {scales.number(lowest[0])}."
            )
    return " ".join(parts)
