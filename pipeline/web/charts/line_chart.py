"""Curves over epochs: the losses of one run, or those of several over each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, svg

COLORS = 8  # as many as can be told apart; more take the same ones again

_CURVE_POINTS = 400  # of a curve that are drawn: less than a pixel and a half apart
_DOTS = 400  # in a drawing, each with a tooltip; more would hide the curves
_MOST_CURVES = 32  # twice what the page of comparisons draws
_TOP, _BOTTOM = 30, 44  # pixels, for the y axis' label and the x axis
_LABEL_HEIGHT = 14  # pixels between labels at the ends of curves

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
      name: for the legend and the tooltips.
      points: (x, y) in the order of x; None and what is no finite number leaves a gap.
      color: 1 to 8.
      dashed: to tell it from another of the same colour.
      label: a short name at the end of the curve; empty: none.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    color: int = 1
    dashed: bool = False
    label: str = ""


def color_class(color: int) -> str:
    """The class of a colour."""
    return f"series-{(color - 1) % COLORS + 1}"


def line_chart(
    series: Sequence[Series], *, title: str, x_label: str, y_label: str, width: int = 640, height: int = 320
) -> svg.Drawing:
    """Draws curves.

    Args:
      series: at most 32 are drawn.
      title: what is drawn, for those who cannot see it.
      x_label, y_label: with their units.
      width, height: in pixels.
    """
    drawn = series[:_MOST_CURVES]
    pieces = [list(_pieces(one.points)) for one in drawn]
    points = [point for one in pieces for piece in one for point in piece]
    notes = [f"{len(series) - len(drawn)} more curves are not drawn."] if len(series) > len(drawn) else []
    summary = _summary(drawn, pieces, x_label, y_label)
    if not points:
        parts = [axes.empty(width, height, "There are no values to draw.")]
        return svg.document(parts, width=width, height=height, title=title, summary=summary, kind="lines")

    y = scales.linear((value for _, value in points), height - _BOTTOM, _TOP)
    left = math.ceil(axes.label_width(y)) + 14
    labels = [one.label for one in drawn if one.label]
    right = width - (min(0.3 * width, max(svg.width_of(label, svg.SMALL) for label in labels) + 22) if labels else 14)
    x = scales.tight(min(x for x, _ in points), max(x for x, _ in points), left + 8, right - 4)

    parts = [
        axes.horizontal_grid(y, left, right),
        axes.bottom_axis(x, left, right, height - _BOTTOM),
        svg.text(left, 14, y_label, "axis-label"),
        svg.text((left + right) / 2, height - 8, x_label, "axis-label", "middle"),
    ]
    ends: list[tuple[Point, Series]] = []
    dots = len(points) <= _DOTS
    thinned = 0
    for one, its_pieces in zip(drawn, pieces, strict=True):
        total = sum(len(piece) for piece in its_pieces)
        if not total:
            continue
        thinned = max(thinned, total if total > _CURVE_POINTS else 0)
        share = [max(2, _CURVE_POINTS * len(piece) // total) for piece in its_pieces]
        kept = [thin(piece, limit) for piece, limit in zip(its_pieces, share, strict=True)]
        parts.append(_curve(one, kept, x, y, dots))
        if one.label:
            last = its_pieces[-1][-1]
            ends.append(((x(last[0]), y(last[1])), one))
    parts.append(_end_labels(ends, right, _TOP, height - _BOTTOM, width))
    if thinned:
        notes.append(
            f"Curves of up to {thinned:,} points are drawn with about {_CURVE_POINTS}: the lowest and the highest of"
            " each stretch."
        )
    keys = [_key(one) for one in drawn] if len(drawn) > 1 else []
    return svg.document(
        parts, width=width, height=height, title=title, summary=summary, kind="lines", keys=keys, note=" ".join(notes)
    )


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """At most about `limit` of the points: both ends, and the lowest and highest of each stretch between them."""
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


def _pieces(points: Sequence[tuple[float, float | None]]) -> Iterator[list[Point]]:
    """The parts of a curve between its gaps."""
    piece: list[Point] = []
    for x, y in points:
        if y is not None and scales.usable(y) and scales.usable(x):
            piece.append((x, y))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _curve(one: Series, pieces: list[list[Point]], x: scales.Scale, y: scales.Scale, dots: bool) -> str:
    """A curve, with tooltips at its points where these are few enough; a point without neighbours is always drawn."""
    classes = "curve dashed" if one.dashed else "curve"
    places = [[(x(first), y(second)) for first, second in piece] for piece in pieces]
    path = "".join(svg.polyline(piece) for piece in places if len(piece) > 1)
    parts = [svg.element("path", class_=classes, d=path)] if path else []
    for piece, its_places in zip(pieces, places, strict=True):
        alone = len(piece) == 1
        if not (dots or alone):
            continue
        for (epoch, value), (across, down) in zip(piece, its_places, strict=True):
            name = svg.tooltip(f"{one.name}, {scales.number(epoch)}: {scales.number(value)}")
            classes, radius = ("dot", 3.5) if alone else ("spot", 4)
            parts.append(svg.element("circle", name, class_=classes, cx=across, cy=down, r=radius))
    return svg.element("g", "".join(parts), class_=color_class(one.color))


def _end_labels(ends: list[tuple[Point, Series]], right: float, top: float, bottom: float, width: float) -> str:
    """Names beside the ends of curves, moved apart where they would lie over each other, with a line to their curve."""
    ends = sorted(ends, key=lambda end: end[0][1])
    heights = spread([y for (_, y), _ in ends], _LABEL_HEIGHT, top, bottom)
    parts = []
    for ((x, y), one), height in zip(ends, heights, strict=True):
        line = svg.polyline([(x + 3, y), (right + 2, y), (right + 8, height), (right + 11, height)])
        name = svg.fit(one.label, width - right - 14, svg.SMALL)
        label = svg.text(right + 13, height + 4, name, "curve-label")
        content = svg.tooltip(one.name) + svg.element("path", class_="leader", d=line) + label
        parts.append(svg.element("g", content, class_=color_class(one.color)))
    return "".join(parts)


def spread(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Sorted places, moved as little as needed to be at least `distance` apart, within bounds while there is room."""
    moved: list[list[float]] = []  # blocks of [sum of wished starts, members]
    for index, place in enumerate(places):
        moved.append([place - index * distance, 1])
        while len(moved) > 1 and moved[-2][0] / moved[-2][1] > moved[-1][0] / moved[-1][1]:
            total, members = moved.pop()
            moved[-1][0] += total
            moved[-1][1] += members
    starts = [total / members for total, members in moved for _ in range(int(members))]
    last = high - (len(places) - 1) * distance
    return [max(low, min(start, max(low, last))) + index * distance for index, start in enumerate(starts)]


def _key(one: Series) -> svg.Key:
    classes = "curve dashed" if one.dashed else "curve"
    line = svg.element("path", class_=classes, d="M1 6H23")
    return svg.Key(one.name, svg.swatch(svg.element("g", line, class_=color_class(one.color))))


def _summary(series: Sequence[Series], pieces: list[list[list[Point]]], x_label: str, y_label: str) -> str:
    if not any(pieces):
        return "No values."
    parts = [f"{counted(len(series), 'curve')} of {y_label} over {x_label}."]
    for one, its_pieces in zip(series, pieces, strict=True):
        points = [point for piece in its_pieces for point in piece]
        if not points:
            parts.append(f"{one.name}: no values.")
        elif len(points) == 1:
            parts.append(f"{one.name}: one value, {scales.number(points[0][1])}.")
        else:
            first, last = points[0][1], points[-1][1]
            lowest = min(points, key=lambda point: point[1])
            parts.append(
                f"{one.name}: from {scales.number(first)} to {scales.number(last)} in {len(points):,} values, lowest"
                f" {scales.number(lowest[1])} at {scales.number(lowest[0])}."
            )
    return " ".join(parts)
