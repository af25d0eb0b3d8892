"""One measure of runs against another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, svg
from pipeline.web.charts.line_chart import COLORS, color_class

MOST_POINTS = 1000
MOST_NAMES = 200  # points whose names are tried for room; beyond, there is none
_TOP, _BOTTOM = 30, 44  # pixels
_RADIUS = 5.0  # pixels

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclasses.dataclass(frozen=True)
class ScatterPoint:
    """A point; one without a finite `x` and `y` is left out. `color`: 1 to 8, each with a shape of its own."""

    name: str
    x: float | None
    y: float | None
    href: str = ""
    color: int = 1


def scatter(
    points: Sequence[ScatterPoint], *, title: str, x_label: str, y_label: str, width: int = 640, height: int = 400
) -> svg.Drawing:
    """Draws points, with their names where there is room.

    Args:
      points: at most 1,000 are drawn.
      title: what is drawn.
      x_label, y_label: with their units.
      width, height: in pixels.
    """
    places = [
        (point, point.x, point.y)
        for point in points
        if point.x is not None and point.y is not None and scales.usable(point.x) and scales.usable(point.y)
    ]
    missing = len(points) - len(places)
    notes = [f"{counted(missing, 'run')} without both values left out."] if missing else []
    if len(places) > MOST_POINTS:
        notes.append(f"The first {MOST_POINTS:,} of {len(places):,} are drawn.")
        places = places[:MOST_POINTS]
    note = " ".join(notes)
    if not places:
        parts = [axes.empty(width, height, "There are no values to draw.")]
        return svg.document(
            parts, width=width, height=height, title=title, summary="No values.", kind="scatter", note=note
        )

    y = scales.linear((down for _, _, down in places), height - _BOTTOM, _TOP)
    left, right = math.ceil(axes.label_width(y)) + 14, width - 28
    x = scales.linear((across for _, across, _ in places), left, right, count=6)
    parts = [
        axes.horizontal_grid(y, left, right),
        axes.vertical_grid(x, _TOP, height - _BOTTOM),
        axes.bottom_axis(x, left, right, height - _BOTTOM),
        svg.text(left, 14, y_label, "axis-label"),
        svg.text((left + right) / 2, height - 8, x_label, "axis-label", "middle"),
    ]
    centres = [(x(across), y(down)) for _, across, down in places]
    room = (left, 16, width, height - _BOTTOM)
    names = _names([svg.fit(point.name, 160, svg.SMALL) for point, _, _ in places[:MOST_NAMES]], centres, room)
    names += [""] * (len(places) - len(names))
    for (point, across, down), centre, name in zip(places, centres, names, strict=True):
        said = f"{point.name}: {x_label} {scales.number(across)}, {y_label} {scales.number(down)}"
        parts.append(svg.link(point.href, said, _shape(point.color, centre) + name))
    hidden = names.count("")
    # As many points as colours, mostly runs that are compared: a legend names all of them.
    keys = [_key(point) for point, _, _ in places] if len(places) <= COLORS else []
    if hidden and not keys:
        note = " ".join(filter(None, [note, f"{counted(hidden, 'name')} left out for want of room."]))
    summary = (
        f"{counted(len(places), 'point')}. {x_label} from {scales.number(min(p[1] for p in places))} to"
        f" {scales.number(max(p[1] for p in places))}, {y_label} from {scales.number(min(p[2] for p in places))} to"
        f" {scales.number(max(p[2] for p in places))}."
    )
    return svg.document(
        parts, width=width, height=height, title=title, summary=summary, kind="scatter",
        links=any(point.href for point, _, _ in places), keys=keys, note=note,
    )  # fmt: skip


def _shape(color: int, centre: tuple[float, float]) -> str:
    """A mark around a point. Eight colours, four shapes: filled for the first four, hollow for the others."""
    x, y = centre
    outlines = (
        svg.element("circle", cx=x, cy=y, r=_RADIUS),
        svg.element("rect", x=x - 4.5, y=y - 4.5, width=9, height=9),
        svg.element("path", d=svg.polyline([(x, y - 6), (x + 5.5, y + 4), (x - 5.5, y + 4)]) + "Z"),
        svg.element("path", d=svg.polyline([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)]) + "Z"),
    )
    kind = (color - 1) % COLORS
    return svg.element("g", outlines[kind % 4], class_=f"point {color_class(color)}" + (" hollow" if kind > 3 else ""))


def _key(point: ScatterPoint) -> svg.Key:
    return svg.Key(point.name, svg.swatch(_shape(point.color, (7, 6)), width=14))


def _names(names: list[str], centres: list[tuple[float, float]], room: Box) -> list[str]:
    """The names of the first points, right, left, above or below it: the first place that is free; else empty."""
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    found = []
    for (x, y), name in zip(centres, names, strict=False):
        wide = svg.width_of(name, svg.SMALL)
        tries = (
            (x + 9, y + 4, "", (x + 9, y - 6, x + 9 + wide, y + 7)),
            (x - 9, y + 4, "end", (x - 9 - wide, y - 6, x - 9, y + 7)),
            (x, y - 10, "middle", (x - wide / 2, y - 20, x + wide / 2, y - 7.1)),
            (x, y + 19, "middle", (x - wide / 2, y + 7.1, x + wide / 2, y + 22)),
        )
        for across, down, anchor, box in tries:
            inside = box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                found.append(svg.text(across, down, name, "chart-label", anchor))
                break
        else:
            found.append("")
    return found


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
