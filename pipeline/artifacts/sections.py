"""Sections of a preview: what is shown of an artifact, independent of its type.

Preview writers return these dataclasses; the terminal and pages each draw them. Titles and names are lower case; pages
capitalize them. Numbers are finite, because previews are JSON.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import struct
import typing
from collections.abc import Callable, Mapping
from typing import Any

from components.evaluation.metrics import reworded
from pipeline.core import serialization

Value = str | int | float | bool | None


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG file in the preview's folder; sizes in pixels; `label` is its alternative text."""

    file: str
    width: int
    height: int
    label: str = ""


def picture_of(png: bytes, file: str, label: str) -> Picture:
    """Return a PNG file as a picture, with the size in its header."""
    width, height = struct.unpack(">II", png[16:24])
    return Picture(file, width, height, label)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Names with their values."""

    title: str
    values: Mapping[str, Value]
    kind: str = "pairs"


@dataclasses.dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes:
      title: its heading; in keys of JSON, spaces become `_`.
      form: how values are shown: `text`; `name` (an identifier, which pages show as words); `number`; `share` (in
        [0, 1], shown in percent); `verdict` (whether something passed); `run` (a run's id, which pages link); `card`
        (the label of a card, to which pages link if the preview has it).
    """

    title: str
    form: str = "text"


def columns(*titles: str) -> tuple[TableColumn, ...]:
    """Return columns from `title` or `title:form`; with a form, a title may have colons."""
    return tuple(TableColumn(*title.rsplit(":", 1)) for title in titles)


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values, None for a missing one; the first column names the row.

    Attributes:
      folded: whether it only repeats a chart: pages fold it, the terminal leaves it out.
    """

    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    folded: bool = False
    kind: str = "table"

    def shown(self) -> tuple[tuple[Value, ...], ...]:
        """Return the rows as people see them: where `limit` is a column and has no value, a verdict is `no limit`."""
        forms = [column.form for column in self.columns]
        place = next((place for place, column in enumerate(self.columns) if column.title == "limit"), None)
        if place is None or "verdict" not in forms:
            return self.rows
        return tuple(
            tuple(
                "no limit" if form == "verdict" and row[place] is None else value
                for value, form in zip(row, forms, strict=False)
            )
            for row in self.rows
        )

    def records(self) -> list[dict[str, Value]]:
        """Return the rows as JSON objects, keyed by the titles of the columns."""
        keys = [column.title.replace(" ", "_") for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]


@dataclasses.dataclass(frozen=True)
class Tile:
    """Pictures with a label and a note below them; without a picture, an empty space."""

    label: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Tiles side by side; `text` explains them if the title is not enough."""

    title: str
    tiles: tuple[Tile, ...]
    text: str = ""
    kind: str = "pictures"


