"""Horizontal bars: how often units are active, and metrics by slice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, svg
from pipeline.web.charts.line_chart import color_class

MOST_BARS = 2048  # twice the widest code that the configuration foresees
ROWS = 64  # bars, each with its name and value; more are drawn thin, in columns of as many

_ROW, _THIN = 20, 8  # pixels, from bar to bar
_MARGIN = 12  # pixels
_LONGEST_LABEL = 180  # pixels


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar.

    Attributes:
      label: its name.
      value: None, or what is no finite number: no bar, and a dash for a value.
      detail: more for the tooltip; empty: none.
      href: where a click leads; empty: nowhere.
      color: 1 to 8.
    """

    label: str
    value: float | None
    detail: str = ""
    href: str = ""
    color: int = 1


def bars(
    given: Sequence[Bar],
    *,
    title: str,
    percent: bool = False,
    limit: float | None = None,
    limit_label: str = "limit",
    width: int = 640,
) -> svg.Drawing:
    """Draws bars from zero.

    Args:
      given: at most 2,048 are drawn.
      title: what is drawn.
      percent: whether values are fractions, to be written in percent.
      limit: what values should not exceed: a line, and bars beyond it stand out; None: no line.
      limit_label: what the limit is called.
      width: in pixels.
    """
    drawn = given[:MOST_BARS]
    note = f"The first {MOST_BARS:,} of {len(given):,} bars are drawn." if len(given) > MOST_BARS else ""
    write = scales.percentage if percent else scales.number
    values = [bar.value for bar in drawn if bar.value is not None and scales.usable(bar.value)]
    if not drawn:
        parts = [axes.empty(width, 80, "There are no values to draw.")]
        return svg.document(parts, width=width, height=80, title=title, summary="No values.", kind="bars")
    limit = limit if limit is not None and scales.usable(limit) else None
    reach = values + ([limit] if limit is not None else [])
    few = len(drawn) <= ROWS
    parts, height = (_rows if few else _columns)(drawn, reach, write, limit, limit_label, width)
    return svg.document(
        parts, width=width, height=height, title=title, summary=_summary(drawn, write, limit, limit_label), kind="bars",
        links=any(bar.href for bar in drawn), note=note,
    )  # fmt: skip


def _rows(
    drawn: Sequence[Bar],
    reach: Sequence[float],
    write: Callable[[float], str],
    limit: float | None,
    limit_label: str,
    width: int,
) -> tuple[list[str], float]:
    widest = max(svg.width_of(bar.label, svg.SMALL) for bar in drawn)
    left = math.ceil(min(widest, _LONGEST_LABEL)) + 16
    room = max(svg.width_of(_value(bar, write), svg.SMALL) for bar in drawn) + 16
    scale = _from_zero(reach, left, width - math.ceil(room))
    top = 24 if limit is not None else 6
    bottom = top + len(drawn) * _ROW
    parts = []
    for index, bar in enumerate(drawn):
        y = top + index * _ROW
        hit = svg.element("rect", class_="hit", x=0, y=y, width=width, height=_ROW)
        label = svg.text(left - 8, y + 14, svg.fit(bar.label, left - 14, svg.SMALL), "chart-label", "end")
        over = _over(bar, limit)
        value = svg.text(width - 4, y + 14, _value(bar, write), "value over" if over else "value", "end")
        shapes = hit + label + _bar(bar, scale, y + 3, _ROW - 6, over) + value
        parts.append(svg.link(bar.href, _said(bar, write) + (f", above the {limit_label}" if over else ""), shapes))
    parts.append(svg.element("line", class_="axis", x1=scale(0), x2=scale(0), y1=top, y2=bottom))
    if limit is not None:
        x = scale(limit)
        name = f"{limit_label} {write(limit)}"
        half = svg.width_of(name, svg.SMALL) / 2
        parts.append(svg.element("line", class_="limit", x1=x, x2=x, y1=top - 4, y2=bottom))
        parts.append(svg.text(min(max(x, half), width - half), 13, name, "chart-label", "middle"))
    return parts, bottom + 6


