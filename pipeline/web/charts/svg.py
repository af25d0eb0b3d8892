"""SVG as text: elements, escaped texts, and what every drawing returns."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterable, Sequence

TEXT = 12  # pixels, font size of titles and labels
SMALL = 11  # pixels, the smallest text in any drawing
LONGEST_TEXT = 2000  # characters of a tooltip; a store may hold texts of any length

_PHONE = 340  # pixels; a drawing that is wider may have to be scrolled
_NARROW = frozenset("fijlrtI.,:;'|!()[]/ -")
_WIDE = frozenset("mwMW@%")

# What XML 1.0 cannot hold, not even escaped; lone surrogates cannot be sent as UTF-8 either.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclasses.dataclass(frozen=True)
class Key:
    """An entry of a legend. `swatch`: a small SVG of what the name stands for."""

    name: str
    swatch: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A drawing, and what belongs beside it on a page.

    Attributes:
      svg: one `svg` element.
      title: what is drawn.
      summary: what is to be seen, in words and numbers.
      keys: the legend; empty where the drawing needs none.
      note: what was left out; empty when nothing was.
      scrolls: whether it may have to be scrolled on a phone and holds no link that the keyboard could go to.
    """

    svg: str
    title: str
    summary: str
    keys: tuple[Key, ...] = ()
    note: str = ""
    scrolls: bool = False

    def __html__(self) -> str:
        """The whole figure, as templates insert it."""
        focus = f' tabindex="0" role="group" aria-label="{escape(self.title)}"' if self.scrolls else ""
        parts = [f'<div class="drawing"><div class="drawing-frame"{focus}>{self.svg}</div>']
        if self.keys:
            items = "".join(f"<li>{key.swatch} {escape(key.name)}</li>" for key in self.keys)
            parts.append(f'<ul class="drawing-keys">{items}</ul>')
        if self.note:
            parts.append(f'<p class="drawing-note">{escape(self.note)}</p>')
        return "".join(parts) + "</div>"


def escape(text: str) -> str:
    """A text as it may stand in an element or in a quoted attribute."""
    return html.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def coordinate(value: float) -> str:
    """A number of pixels, to a tenth of one."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def element(name: str, content: str | None = None, **attributes: str | float) -> str:
    """An element.

    Args:
      name: of the element.
      content: what is in it, escaped already; None: an empty element.
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


def text(x: float, y: float, value: str, class_: str = "chart-label", anchor: str = "", size: int = SMALL) -> str:
    """A line of text whose baseline starts (or, with `anchor`, is centred on or ends) at a point."""
    return element("text", escape(value), x=x, y=y, class_=class_, text_anchor=anchor, font_size=size)


def tooltip(value: str) -> str:
    """What a browser shows over the shape that this is in."""
    return element("title", escape(_cut(value)))


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"


def link(href: str, name: str, content: str, focusable: bool = True, class_: str = "chart-link") -> str:
    """Shapes that lead somewhere; without an address, only the shapes with their tooltip.

    Args:
      href: the address; empty: nowhere.
      name: for the tooltip and the screen reader.
      content: shapes.
      focusable: whether the Tab key stops here.
      class_: of the link or group.
    """
    content = tooltip(name) + content
    if not href:
        return element("g", content, class_=class_.replace("chart-link", "chart-item"))
    tab = "" if focusable else "-1"
    return element("a", content, href=href, class_=class_, aria_label=_cut(name), tabindex=tab)


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Data of a path through points."""
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)


def width_of(value: str, size: int) -> float:
    """About how wide a text is in a sans-serif font, in pixels; rather too wide than too narrow.

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
    """A text, cut with an ellipsis in the middle to fit a width in pixels: ids differ mostly at their ends."""
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


def document(
    parts: Sequence[str],
    *,
    width: float,
    height: float,
    title: str,
    summary: str,
    kind: str,
    links: bool = False,
    keys: Sequence[Key] = (),
    note: str = "",
) -> Drawing:
    """Puts shapes together.

    Args:
      parts: shapes, the lowest first.
      width, height: in pixels.
      title: what is drawn.
      summary: what is to be seen, in words and numbers.
      kind: of drawing, for its class: `lines`.
      links: whether shapes lead somewhere. A screen reader takes an image for one thing, and would hide them.
      keys: the legend.
      note: what was left out.
    """
    size = f'viewBox="0 0 {coordinate(width)} {coordinate(height)}" width="{coordinate(width)}"'
    size += f' height="{coordinate(height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart chart-{kind}" {size}'
    if links:
        head += f' role="group" aria-label="{escape(f"{title}. {summary}")}">'
    else:
        head += f' role="img">{tooltip(title)}{element("desc", escape(summary))}'
    return Drawing(
        svg=head + "".join(parts) + "</svg>",
        title=title,
        summary=summary,
        keys=tuple(keys),
        note=note,
        scrolls=width > _PHONE and not links,
    )


def swatch(content: str, width: float = 24) -> str:
    """A small picture for a legend, 12 pixels high."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="swatch" viewBox="0 0 {coordinate(width)} 12"'
        f' width="{coordinate(width)}" height="12" aria-hidden="true">{content}</svg>'
    )
