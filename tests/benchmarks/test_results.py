"""Figures of the benchmarks: median and range, the file, the tables."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from benchmarks import results
from benchmarks.results import Figure

WHOLE = Figure("TFX 1.16, Python 3.10", "whole", 0.62, 0.6, 0.7, 3, "2026-11-01", "abc", "2 cores, A")


def of(name: str, median: float, **changes: object) -> Figure:
    return dataclasses.replace(WHOLE, name=name, median=median, low=median, high=median, **changes)  # type: ignore[arg-type]


def test_a_figure_is_the_median_and_the_range_of_its_values() -> None:
    [found] = results.figures({"whole": [0.7, 0.60001, 0.65, 0.9]})
    assert (found.name, found.median, found.low, found.high, found.rounds) == ("whole", 0.675, 0.6, 0.9, 4)
    assert found.column.startswith("TFX ")
    assert found.machine


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("whole", (0.7651, 0.7, 0.784), "0.77 (0.70 to 0.78)"),
        ("rerun_unchanged", (0.4, 0.4, 0.4), "0.40 s"),
        ("clone", (61.26, 45, 68), "61.3 s (45.0 to 68.0)"),
        ("peak_memory", (1536.4, 1500, 1600), "1,536 MiB (1,500 to 1,600)"),
        ("evaluator", (0.0461, 0.0461, 0.0461), "0.046"),
        ("test_bce", (0.07791, 0.07791, 0.07791), "0.0779"),
        ("growth_time/Trainer", (5.66, 5.66, 5.66), "5.66"),
    ],
)
def test_a_figure_has_the_digits_that_matter_and_a_range_that_differs(
    name: str, values: tuple[float, float, float], text: str
) -> None:
    middle, low, high = values
    assert dataclasses.replace(WHOLE, name=name, median=middle, low=low, high=high).text == text


def test_a_line_says_whether_the_median_is_above_the_limit() -> None:
    assert WHOLE.item.limit == 0.65
    assert "MISSED" not in WHOLE.line
    assert "MISSED" in of("whole", 0.66).line
    assert "at most" not in of("test_bce", 0.08).line


def test_the_file_gives_back_what_was_saved(tmp_path: pathlib.Path) -> None:
    found = [WHOLE, of("clone", 45.5)]
    results.save(found, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == found
    assert len((tmp_path / "results.json").read_text().splitlines()) == 4  # a figure a line, in brackets
    assert results.load(tmp_path / "none.json") == []


def test_figures_of_a_part_replace_those_before_and_leave_others() -> None:
    other = of("whole", 0.73, column="TFX 1.21, Python 3.13", machine="2 cores, B")
    kept, new = of("clone", 50.0), of("whole", 0.6)
    assert results.merge([WHOLE, kept, other], [new]) == [kept, new, other]


def test_figures_of_another_machine_replace_the_column() -> None:
    other = of("whole", 0.73, column="TFX 1.21, Python 3.13")
    new = of("clone", 30.0, machine="64 cores, C")
    assert results.merge([WHOLE, other], [new]) == [new, other]


def test_a_row_with_a_limit_shows_the_worst_of_its_items_and_another_all() -> None:
    figures = [of("topk", 1.1), of("batchtopk", 1.4), of("test_bce", 0.08), of("script_test_bce", 0.09)]
    column = {one.name: one for one in figures}
    assert results.cell(column, ("topk", "batchtopk")) == "1.40"
    assert results.cell(column, ("test_bce", "script_test_bce")) == "0.0800, 0.0900"
    assert results.cell(column, ("topk", "jumprelu")) == "not measured"


def test_the_table_has_a_column_for_each_tfx_version() -> None:
    other = of("clone", 50.0, column="TFX 1.21, Python 3.13", date="2026-11-02", machine="2 cores, B")
    later = of("clone", 40.0, date="2026-11-03")
    assert results.table([("whole run", ("whole",)), ("clone", ("clone",))], [WHOLE, later, other]).splitlines() == [
        "| median (range) | at most | TFX 1.16, Python 3.10 | TFX 1.21, Python 3.13 |",
        "|---|---|---|---|",
        "| whole run | 0.65 | 0.62 (0.60 to 0.70) | not measured |",
        "| clone | 45 s | 40.0 s | 50.0 s |",
        "| machine, dates |  | 2 cores, A; 2026-11-01 to 2026-11-03 | 2 cores, B; 2026-11-02 |",
    ]


def test_the_table_of_nodes_has_a_row_for_each_node_that_was_measured() -> None:
    found = [WHOLE, of("node_seconds/Trainer", 30.0), of("growth_time/Trainer", 5.7), of("node_seconds/Report", 1.2)]
    lines = results.nodes_table(found).splitlines()
    assert lines[2:] == ["| Trainer | 30.0 s | 5.70 |  |", "| Report | 1.20 s |  |  |"]


def test_rows_of_the_readme_name_items_with_one_limit() -> None:
    for names in results.ROWS.values():
        assert len({(results.ITEMS[name].limit, results.ITEMS[name].unit) for name in names}) == 1