def _columns(
    drawn: Sequence[Bar],
    reach: Sequence[float],
    write: Callable[[float], str],
    limit: float | None,
    limit_label: str,
    width: int,
) -> tuple[list[str], float]:
    """Thin bars, in columns beside each other; all columns have the same scale."""
    columns = math.ceil(len(drawn) / ROWS)
    pitch = max((width - _MARGIN) / columns, 56.0)
    bottom = 40 + ROWS * _THIN
    scale = _from_zero(reach, 0, pitch - _MARGIN)
    most = write(max(reach, default=0.0))
    said = f"The width of a column is {most}." + (f" Line: {limit_label} {write(limit)}." if limit is not None else "")
    parts = [svg.text(_MARGIN, 13, said, "chart-muted")]
    for column in range(columns):
        its = drawn[column * ROWS : (column + 1) * ROWS]
        left = _MARGIN + column * pitch
        rows = []
        for row, bar in enumerate(its):
            y = 36 + row * _THIN
            hit = svg.element("rect", class_="hit", x=0, y=y, width=pitch - _MARGIN, height=_THIN)
            shapes = hit + _bar(bar, scale, y + 1, _THIN - 2, _over(bar, limit))
            rows.append(svg.link(bar.href, _said(bar, write), shapes, focusable=False))
        edge = 36 + len(its) * _THIN
        rows.append(svg.element("line", class_="axis", x1=scale(0), x2=scale(0), y1=36, y2=edge))
        if limit is not None:
            rows.append(svg.element("line", class_="limit", x1=scale(limit), x2=scale(limit), y1=34, y2=edge))
        rows.append(svg.text(0, 30, svg.fit(its[0].label, pitch - 4, svg.SMALL), "tick"))
        parts.append(svg.element("g", "".join(rows), transform=f"translate({svg.coordinate(left)} 0)"))
    return parts, bottom


def _from_zero(reach: Sequence[float], start: float, end: float) -> scales.Scale:
    """A scale that ends at the farthest value on either side of zero: the longest bar takes all the room."""
    low, high = min(0.0, *reach, 0.0), max(0.0, *reach, 0.0)
    if low == high:
        high = 1.0
    return scales.Scale(low, high, start, end, (), high - low)


def _over(bar: Bar, limit: float | None) -> bool:
    return limit is not None and bar.value is not None and scales.usable(bar.value) and bar.value > limit


def _bar(bar: Bar, scale: scales.Scale, y: float, height: float, over: bool) -> str:
    if bar.value is None or not scales.usable(bar.value):
        return ""
    start, end = sorted((scale(0), scale(bar.value)))
    classes = f"bar {color_class(bar.color)}" + (" over" if over else "")
    return svg.element("rect", class_=classes, x=start, y=y, width=end - start, height=height, rx=min(2.0, height / 4))


def _value(bar: Bar, write: Callable[[float], str]) -> str:
    return "–" if bar.value is None or not scales.usable(bar.value) else write(bar.value)


def _said(bar: Bar, write: Callable[[float], str]) -> str:
    return f"{bar.label}: {_value(bar, write)}" + (f", {bar.detail}" if bar.detail else "")


def _summary(drawn: Sequence[Bar], write: Callable[[float], str], limit: float | None, limit_label: str) -> str:
    return " ".join(_sentences(drawn, write, limit, limit_label))


def _sentences(
    drawn: Sequence[Bar], write: Callable[[float], str], limit: float | None, limit_label: str
) -> Iterator[str]:
    known = [(bar.value, bar) for bar in drawn if bar.value is not None and scales.usable(bar.value)]
    yield f"{counted(len(drawn), 'bar')}."
    if known:
        low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
        yield f"Lowest {low[1].label}, {write(low[0])}; highest {high[1].label}, {write(high[0])}."
    if len(known) < len(drawn):
        yield f"{len(drawn) - len(known)} without a value."
    if limit is not None:
        above = sum(value > limit for value, _ in known)
        yield f"{above} above the {limit_label} of {write(limit)}."
