"""SVG as text: elements, escaped texts, and estimates of the width of texts."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from pipeline.web.formatting import cut

TEXT = 12  # pixels, font size of titles and labels
SMALL = 11  # pixels, the smallest text in any chart
LONGEST_TEXT = 2000  # characters of a tooltip; a store may hold texts of any length

_NARROW = frozenset("fijlrtI.,:;'|!()[]/ -")
_WIDE = frozenset("mwMW@%")

# What XML 1.0 cannot hold, not even escaped; lone surrogates cannot be sent as UTF-8 either.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Escape a text for an element or a quoted attribute."""
    return html.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def coordinate(value: float) -> str:
    """Write a number of pixels, to a tenth of one."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def element(name: str, content: str | None = None, **attributes: str | float) -> str:
    """Write an element.

    Args:
      name: of the element.
      content: its content, already escaped; None: an empty element.
      attributes: `_` in a name stands for `-`, a trailing one is dropped (`class_`). Texts are escaped, and an empty
        one is left out.
    """
    values = []
    for key, value in attributes.items():
        text = escape(value) if isinstance(value, str) else coordinate(value)
        if text:
            values.append(f' {key.rstrip("_").replace("_", "-")}="{text}"')
    start = f"<{name}{''.join(values)}"
    return f"{start}/>" if content is None else f"{start}>{content}</{name}>"


def root(content: str, class_: str, width: float, height: float, **attributes: str) -> str:
    """Write a whole drawing."""
    view_box = f"0 0 {coordinate(width)} {coordinate(height)}"
    size: dict[str, str | float] = {"viewBox": view_box, "width": width, "height": height}
    return element("svg", content, xmlns="http://www.w3.org/2000/svg", class_=class_, **size, **attributes)


def text(x: float, y: float, value: str, class_: str = "chart-label", anchor: str = "", size: int = SMALL) -> str:
    """Write a line of text whose baseline starts (or, with `anchor`, is centred on or ends) at a point."""
    return element("text", escape(value), x=x, y=y, class_=class_, text_anchor=anchor, font_size=size)


def tooltip(value: str) -> str:
    """Write the text that a browser shows over the shape around it."""
    return element("title", escape(cut(value, LONGEST_TEXT)))


def link(href: str, name: str, content: str, focusable: bool = True) -> str:
    """Write shapes as a link; without an address, only the shapes with their tooltip.

    Args:
      href: the address; empty: no link.
      name: for the tooltip and the screen reader.
      content: shapes.
      focusable: whether the Tab key stops here.
    """
    content = tooltip(name) + content
    if not href:
        return element("g", content, class_="chart-item")
    label, tab = cut(name, LONGEST_TEXT), "" if focusable else "-1"
    return element("a", content, href=href, class_="chart-link", aria_label=label, tabindex=tab)


def translation(x: float, y: float) -> str:
    """Return the `transform` that moves shapes."""
    return f"translate({coordinate(x)} {coordinate(y)})"


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Return the data of a path through points."""
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)


def width_of(value: str, size: int) -> float:
    """Estimate the width of a text in a sans-serif font, in pixels; rather too wide than too narrow.

    The numbers are those of DejaVu Sans, the widest of the fonts that pages fall back to.
    """
    units = 0.0
    for character in value:
        if character in _NARROW:
            units += 0.4
        elif character in _WIDE:
            units += 1.0
        elif ord(character) > 0x2E7F:  # Chinese, Japanese, Korean, pictures
            units += 1.1
        else:
            units += 0.72 if character.isupper() else 0.63
    return units * size


def fit(value: str, width: float, size: int) -> str:
    """Cut a text in its middle, with an ellipsis, to fit a width in pixels: ids differ mostly at their ends."""
    value = " ".join(value[:LONGEST_TEXT].split())
    if width_of(value, size) <= width:
        return value
    low, high = 0, len(value)  # `low` characters fit
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if width_of(_shorten(value, middle), size) <= width else (low, middle)
    return _shorten(value, low)


def _shorten(value: str, length: int) -> str:
    tail = length // 3
    return value[: length - tail] + "…" + (value[-tail:] if tail else "")
