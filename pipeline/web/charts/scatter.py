"""One metric of runs against another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import BOTTOM, COLORS, TOP, Chart, Drawing, LegendEntry, color_class, label_room, swatch

_RADIUS = 5.0  # pixels
_HEIGHT = 400  # pixels
_INSET = 12  # pixels from an axis to the points nearest to it

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
    points: Sequence[ScatterPoint],
    *,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 640,
    largest: tuple[float, float] = (math.inf, math.inf),
) -> Drawing:
    """Draw points, with names if there is room.

    Args:
      points: a few, such as the runs that are compared: there are eight colours and shapes.
      title: of the chart.
      x_label, y_label: of the axes, with their units.
      width: in pixels.
      largest: the largest possible values of x and y.
    """
    chart = Chart("scatter", title, width, _HEIGHT)
    known = [
        (point, x, y)
        for point in points
        if (x := scales.drawable(point.x)) is not None and (y := scales.drawable(point.y)) is not None
    ]
    bottom = _HEIGHT - BOTTOM
    if missing := len(points) - len(known):
        chart.notes.append(f"{counted(missing, 'run')} without both values left out.")
    if not known:
        return chart.empty("There are no values to draw.")

    y_scale = scales.linear((down for _, _, down in known), bottom - _INSET, TOP, largest=largest[1])
    left, right = label_room(y_scale), width - 28
    x_scale = scales.linear((across for _, across, _ in known), left + _INSET, right, count=6, largest=largest[0])
    chart.y_axis(y_scale, left, right, y_label)
    chart.x_axis(x_scale, left, right, bottom, x_label, grid_top=TOP)
    centres = [(x_scale(across), y_scale(down)) for _, across, down in known]
    room = (left, 16, width, bottom)
    names = _names([svg.fit(point.name, 160, svg.SMALL) for point, _, _ in known], centres, room)
    for (point, across, down), centre, name in zip(known, centres, names, strict=True):
        text = f"{point.name}: {x_label} {scales.number(across)}, {y_label} {scales.number(down)}"
        chart.add(chart.link(point.href, text, _shape(point.color, centre) + name))
    chart.keys = [LegendEntry(one.name, swatch(_shape(one.color, (7, 6)))) for one, _, _ in known]
    ranges = _range(x_label, [across for _, across, _ in known]), _range(y_label, [down for _, _, down in known])
    return chart.drawing(f"{counted(len(known), 'point')}. {', '.join(ranges)}.")


def _range(label: str, values: Sequence[float]) -> str:
    return f"{label} from {scales.number(min(values))} to {scales.number(max(values))}"


def mark(color: int, centre: tuple[float, float], hollow: bool = False) -> str:
    """Draw a mark around a point: one of eight colours, the first four and the last four each with four shapes."""
    x, y = centre
    outlines = (
        svg.element("circle", cx=x, cy=y, r=_RADIUS),
        svg.element("rect", x=x - 4.5, y=y - 4.5, width=9, height=9),
        svg.element("path", d=svg.polyline([(x, y - 6), (x + 5.5, y + 4), (x - 5.5, y + 4)]) + "Z"),
        svg.element("path", d=svg.polyline([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)]) + "Z"),
    )
    class_ = f"point {color_class(color)}" + (" hollow" if hollow else "")
    return svg.element("g", outlines[(color - 1) % COLORS % 4], class_=class_)


def _shape(color: int, centre: tuple[float, float]) -> str:
    """Draw the mark of a run: filled for the first four colours, hollow for the others."""
    return mark(color, centre, hollow=(color - 1) % COLORS > 3)


def _names(names: list[str], centres: list[tuple[float, float]], room: Box) -> list[str]:
    """Write each name to the right, left, above or below its point; an empty text if all four would overlap."""
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    found = []
    for (x, y), name in zip(centres, names, strict=True):
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
