"""Horizontal bars, such as how often units are active, or a metric by slice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import Chart, Drawing, color_class, vertical

MOST_BARS = 2048  # twice the widest code that the configuration allows
ROWS = 64  # bars with name and value; more are drawn thin, in columns of as many

_ROW, _THIN = 20, 8  # pixels, from bar to bar
_MARGIN = 12  # pixels
_LONGEST_LABEL = 180  # pixels


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bar.

    Attributes:
      label: its name.
      value: None or a number that is not finite: no bar, and a dash for a value.
      detail: more for the tooltip; empty: none.
      href: where a click leads; empty: nowhere.
      color: 1 to 8.
    """

    label: str
    value: float | None
    detail: str = ""
    href: str = ""
    color: int = 1


def bar_chart(
    bars: Sequence[Bar],
    *,
    title: str,
    percent: bool = False,
    limit: float | None = None,
    limit_label: str = "limit",
    width: int = 640,
) -> Drawing:
    """Draw bars from zero.

    Args:
      bars: at most 2,048 are drawn.
      title: of the chart.
      percent: whether values are fractions, to be written in percent.
      limit: the maximum allowed: a line, and bars beyond it stand out; None: no line.
      limit_label: name of the limit.
      width: in pixels.
    """
    chart = Chart("bars", title, width)
    drawn = chart.limited(bars, MOST_BARS, "bars")
    if not drawn:
        return chart.empty("There are no values to draw.")
    chosen = limit if limit is not None and scales.usable(limit) else None
    bars_of = _Bars(chart, drawn, chosen, limit_label, scales.percentage if percent else scales.number)
    bars_of.rows() if len(drawn) <= ROWS else bars_of.columns()
    return chart.drawing(" ".join(bars_of.sentences()))


class _Bars:
    """Bars in a chart, as rows or in columns."""

    def __init__(
        self,
        chart: Chart,
        drawn: Sequence[Bar],
        limit: float | None,
        limit_label: str,
        write: Callable[[float], str],
    ) -> None:
        self._chart, self._drawn, self._limit, self._limit_label, self._write = chart, drawn, limit, limit_label, write
        self._reach = [value for bar in drawn if (value := _value(bar)) is not None]
        self._reach += [limit] if limit is not None else []

    def rows(self) -> None:
        """Draw a row for each bar, with its name and value."""
        chart, width = self._chart, self._chart.width
        left = math.ceil(min(max(svg.width_of(bar.label, svg.SMALL) for bar in self._drawn), _LONGEST_LABEL)) + 16
        room = max(svg.width_of(self._text(bar), svg.SMALL) for bar in self._drawn) + 16
        scale = self._from_zero(left, width - math.ceil(room))
        top = 24 if self._limit is not None else 6
        bottom = top + len(self._drawn) * _ROW
        chart.height = bottom + 6
        for index, bar in enumerate(self._drawn):
            y = top + index * _ROW
            over = self._is_over(bar)
            shapes = svg.element("rect", class_="hit", x=0, y=y, width=width, height=_ROW)
            shapes += svg.text(left - 8, y + 14, svg.fit(bar.label, left - 14, svg.SMALL), "chart-label", "end")
            shapes += self._bar(bar, scale, y + 3, _ROW - 6)
            shapes += svg.text(width - 4, y + 14, self._text(bar), "value over" if over else "value", "end")
            chart.add(self._link(bar, shapes, f", above the {self._limit_label}" if over else ""))
        chart.add(vertical("axis", scale(0), top, bottom))
        if self._limit is not None:
            x = scale(self._limit)
            name = f"{self._limit_label} {self._write(self._limit)}"
            half = svg.width_of(name, svg.SMALL) / 2
            chart.add(vertical("limit", x, top - 4, bottom))
            chart.add(svg.text(min(max(x, half), width - half), 13, name, "chart-label", "middle"))

    def columns(self) -> None:
        """Draw thin bars, in columns that have the same scale."""
        chart, limit = self._chart, self._limit
        pitch = max((chart.width - _MARGIN) / math.ceil(len(self._drawn) / ROWS), 56.0)
        chart.height = 40 + ROWS * _THIN
        text = f"The width of a column is {self._write(max(self._reach, default=0.0))}."
        text += f" Line: {self._limit_label} {self._write(limit)}." if limit is not None else ""
        chart.add(svg.text(_MARGIN, 13, text, "chart-muted"))
        for start in range(0, len(self._drawn), ROWS):
            column = self._drawn[start : start + ROWS]
            left = _MARGIN + start // ROWS * pitch
            scale = self._from_zero(left, left + pitch - _MARGIN)
            bottom = 36 + len(column) * _THIN
            for row, bar in enumerate(column):
                y = 36 + row * _THIN
                shapes = svg.element("rect", class_="hit", x=left, y=y, width=pitch - _MARGIN, height=_THIN)
                chart.add(self._link(bar, shapes + self._bar(bar, scale, y + 1, _THIN - 2), focusable=False))
            chart.add(vertical("axis", scale(0), 36, bottom))
            if limit is not None:
                chart.add(vertical("limit", scale(limit), 34, bottom))
            chart.add(svg.text(left, 30, svg.fit(column[0].label, pitch - 4, svg.SMALL), "tick"))

    def sentences(self) -> Iterator[str]:
        """Yield what the bars show."""
        known = [(value, bar) for bar in self._drawn if (value := _value(bar)) is not None]
        yield f"{counted(len(self._drawn), 'bar')}."
        if known:
            low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
            yield f"Lowest {low[1].label}, {self._write(low[0])}; highest {high[1].label}, {self._write(high[0])}."
        if len(known) < len(self._drawn):
            yield f"{len(self._drawn) - len(known)} without a value."
        if self._limit is not None:
            above = sum(value > self._limit for value, _ in known)
            yield f"{above} above the {self._limit_label} of {self._write(self._limit)}."

    def _from_zero(self, start: float, end: float) -> scales.Scale:
        """Return a scale that ends at the values farthest from zero: the longest bar takes all the room."""
        low, high = min(0.0, *self._reach, 0.0), max(0.0, *self._reach, 0.0)
        high = 1.0 if low == high else high
        return scales.Scale(low, high, start, end, (), high - low)

    def _is_over(self, bar: Bar) -> bool:
        value = _value(bar)
        return self._limit is not None and value is not None and value > self._limit

    def _bar(self, bar: Bar, scale: scales.Scale, y: float, height: float) -> str:
        value = _value(bar)
        if value is None:
            return ""
        start, end = sorted((scale(0), scale(value)))
        classes = f"bar {color_class(bar.color)}" + (" over" if self._is_over(bar) else "")
        rounding = min(2.0, height / 4)
        return svg.element("rect", class_=classes, x=start, y=y, width=end - start, height=height, rx=rounding)

    def _text(self, bar: Bar) -> str:
        value = _value(bar)
        return "–" if value is None else self._write(value)

    def _link(self, bar: Bar, shapes: str, more: str = "", focusable: bool = True) -> str:
        name = f"{bar.label}: {self._text(bar)}" + (f", {bar.detail}" if bar.detail else "") + more
        return self._chart.link(bar.href, name, shapes, focusable)


def _value(bar: Bar) -> float | None:
    """Return a bar's value, if it can be drawn."""
    return bar.value if bar.value is not None and scales.usable(bar.value) else None
