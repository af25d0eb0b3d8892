"""The base of every chart: shapes, axes and grid, legend, notes, and a description for screen readers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.web.charts import svg
from pipeline.web.charts.scales import Scale

COLORS = 8  # distinguishable series; more reuse the same colours
TOP, BOTTOM = 30, 44  # pixels above and below a plot: the y axis' label, and the x axis with its label

_PHONE = 340  # pixels; a wider chart may have to be scrolled

_Item = TypeVar("_Item")


@dataclasses.dataclass(frozen=True)
class LegendEntry:
    """An entry of a legend. `swatch`: a small SVG of the line or mark."""

    name: str
    swatch: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A finished chart with its legend and note.

    Attributes:
      svg: one `svg` element.
      title: of the chart.
      summary: the chart in words and numbers.
      keys: the legend; may be empty.
      note: what was left out; empty if nothing was.
      scrolls: whether the Tab key must reach the frame: it may have to be scrolled, and contains no link.
      axis: the labels of the y axes again, as an `svg` element that stays in place while the chart is scrolled; may be
        empty.
    """

    svg: str
    title: str
    summary: str
    keys: tuple[LegendEntry, ...] = ()
    note: str = ""
    scrolls: bool = False
    axis: str = ""

    def __html__(self) -> str:
        """Return the whole figure, as templates insert it."""
        focus = f' tabindex="0" role="group" aria-label="{svg.escape(self.title)}"' if self.scrolls else ""
        parts = [f'<div class="drawing"><div class="drawing-frame"{focus}>{self.axis}{self.svg}</div>']
        if self.keys:
            items = "".join(f"<li>{key.swatch} {svg.escape(key.name)}</li>" for key in self.keys)
            parts.append(f'<ul class="drawing-keys">{items}</ul>')
        if self.note:
            parts.append(f'<p class="drawing-note">{svg.escape(self.note)}</p>')
        return "".join(parts) + "</div>"


