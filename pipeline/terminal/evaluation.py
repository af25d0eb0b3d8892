"""Metrics and thresholds of an evaluation, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.artifacts import previews
from pipeline.core.text import number_text
from pipeline.terminal.table import Cell, Column, Screen

_THRESHOLDS = (
    Column("metric"),
    Column("of"),
    Column("value", right=True),
    Column("limit", right=True),
    Column(""),
)


def thresholds(screen: Screen, found: Sequence[previews.Threshold], indent: str = "") -> list[str]:
    """A line for each: what was asked, and whether it was kept."""
    rows: list[list[Cell | str]] = []
    for one in found:
        if one.limit is None:
            verdict, limit = Cell("nothing asked", "dim"), ""
        else:
            verdict, limit = (Cell("kept", "green") if one.passed else Cell("missed", "red")), number_text(one.limit)
        rows.append([one.metric, one.slice, number_text(one.value), limit, verdict])
    return screen.table(_THRESHOLDS, rows, indent)


def slices(screen: Screen, found: previews.Evaluation, indent: str = "") -> list[str]:
    """A line for each slice, with the first metrics of it."""
    names = list(dict.fromkeys(name for metrics in found.slices.values() for name in metrics))
    columns = [Column("slice"), *(Column(name, right=True, drop=place) for place, name in enumerate(names))]
    rows = [[name, *(number_text(metrics.get(one)) for one in names)] for name, metrics in found.slices.items()]
    return screen.table(columns, rows, indent)