@dataclasses.dataclass(frozen=True)
class Text:
    """A sentence.

    Attributes:
      text: the sentence; empty if `verdict` is enough.
      verdict: a word or two before it.
      passed: whether the verdict is good; None: neither.
      items: a list below it, such as reasons.
      file: a file of the artifact to link, by its relative name.
    """

    text: str
    verdict: str = ""
    passed: bool | None = None
    items: tuple[str, ...] = ()
    file: str = ""
    title: str = ""
    kind: str = "text"


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line of a chart: (x, y) by rising x; dashed if less important."""

    name: str
    points: tuple[tuple[float, ...], ...]
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class LineChart:
    """Lines over a common x axis."""

    title: str
    curves: tuple[Curve, ...]
    x_label: str
    y_label: str
    kind: str = "lines"


@dataclasses.dataclass(frozen=True)
class BarValue:
    """A bar and its length; `note` is shown on hover."""

    label: str
    value: float
    note: str = ""


@dataclasses.dataclass(frozen=True)
class BarChart:
    """A bar for each name.

    Attributes:
      limit: the largest allowed value, drawn as a line; None: no limit.
      share: whether values are in [0, 1], shown in percent.
    """

    title: str
    bars: tuple[BarValue, ...]
    limit: float | None = None
    share: bool = False
    kind: str = "bars"


@dataclasses.dataclass(frozen=True)
class Card:
    """One of many things of a kind: a line of text, pictures with captions, and a bar chart, or none.

    Attributes:
      label: its name, unique among the cards; cells of the form `card` link to it by that name.
    """

    label: str
    text: str
    tiles: tuple[Tile, ...]
    bars: BarChart | None = None


@dataclasses.dataclass(frozen=True)
class Cards:
    """Cards side by side; `text` explains them."""

    title: str
    cards: tuple[Card, ...]
    text: str = ""
    kind: str = "cards"


@dataclasses.dataclass(frozen=True)
class Histogram:
    """The distribution of a named quantity: buckets of (low, high, number of values in [low, high)).

    In a bucket whose ends are equal all values are the same, such as a label.
    """

    name: str
    buckets: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class Histograms:
    """A small histogram for each of several quantities."""

    title: str
    histograms: tuple[Histogram, ...]
    kind: str = "histograms"


@dataclasses.dataclass(frozen=True)
class Box:
    """A box of a diagram; `data`: whether it is data, not a computation."""

    name: str
    detail: str = ""
    data: bool = False


@dataclasses.dataclass(frozen=True)
class Diagram:
    """Columns of boxes, left to right, each box connected to all of the next column; a table repeats it as text."""

    title: str
    columns: tuple[tuple[Box, ...], ...]
    kind: str = "diagram"


Section = Pairs | Table | Pictures | Text | LineChart | BarChart | Cards | Histograms | Diagram
_KINDS: Mapping[str, type[Any]] = {kind.kind: kind for kind in typing.get_args(Section)}


@dataclasses.dataclass(frozen=True)
class Preview:
    """A preview of an artifact: a title and sections."""

    title: str
    sections: tuple[Section, ...]

    def section(self, title: str) -> Section | None:
        """Return the section with this title, or None."""
        return next((section for section in self.sections if section.title == title), None)

    def records(self, title: str) -> list[dict[str, Value]]:
        """Return the rows of the table with this title as JSON objects; empty if there is none."""
        table = self.section(title)
        return table.records() if isinstance(table, Table) else []

    def renamed(self, titles: Mapping[str, str]) -> Preview:
        """Return this preview with other words for slices, such as `label cat` for `label 0`: by their names."""
        return dataclasses.replace(self, sections=tuple(_renamed(one, titles) for one in self.sections))

    def labelled(self, labels: Mapping[str, str]) -> Preview:
        """Return this preview with labels in place of names in columns of names, such as `BCE` for `bce`."""
        return dataclasses.replace(self, sections=tuple(_with_names(one, labels.get) for one in self.sections))

    def reworded(self, words: Mapping[str, str]) -> Preview:
        """Return this preview with other words in its titles and names, such as `vector` for `image`."""
        return dataclasses.replace(self, sections=tuple(_reworded(one, words) for one in self.sections))

    def chosen(self, titles: tuple[str, ...]) -> Preview:
        """Return this preview with only the sections with these titles."""
        return dataclasses.replace(self, sections=tuple(one for one in self.sections if one.title in titles))


def _renamed(section: Section, titles: Mapping[str, str]) -> Section:
    if isinstance(section, Table):
        names = [column.title for column in section.columns]
        rows = (tuple(map(functools.partial(_renamed_value, titles), names, row)) for row in section.rows)
        return dataclasses.replace(section, rows=tuple(rows))
    if isinstance(section, BarChart):
        bars = (dataclasses.replace(bar, label=titles.get(bar.label, bar.label)) for bar in section.bars)
        return dataclasses.replace(section, bars=tuple(bars))
    if isinstance(section, Pictures):
        return dataclasses.replace(section, tiles=tuple(_renamed_tile(tile, titles) for tile in section.tiles))
    if isinstance(section, Text) and titles:
        slices = re.compile(rf"\b({'|'.join(map(re.escape, titles))})\b")
        items = (slices.sub(lambda match: titles[match[1]], item) for item in section.items)
        return dataclasses.replace(section, items=tuple(items))
    return section


def _reworded(section: Section, words: Mapping[str, str]) -> Section:
    section = dataclasses.replace(section, title=reworded(section.title, words))
    if isinstance(section, Pairs):
        values = {reworded(name, words): value for name, value in section.values.items()}
        return dataclasses.replace(section, values=values)
    if isinstance(section, Table):
        columns = (dataclasses.replace(one, title=reworded(one.title, words)) for one in section.columns)
        table = dataclasses.replace(section, columns=tuple(columns))
        return _with_names(table, lambda name, _: reworded(name, words))
    if isinstance(section, Pictures):
        return dataclasses.replace(section, text=reworded(section.text, words))
    if isinstance(section, LineChart):
        return dataclasses.replace(section, y_label=reworded(section.y_label, words))
    return section


def _with_names(section: Section, shown: Callable[[str, str], str]) -> Section:
    """Return a section with others of the names in the columns of names of a table: of each name and itself."""
    if not isinstance(section, Table):
        return section
    are_names = [column.form == "name" for column in section.columns]
    rows = (
        tuple(
            shown(value, value) if is_name and isinstance(value, str) else value
            for value, is_name in zip(row, are_names, strict=False)
        )
        for row in section.rows
    )
    return dataclasses.replace(section, rows=tuple(rows))


def _renamed_value(titles: Mapping[str, str], column: str, value: Value) -> Value:
    """Return the title of a slice, or of the number in a column, such as 0 in the column `label`."""
    if isinstance(value, str):
        return titles.get(value, value)
    title = titles.get(f"{column} {value}")
    return value if title is None else title.removeprefix(f"{column} ")


def _renamed_tile(tile: Tile, titles: Mapping[str, str]) -> Tile:
    if (title := titles.get(tile.label)) is None:
        return tile
    pictures = (dataclasses.replace(one, label=one.label.replace(tile.label, title)) for one in tile.pictures)
    return dataclasses.replace(tile, label=title, pictures=tuple(pictures))


def build(values: Mapping[str, Any]) -> Preview:
    """Return a preview from its JSON object.

    Raises:
      KeyError, TypeError: a value is missing or of another type, or a section is of an unknown kind.
    """
    if not isinstance(values["title"], str) or not isinstance(values["sections"], list):
        raise TypeError("expected an object with a title and a list of sections")
    return Preview(values["title"], tuple(serialization.build(_KINDS[one["kind"]], one) for one in values["sections"]))
