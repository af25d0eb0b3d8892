"""The preview of codes, worked out by hand."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from components.codes import table
from pipeline.artifacts.sections import BarChart
from tests import lazy
from tests.pipeline.artifacts.preview_writers.artifacts import artifact

codes = lazy.module("pipeline.artifacts.preview_writers.codes")

pytestmark = pytest.mark.component


def preview(folder: pathlib.Path, labels: Any = None) -> Any:
    with table.Writer(folder / table.FILE) as writer:
        first = np.float32([[0, 1, 4], [0, 0, 0]])
        writer.add(table.to_table(["train/0", "train/1"], "train", first, labels))
        last = None if labels is None else labels[:1]
        writer.add(table.to_table(["test/0"], "test", np.float32([[0, 3, 0]]), last))
    return codes.make(artifact("Codes", folder))


def test_it_shows_splits_units_and_first_rows(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROW_GROUP", 2)  # a file of two row groups
    made, pictures = preview(tmp_path, np.array([7, 5]))
    assert pictures == {}
    assert made.records("codes by split") == [
        {"split": "train", "examples": 2, "active_units": 1.0},
        {"split": "test", "examples": 1, "active_units": 1.0},
    ]
    chart = made.section("examples on which each unit is active")
    assert isinstance(chart, BarChart)
    assert [(bar.label, bar.value, bar.note) for bar in chart.bars] == [
        ("unit 0", 0, "mean activation then 0"),
        ("unit 1", 2 / 3, "mean activation then 2"),
        ("unit 2", 1 / 3, "mean activation then 4"),
    ]
    assert made.records("first codes") == [
        {"id": "train/0", "label": 7, "active_units": 2, "strongest": "unit 2: 4, unit 1: 1"},
        {"id": "train/1", "label": 5, "active_units": 0, "strongest": "none"},
    ]


def test_without_labels_there_is_no_column_of_them(tmp_path: pathlib.Path) -> None:
    made, _ = preview(tmp_path)
    assert made.records("first codes") == [
        {"id": "train/0", "active_units": 2, "strongest": "unit 2: 4, unit 1: 1"},
        {"id": "train/1", "active_units": 0, "strongest": "none"},
        {"id": "test/0", "active_units": 1, "strongest": "unit 1: 3"},
    ]


def test_without_a_table_there_is_no_preview(tmp_path: pathlib.Path) -> None:
    assert codes.make(artifact("Codes", tmp_path)) is None
