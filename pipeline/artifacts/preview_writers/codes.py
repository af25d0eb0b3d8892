"""Codes: splits with counts, how often each unit is active, and the first rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.codes import table
from components.evaluation.metrics import ACTIVE_ABOVE
from pipeline.artifacts.sections import BarChart, BarValue, Preview, Section, Table, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import number_text

_FIRST = 10  # rows shown
_MOST_UNITS = 4_096  # units in the chart


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview, read row group by row group; None without a table."""
    path = artifact.folder / table.FILE
    if not path.is_file():
        return None
    counts: dict[str, int] = {}
    active_units: dict[str, int] = {}
    active: Any = 0
    total: Any = 0.0
    rows: list[tuple[Value, ...]] = []
    label: tuple[str, ...] = ()
    for group in table.row_groups(path):
        codes = table.codes_of(group)
        is_active = codes > ACTIVE_ABOVE
        active = active + is_active.sum(axis=0)
        total = total + codes.sum(axis=0, dtype=np.float64)
        for split in group[table.SPLIT].unique().to_pylist():
            rows_of_split = table.in_split(group, split)
            counts[split] = counts.get(split, 0) + int(rows_of_split.sum())
            active_units[split] = active_units.get(split, 0) + int(is_active[rows_of_split].sum())
        if not rows:
            rows = _first(group, codes)
            label = ("label",) if table.LABEL in group.column_names else ()
    if not counts:
        return None
    examples = sum(counts.values())
    bars = tuple(
        BarValue(f"unit {unit}", float(often / examples), f"mean activation then {number_text(mean)}")
        for unit, (often, mean) in enumerate(zip(active, total / np.maximum(active, 1), strict=True))
    )
    summary = tuple((split, count, active_units[split] / count) for split, count in counts.items())
    sections: tuple[Section, ...] = (
        Table("codes by split", columns("split", "examples:number", "active units:number"), summary),
        BarChart("examples on which each unit is active", bars[:_MOST_UNITS], share=True),
        Table("first codes", columns("id", *label, "active units:number", "strongest"), tuple(rows)),
    )
    return Preview("codes", sections), {}


def _first(group: Any, codes: Any) -> list[tuple[Value, ...]]:
    """Return id, label if there are labels, number of active units and the strongest units of the first rows."""
    labels = [(label,) for label in group[table.LABEL].to_pylist()] if table.LABEL in group.column_names else None
    found: list[tuple[Value, ...]] = []
    for row, (name, code) in enumerate(zip(group[table.ID].to_pylist()[:_FIRST], codes, strict=False)):
        label = labels[row] if labels else ()
        strongest = [unit for unit in np.argsort(-code, kind="stable")[:3] if code[unit] > ACTIVE_ABOVE]
        words = ", ".join(f"unit {unit}: {number_text(float(code[unit]))}" for unit in strongest)
        found.append((name, *label, int((code > ACTIVE_ABOVE).sum()), words or "none"))
    return found