class Chart:
    """A chart under construction. Shapes are drawn in the order in which they are added.

    Attributes:
      width, height: in pixels; may be set until `drawing` is called.
      keys: the legend.
      notes: sentences about what was left out.
    """

    def __init__(self, kind: str, title: str, width: float, height: float = 80) -> None:
        """Start an empty chart.

        Args:
          kind: of chart, for its CSS class: `lines`.
          title: of the chart, also its name for screen readers.
          width, height: in pixels.
        """
        self.width, self.height = width, height
        self.keys: list[LegendEntry] = []
        self.notes: list[str] = []
        self._kind, self._title = kind, title
        self._shapes: list[str] = []
        self._links = False
        self._axis: list[str] = []  # labels of the y axes
        self._axis_width = 0.0

    def add(self, *shapes: str) -> None:
        """Add shapes."""
        self._shapes += shapes

    def limited(self, items: Sequence[_Item], most: int, nouns: str, newest: bool = False) -> Sequence[_Item]:
        """Return the first (or the last, the newest) `most` of items, and note that there are more."""
        if len(items) <= most:
            return items
        which = f"{most:,} newest" if newest else f"first {most:,}"
        self.notes.append(f"The {which} of {len(items):,} {nouns} are drawn.")
        return items[-most:] if newest else items[:most]

    def link(self, href: str, name: str, shapes: str, focusable: bool = True) -> str:
        """Return shapes as a link; see `svg.link`."""
        self._links = self._links or bool(href)
        return svg.link(href, name, shapes, focusable)

    def y_axis(self, scale: Scale, left: float, right: float, label: str = "") -> None:
        """Add a grid line and a label at every tick; `label`: of the axis, above it."""
        self._axis_width = max(self._axis_width, left)
        for tick in scale.ticks:
            y = scale(tick)
            written = svg.text(left - 8, y + 4, scale.label(tick), "tick", "end")
            self.add(horizontal("grid", left, right, y), written)
            self._axis.append(written)
        if label:
            written, y = svg.text(left, scale.end - 16, label, "axis-label"), scale.end - 16
            self.add(written)
            self._axis += [back(left, y - 12, svg.width_of(label, svg.SMALL) + 4, 16), written]

    def x_axis(
        self,
        scale: Scale,
        left: float,
        right: float,
        y: float,
        label: str = "",
        write: Callable[[float], str] | None = None,
        grid_top: float | None = None,
    ) -> None:
        """Add an axis at a height, with ticks and their labels.

        Args:
          scale: of the axis.
          left, right, y: its position, in pixels.
          label: of the axis, below it; empty: none.
          write: formats a tick; None: as the scale does.
          grid_top: where grid lines up from the ticks end; None: no grid.
        """
        if grid_top is not None:
            self.add(*(vertical("grid", scale(tick), grid_top, y) for tick in scale.ticks))
        self.add(horizontal("axis", left, right, y))
        for tick in scale.ticks:
            x = scale(tick)
            self.add(vertical("axis", x, y, y + 5))
            self.add(svg.text(x, y + 18, (write or scale.label)(tick), "tick", "middle"))
        if label:
            self.add(svg.text((left + right) / 2, y + BOTTOM - 8, label, "axis-label", "middle"))

    def empty(self, message: str, summary: str = "No values.") -> Drawing:
        """Finish a chart that has nothing to draw: a frame with a message."""
        frame = svg.element("rect", class_="empty", x=0.5, y=0.5, width=self.width - 1, height=self.height - 1, rx=6)
        middle = (self.width / 2, self.height / 2 + 4)
        self._shapes = [frame, svg.text(*middle, message, "chart-muted", "middle", svg.TEXT)]
        return self.drawing(summary)

    def drawing(self, summary: str) -> Drawing:
        """Finish the chart. `summary`: the chart in words and numbers."""
        content, class_ = "".join(self._shapes), f"chart chart-{self._kind}"
        if self._links:  # a screen reader treats an image as one item, and would hide its links
            label = f"{self._title}. {summary}"
            whole = svg.root(content, class_, self.width, self.height, role="group", aria_label=label)
        else:
            content = svg.tooltip(self._title) + svg.element("desc", svg.escape(summary)) + content
            whole = svg.root(content, class_, self.width, self.height, role="img")
        return Drawing(
            svg=whole,
            title=self._title,
            summary=summary,
            keys=tuple(self.keys),
            note=" ".join(self.notes),
            scrolls=self.width > _PHONE and not self._links,
            axis=self._fixed_axis() if self._axis and self.width > _PHONE else "",
        )

    def _fixed_axis(self) -> str:
        """Return the labels of the y axes on a background that covers those of the chart."""
        content = back(0, 0, self._axis_width - 4, self.height) + "".join(self._axis)
        return svg.root(content, "chart chart-axis", self._axis_width, self.height, aria_hidden="true")


def back(x: float, y: float, width: float, height: float) -> str:
    """Return a rectangle of the background, for a label over other shapes."""
    return svg.element("rect", class_="axis-back", x=x, y=y, width=width, height=height)


def horizontal(class_: str, left: float, right: float, y: float) -> str:
    """Return a line across."""
    return svg.element("line", class_=class_, x1=left, x2=right, y1=y, y2=y)


def vertical(class_: str, x: float, top: float, bottom: float) -> str:
    """Return a line down."""
    return svg.element("line", class_=class_, x1=x, x2=x, y1=top, y2=bottom)


def label_room(*scales: Scale) -> int:
    """Return the pixels to the left of a plot that the labels of y axes need."""
    widths = [svg.width_of(scale.label(tick), svg.SMALL) for scale in scales for tick in scale.ticks]
    return math.ceil(max(widths, default=0.0)) + 14


def color_class(color: int) -> str:
    """Return the class of a colour, 1 to 8."""
    return f"series-{(color - 1) % COLORS + 1}"


def colored(color: int, content: str) -> str:
    """Return shapes in a colour, 1 to 8."""
    return svg.element("g", content, class_=color_class(color))


def swatch(content: str, width: float = 14) -> str:
    """Return a small picture for a legend, 12 pixels high."""
    return svg.root(content, "swatch", width, 12, aria_hidden="true")


def curve_swatch(color: int, class_: str = "curve") -> str:
    """Return a short line for a legend."""
    return swatch(colored(color, svg.element("path", class_=class_, d="M1 6H23")), width=24)
