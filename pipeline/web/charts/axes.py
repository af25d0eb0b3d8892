"""Axes, grid and their labels, for all drawings that have them."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.web.charts import svg
from pipeline.web.charts.scales import Scale


def horizontal_grid(scale: Scale, left: float, right: float) -> str:
    """A line across at every tick of a y axis, and the tick's label at its left."""
    parts = []
    for tick in scale.ticks:
        y = scale(tick)
        parts.append(svg.element("line", class_="grid", x1=left, x2=right, y1=y, y2=y))
        parts.append(svg.text(left - 8, y + 4, scale.label(tick), "tick", "end"))
    return "".join(parts)


def bottom_axis(scale: Scale, left: float, right: float, y: float, label: Callable[[float], str] | None = None) -> str:
    """An x axis at a height, with ticks and their labels."""
    parts = [svg.element("line", class_="axis", x1=left, x2=right, y1=y, y2=y)]
    for tick in scale.ticks:
        x = scale(tick)
        parts.append(svg.element("line", class_="axis", x1=x, x2=x, y1=y, y2=y + 5))
        parts.append(svg.text(x, y + 18, label(tick) if label else scale.label(tick), "tick", "middle"))
    return "".join(parts)


def vertical_grid(scale: Scale, top: float, bottom: float) -> str:
    """A line down at every tick of an x axis."""
    return "".join(
        svg.element("line", class_="grid", x1=scale(tick), x2=scale(tick), y1=top, y2=bottom) for tick in scale.ticks
    )


def label_width(scale: Scale) -> float:
    """The width of the widest label of a scale, in pixels."""
    return max((svg.width_of(scale.label(tick), svg.SMALL) for tick in scale.ticks), default=0.0)


def empty(width: float, height: float, message: str) -> str:
    """What stands where there is nothing to draw."""
    return svg.element("rect", class_="empty", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=6) + svg.text(
        width / 2, height / 2 + 4, message, "chart-muted", "middle", svg.TEXT
    )
