"""What is shown of an artifact: generic sections, drawn once for the terminal and once for pages.

A preview writer describes an artifact with these dataclasses and knows neither terminal nor HTML; the two renderers
know these and no type of artifact. Titles and names are lower case, as a terminal shows them; pages capitalize them.
Numbers are finite: previews are JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.core import serialization

Value = str | int | float | bool | None


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG file in the preview's folder; sizes in pixels. `label`: its alternative text."""

    file: str
    width: int
    height: int
    label: str = ""


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
      title: its heading; as a key of JSON, spaces become `_`.
      form: how its values are shown: `text`; `name` (a name of code, as words on pages); `number`; `share` (in [0, 1],
        in percent); `verdict` (whether something passed); `run` (id of a run, which pages link to).
    """

    title: str
    form: str = "text"


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of values; a missing value is None. The first column names the row.

    Attributes:
      folded: whether it is long and only details a chart: pages fold it, terminals leave it out.
    """

    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    folded: bool = False
    kind: str = "table"

    def records(self) -> list[dict[str, Value]]:
        """The rows as JSON objects, keyed by the titles of the columns."""
        keys = [column.title.replace(" ", "_") for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]


@dataclasses.dataclass(frozen=True)
class Tile:
    """One or more pictures with a label and a note below; without a picture, an empty place."""

    label: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Tiles side by side. `text`: what they show, where the title does not say it."""

    title: str
    tiles: tuple[Tile, ...]
    text: str = ""
    kind: str = "pictures"


@dataclasses.dataclass(frozen=True)
class Text:
    """A sentence.

    Attributes:
      text: the sentence; empty where `verdict` says it all.
      verdict: a word or two that stand before it.
      passed: whether the verdict is good; None: neither.
      items: a list below it, such as reasons.
      file: a file of the artifact that the text leads to, by its relative name.
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
    """A line of a chart: (x, y) by rising x. A dashed one is of less weight."""

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
    """The length of a bar; `note` is shown beside it on request."""

    label: str
    value: float
    note: str = ""


@dataclasses.dataclass(frozen=True)
class BarChart:
    """A bar for each name.

    Attributes:
      limit: what no bar should exceed; None: no limit.
      share: whether values are in [0, 1], shown in percent.
    """

    title: str
    bars: tuple[BarValue, ...]
    limit: float | None = None
    share: bool = False
    kind: str = "bars"


@dataclasses.dataclass(frozen=True)
class Histogram:
    """The distribution of a named quantity: buckets of (low, high, how many values are in [low, high))."""

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
    """A box of a diagram. `data`: whether it is data, not a step that computes."""

    name: str
    detail: str = ""
    data: bool = False


@dataclasses.dataclass(frozen=True)
class Diagram:
    """Columns of boxes, left to right; each box is joined to all of the next column. A table says the same in text."""

    title: str
    columns: tuple[tuple[Box, ...], ...]
    kind: str = "diagram"


Section = Pairs | Table | Pictures | Text | LineChart | BarChart | Histograms | Diagram
_KINDS: Mapping[str, type[Any]] = {
    kind.kind: kind for kind in (Pairs, Table, Pictures, Text, LineChart, BarChart, Histograms, Diagram)
}


@dataclasses.dataclass(frozen=True)
class Preview:
    """What is shown of an artifact."""

    title: str
    sections: tuple[Section, ...]

    def section(self, title: str) -> Section | None:
        """The section of this title; None where there is none."""
        return next((section for section in self.sections if section.title == title), None)

    def records(self, title: str) -> list[dict[str, Value]]:
        """The rows of the table of this title as JSON objects; empty where there is none."""
        table = self.section(title)
        return table.records() if isinstance(table, Table) else []

    def chosen(self, titles: tuple[str, ...]) -> Preview:
        """This preview with only the sections of these titles."""
        return dataclasses.replace(self, sections=tuple(one for one in self.sections if one.title in titles))


def build(values: Mapping[str, Any]) -> Preview:
    """A preview from what `serialization.plain` made of it.

    Raises:
      KeyError, TypeError: a value is missing or of another type, or a section of an unknown kind.
    """
    if not isinstance(values["title"], str) or not isinstance(values["sections"], list):
        raise TypeError("a preview is an object with a title and a list of sections")
    return Preview(values["title"], tuple(serialization.build(_KINDS[one["kind"]], one) for one in values["sections"]))
