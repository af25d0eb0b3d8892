"""Horizontal bars, such as the activity of units, or a metric by slice."""

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
    """

    label: str
    value: float | None
    detail: str = ""


def bar_chart(
    bars: Sequence[Bar], *, title: str, percent: bool = False, limit: float | None = None, width: int = 640
) -> Drawing:
    """Draw bars from zero.

    Args:
      bars: at most 2,048 are drawn.
      title: of the chart.
      percent: whether values are fractions, to be written in percent.
      limit: the maximum allowed: a line, and bars beyond it are highlighted; None: no line.
      width: in pixels.
    """
    chart = Chart("bars", title, width)
    drawn = chart.limited(bars, MOST_BARS, "bars")
    if not drawn:
        return chart.empty("There are no values to draw.")
    drawer = _BarDrawer(chart, drawn, scales.drawable(limit), scales.percentage if percent else scales.number)
    drawer.rows() if len(drawn) <= ROWS else drawer.columns()
    return chart.drawing(" ".join(drawer.summary()))


class _BarDrawer:
    """Draw bars into a chart, as rows or in columns."""

    def __init__(self, chart: Chart, bars: Sequence[Bar], limit: float | None, write: Callable[[float], str]) -> None:
        self._chart, self._limit, self._write = chart, limit, write
        self._bars = [(bar, scales.drawable(bar.value)) for bar in bars]
        self._values = [value for value in [limit, *(value for _, value in self._bars)] if value is not None]

    def rows(self) -> None:
        """Draw a row for each bar, with its name and value."""
        chart, width = self._chart, self._chart.width
        left = math.ceil(min(max(svg.width_of(bar.label, svg.SMALL) for bar, _ in self._bars), _LONGEST_LABEL)) + 16
        room = max(svg.width_of(self._text(value), svg.SMALL) for _, value in self._bars) + 16
        scale = self._scale(left, width - math.ceil(room))
        top = 24 if self._limit is not None else 6
        bottom = top + len(self._bars) * _ROW
        chart.height = bottom + 6
        for index, (bar, value) in enumerate(self._bars):
            y = top + index * _ROW
            over = self._is_over(value)
            shapes = svg.element("rect", class_="hit", x=0, y=y, width=width, height=_ROW)
            shapes += svg.text(left - 8, y + 14, svg.fit(bar.label, left - 14, svg.SMALL), "chart-label", "end")
            shapes += self._rect(value, scale, y + 3, _ROW - 6)
            shapes += svg.text(width - 4, y + 14, self._text(value), "value over" if over else "value", "end")
            chart.add(svg.link("", self._tooltip(bar, value) + (", above the limit" if over else ""), shapes))
        chart.add(vertical("axis", scale(0), top, bottom))
        if self._limit is not None:
            x = scale(self._limit)
            name = f"limit {self._write(self._limit)}"
            half = svg.width_of(name, svg.SMALL) / 2
            chart.add(vertical("limit", x, top - 4, bottom))
            chart.add(svg.text(min(max(x, half), width - half), 13, name, "chart-label", "middle"))

    def columns(self) -> None:
        """Draw thin bars, in columns that have the same scale."""
        chart, limit = self._chart, self._limit
        pitch = max((chart.width - _MARGIN) / math.ceil(len(self._bars) / ROWS), 56.0)
        chart.height = 40 + ROWS * _THIN
        text = f"The width of a column is {self._write(max(self._values, default=0.0))}."
        text += f" Line: limit {self._write(limit)}." if limit is not None else ""
        chart.add(svg.text(_MARGIN, 13, text, "chart-muted"))
        for start in range(0, len(self._bars), ROWS):
            column = self._bars[start : start + ROWS]
            left = _MARGIN + start // ROWS * pitch
            scale = self._scale(left, left + pitch - _MARGIN)
            bottom = 36 + len(column) * _THIN
            for row, (bar, value) in enumerate(column):
                y = 36 + row * _THIN
                shapes = svg.element("rect", class_="hit", x=left, y=y, width=pitch - _MARGIN, height=_THIN)
                chart.add(svg.link("", self._tooltip(bar, value), shapes + self._rect(value, scale, y + 1, _THIN - 2)))
            chart.add(vertical("axis", scale(0), 36, bottom))
            if limit is not None:
                chart.add(vertical("limit", scale(limit), 34, bottom))
            chart.add(svg.text(left, 30, svg.fit(column[0][0].label, pitch - 4, svg.SMALL), "tick"))

    def summary(self) -> Iterator[str]:
        """Yield sentences about the values."""
        known = [(value, bar) for bar, value in self._bars if value is not None]
        yield f"{counted(len(self._bars), 'bar')}."
        if known:
            low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
            yield f"Lowest {low[1].label}, {self._write(low[0])}; highest {high[1].label}, {self._write(high[0])}."
        if len(known) < len(self._bars):
            yield f"{len(self._bars) - len(known)} without a value."
        if self._limit is not None:
            yield f"{sum(map(self._is_over, self._values))} above the limit of {self._write(self._limit)}."

    def _scale(self, start: float, end: float) -> scales.Scale:
        """Return a scale that ends at the values farthest from zero: the longest bar takes all the room."""
        low, high = min([0.0, *self._values]), max([0.0, *self._values])
        high = 1.0 if low == high else high
        return scales.Scale(low, high, start, end, (), high - low)

    def _is_over(self, value: float | None) -> bool:
        return self._limit is not None and value is not None and value > self._limit

    def _rect(self, value: float | None, scale: scales.Scale, y: float, height: float) -> str:
        if value is None:
            return ""
        start, end = sorted((scale(0), scale(value)))
        classes = f"bar {color_class(1)}" + (" over" if self._is_over(value) else "")
        rounding = min(2.0, height / 4)
        return svg.element("rect", class_=classes, x=start, y=y, width=end - start, height=height, rx=rounding)

    def _text(self, value: float | None) -> str:
        return "–" if value is None else self._write(value)

    def _tooltip(self, bar: Bar, value: float | None) -> str:
        return f"{bar.label}: {self._text(value)}" + (f", {bar.detail}" if bar.detail else "")
