"""Text of the sections of a preview, with a function for each kind of section."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

from pipeline.artifacts.sections import (
    BarChart,
    Cards,
    Curve,
    Diagram,
    Histograms,
    LineChart,
    Pairs,
    Pictures,
    Preview,
    Table,
    TableColumn,
    Text,
    Value,
)
from pipeline.core.text import counted, number_text
from pipeline.terminal.table import Cell, Column, Screen, thinned

_INDENT = "  "
_BAR = 20  # characters of the longest bar
_MIN_WIDTH = 12  # of a column of texts
_RIGHT = ("number", "share")


def lines(screen: Screen, preview: Preview, uri: str) -> list[str]:
    """Return the preview of the artifact at `uri`."""
    found: list[str] = []
    for section in preview.sections:
        if shown := _lines(section, screen, uri):
            found += [*([""] if found else []), *shown]
    return found


@functools.singledispatch
def _lines(section: Any, screen: Screen, uri: str) -> list[str]:
    raise TypeError(f"no text for {type(section).__name__}")


@_lines.register
def _pairs(section: Pairs, screen: Screen, uri: str) -> list[str]:
    pairs = screen.pairs([(name, cell(value).text) for name, value in section.values.items()], _INDENT)
    return [screen.heading(section.title), *pairs]


@_lines.register
def _table(section: Table, screen: Screen, uri: str) -> list[str]:
    return [] if section.folded else [screen.heading(section.title), *table(screen, section, _INDENT)]


def table(screen: Screen, section: Table, indent: str = "") -> list[str]:
    """Return the rows below their titles. On a narrow terminal the last columns are dropped first."""
    columns = [
        Column(
            column.title,
            right=column.form in _RIGHT,
            min_width=_MIN_WIDTH if place and column.form == "text" else 0,
            drop=place if place > 1 and column.form != "verdict" else 0,
        )
        for place, column in enumerate(section.columns)
    ]
    rows = [
        [cell(value, column) for value, column in zip(row, section.columns, strict=False)] for row in section.shown()
    ]
    return screen.table(columns, rows, indent)


def cell(value: Value, column: TableColumn | None = None) -> Cell:
    """Return a value as text, in the form of its column."""
    if value is None:
        return Cell("")
    if isinstance(value, bool):
        return Cell("passed" if value else "failed", "green" if value else "red")
    if isinstance(value, str):
        return Cell(value)
    return Cell(f"{value:.1%}" if column is not None and column.form == "share" else number_text(value))


@_lines.register
def _pictures(section: Pictures, screen: Screen, uri: str) -> list[str]:
    count = counted(len(section.tiles), "picture")
    return [screen.heading(section.title), f"{_INDENT}{count}: `sae serve` shows them"]


@_lines.register
def _cards(section: Cards, screen: Screen, uri: str) -> list[str]:
    count = counted(len(section.cards), "card")
    return [screen.heading(section.title), f"{_INDENT}{count} with pictures: `sae serve` shows them"]


@_lines.register
def _text(section: Text, screen: Screen, uri: str) -> list[str]:
    style = "" if section.passed is None else "green" if section.passed else "yellow"
    text = ": ".join(part for part in (section.verdict, section.text) if part)
    found = screen.paragraph(text, style=style)
    for item in section.items:
        found += screen.paragraph(item, "- ")
    if section.file:
        found += screen.paragraph(str(pathlib.PurePath(uri) / section.file), _INDENT)
    return found


@_lines.register
def _line_chart(section: LineChart, screen: Screen, uri: str) -> list[str]:
    if not any(curve.points for curve in section.curves):
        return [screen.heading(section.title), f"{_INDENT}no values"]
    titles = ("", "first", "lowest", f"at {section.x_label}", "last")
    columns = [*(Column(title, right=bool(title)) for title in titles), Column("curve", drop=1)]
    rows = [_curve(curve, screen) for curve in section.curves if curve.points]
    return [screen.heading(f"{section.title} ({section.y_label})"), *screen.table(columns, rows, _INDENT)]


def _curve(curve: Curve, screen: Screen) -> list[Cell | str]:
    values = [y for _, y in curve.points]
    at, lowest = min(curve.points, key=lambda point: point[1])
    numbers = (number_text(one) for one in (values[0], lowest, at, values[-1]))
    return [curve.name, *numbers, screen.sparkline(thinned(values))]


@_lines.register
def _bar_chart(section: BarChart, screen: Screen, uri: str) -> list[str]:
    most = max((bar.value for bar in section.bars), default=0.0)
    mark = "█" if screen.unicode else "#"
    rows: list[list[Cell | str]] = []
    for bar in sorted(section.bars, key=lambda bar: -bar.value) if section.share else section.bars:
        style = "red" if section.limit is not None and bar.value > section.limit else ""
        value = f"{bar.value:.1%}" if section.share else number_text(bar.value)
        length = max(round(bar.value / most * _BAR), 1) if bar.value > 0 else 0
        rows.append([bar.label, Cell(value, style), Cell(mark * length, style), bar.note])
    limit = "" if section.limit is None else f", at most {number_text(section.limit)} allowed"
    columns = (Column(""), Column("", right=True), Column("", drop=1), Column("", drop=2))
    return [screen.heading(f"{section.title}{limit}"), *screen.table(columns, rows, _INDENT)]


@_lines.register
def _histograms(section: Histograms, screen: Screen, uri: str) -> list[str]:
    rows: list[list[Cell | str]] = [
        [
            one.name,
            number_text(one.buckets[0][0]),
            screen.sparkline([count for _, _, count in one.buckets]),
            number_text(one.buckets[-1][1]),
        ]
        for one in section.histograms
        if one.buckets
    ]
    return [screen.heading(section.title), *screen.table((Column(""),) * 4, rows, _INDENT)]


@_lines.register
def _diagram(section: Diagram, screen: Screen, uri: str) -> list[str]:
    return []  # the artifact's table lists the same
