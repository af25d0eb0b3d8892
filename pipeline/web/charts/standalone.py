"""Charts as one SVG file that needs no style sheet: for slides, papers and editors."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Sequence

from pipeline.web.charts import svg
from pipeline.web.charts.chart import Drawing

_STYLES = pathlib.Path(__file__).parent.parent / "static" / "charts.css"
_MARGIN = 20  # pixels
_TITLE, _LINE = 30, 18  # pixels: the height of a title, and of a line of the legend
_SWATCH = 30  # pixels for the mark before a name in the legend
_SIZE = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')


@functools.cache
def _styles() -> str:
    """Return the rules of the light style sheet, with values in place of variables, which few editors know."""
    text = re.sub(r"/\*.*?\*/", "", _STYLES.read_text(encoding="utf-8"), flags=re.DOTALL)
    variables = dict(re.findall(r"(--[\w-]+):\s*([^;}]+)", text.partition("@media")[0]))
    text = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", text)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", text)
    shown = [
        f"{names.strip()}{{{values.strip()}}}"
        for names, values in rules
        if ":root" not in names and ":has" not in names
    ]
    return re.sub(r"var\((--[\w-]+)\)", lambda found: variables.get(found[1], "none"), "\n".join(shown))


def document(title: str, drawings: Sequence[tuple[str, Drawing]]) -> str:
    """Return an SVG document with drawings below each other, each with its legend and note.

    Args:
      title: of the document.
      drawings: each with the heading above it.
    """
    parts: list[str] = []
    width, y = 0.0, float(_MARGIN)
    for heading, one in drawings:
        size = _SIZE.search(one.svg)
        assert size is not None
        wide, high = float(size[1]), float(size[2])
        width = max(width, wide)
        parts.append(svg.text(_MARGIN, y + 16, heading, "box-title", size=15))
        y += _TITLE
        parts.append(_at(_MARGIN, y, one.svg))
        y += high + 8
        legend, y = _legend(one, y, wide)
        parts += legend
        if one.note:
            parts.append(svg.text(_MARGIN, y + 12, one.note, "chart-muted"))
            y += _LINE
        y += _MARGIN
    whole = width + 2 * _MARGIN
    background = svg.element("rect", x=0, y=0, width=whole, height=y, class_="axis-back")
    content = "".join([svg.tooltip(title), svg.element("style", svg.escape(_styles())), background, *parts])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg.root(content, "chart", whole, y)}\n'


def _legend(one: Drawing, y: float, width: float) -> tuple[list[str], float]:
    """Return the entries of a legend in lines as wide as the chart, and the position below them."""
    parts: list[str] = []
    x = 0.0
    for key in one.keys:
        room = _SWATCH + svg.width_of(key.name, svg.TEXT) + 20
        if x and x + room > width:
            x, y = 0.0, y + _LINE
        parts.append(_at(_MARGIN + x, y + 2, key.swatch))
        parts.append(svg.text(_MARGIN + x + _SWATCH, y + 12, key.name, "chart-label", size=svg.TEXT))
        x += room
    return parts, y + _LINE if one.keys else y


def _at(x: float, y: float, shapes: str) -> str:
    return svg.element("g", shapes, transform=svg.translation(x, y))
